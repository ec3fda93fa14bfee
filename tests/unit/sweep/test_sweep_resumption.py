"""Argo's controller, taken up again at the moment of a crash."""

import pathlib

import pytest

from chaosml.errors import HarnessError
from chaosml.substrates.protocol import Submission
from chaosml.sweep.resumption import RecordingController, ResumingController, Resumption
from chaosml.workflow.protocol import CreatePod, Finished, PodCompleted, PodRunning
from chaosml.workflow.views import View

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: two-}
spec:
  entrypoint: both
  templates:
    - name: both
      dag:
        tasks:
          - {name: first, template: work}
          - {name: second, template: work, dependencies: [first]}
    - name: work
      retryStrategy: {limit: "2", retryPolicy: POLICY}
      container: {image: "trainer:1", command: [run]}
"""
MS = 1_000_000


class Recorded:
    """A workflow of two tasks, one after the other, that ran undisturbed from 0 to 40 ms on."""

    def __init__(self, folder: pathlib.Path, policy: str) -> None:
        path = folder / "w.yaml"
        path.write_text(WORKFLOW.replace("POLICY", policy))
        self.submission = Submission(
            name="two-c1", workflow_file=path, parameters={}, overlay=(), logs=folder
        )
        controller = RecordingController()
        decision = controller.start(self.submission)
        self.began_ns = decision.state.now_ns
        self.pods = []
        while created := [one for one in decision.commands if isinstance(one, CreatePod)]:
            (command,) = created
            pod, at_ns = command.spec.pod, self.began_ns + len(self.pods) * 20 * MS
            self.pods.append(pod)
            state = controller.reduce(decision.state, PodRunning(pod, at_ns + 5 * MS)).state
            decision = controller.reduce(state, PodCompleted(pod, at_ns + 15 * MS, 0))
        assert any(isinstance(one, Finished) for one in decision.commands)
        self.course = controller.course

    def resume(self, *, ended, running, view=View.RESTARTED, at_ms=100):
        """The controller after the crash, with what it decided and what had changed before."""
        controller = ResumingController()
        resumption = Resumption(
            course=self.course,
            ended=frozenset(ended),
            running=running,
            view=view,
            crashed_ns=self.began_ns + at_ms * MS,
            shift_ns=1000 * MS,
        )
        controller.resumption = resumption
        return controller, controller.start(self.submission), resumption.changes


@pytest.fixture(params=["Always"])
def recorded(request, tmp_path):
    return Recorded(tmp_path, request.param)


def created(decision):
    return [one.spec.pod for one in decision.commands if isinstance(one, CreatePod)]


def test_only_the_replacement_of_what_ran_is_asked_for(recorded):
    first, second = recorded.pods
    _, decision, changes = recorded.resume(ended=[first], running={second: True}, at_ms=30)
    assert created(decision) == [second], "the same attempt gets a new pod"
    last = {change.vertex.display_name: change.vertex.phase for _, change in changes}
    assert last["first(0)"] == "Succeeded"
    assert last["second(0)"] == "Running"


def test_what_had_changed_keeps_its_distances_on_the_clock_of_now(recorded):
    first, second = recorded.pods
    *_, changes = recorded.resume(ended=[first], running={second: True}, at_ms=30)
    times = [at_ns - recorded.began_ns - 1000 * MS for at_ns, _ in changes]
    assert times[0] == 0
    assert times[-1] == 25 * MS, "the start of the second pod"


def test_a_pod_that_had_not_been_seen_running_is_only_created(recorded):
    first, second = recorded.pods
    *_, changes = recorded.resume(ended=[first], running={second: False}, at_ms=21)
    phases = {one.vertex.display_name: one.vertex.phase for _, one in changes}
    assert phases["second(0)"] == "Pending"


@pytest.mark.parametrize("view", [View.GONE, View.SEEN])
def test_a_death_that_argo_sees_takes_another_attempt(recorded, view):
    first, second = recorded.pods
    _, decision, _ = recorded.resume(ended=[first], running={second: True}, view=view, at_ms=30)
    (replacement,) = created(decision)
    assert replacement not in recorded.pods


@pytest.mark.parametrize("recorded", ["OnFailure"], indirect=True)
def test_a_death_that_the_policy_does_not_retry_ends_the_workflow(recorded):
    first, second = recorded.pods
    crash = {"ended": [first], "running": {second: True}, "at_ms": 30}
    _, gone, _ = recorded.resume(**crash, view=View.GONE)
    assert [one.phase for one in gone.commands if isinstance(one, Finished)] == ["Error"]
    _, seen, _ = recorded.resume(**crash, view=View.SEEN)
    assert created(seen), "OnFailure retries an exit code"


def test_it_goes_on_to_its_end_from_there(recorded):
    first, second = recorded.pods
    controller, decision, _ = recorded.resume(ended=[first], running={second: True}, at_ms=30)
    at_ns = decision.state.now_ns + MS
    running = controller.reduce(decision.state, PodRunning(second, at_ns))
    ended = controller.reduce(running.state, PodCompleted(second, at_ns + MS, 0))
    assert [one.phase for one in ended.commands if isinstance(one, Finished)] == ["Succeeded"]


def test_observations_that_do_not_lead_to_the_crash_are_refused(recorded):
    with pytest.raises(HarnessError, match="never led to the pods strange"):
        recorded.resume(ended=recorded.pods[:1], running={"strange": True})


def test_without_a_crash_there_is_nothing_to_take_up(recorded):
    with pytest.raises(HarnessError, match="no crash was chosen"):
        ResumingController().start(recorded.submission)
