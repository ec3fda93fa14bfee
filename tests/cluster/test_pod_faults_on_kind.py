"""Faults at pods and nodes of a real kind cluster: what they do, and what is left of them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from test_substrate_on_kind import Bench

from chaosml import clock
from chaosml.errors import FaultRefused
from chaosml.event import (
    ClaimPoint,
    ImageSeen,
    NodeChanged,
    PodExited,
    PodGone,
    PodPaused,
    PodResumed,
    PodSignalled,
    TaskPhase,
)
from chaosml.runner.cluster_templates import completed
from chaosml.runner.options import RunOptions
from chaosml.substrates.protocol import Submission

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

NAMESPACE = "pod-faults"
TEMPLATES = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflowtemplates"
WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: worker-}
spec:
  entrypoint: work
  podSpecPatch: '{"terminationGracePeriodSeconds": 4}'
  arguments: {parameters: [{name: seconds, value: "1"}]}
  templates:
    - name: work
      activeDeadlineSeconds: 100
      retryStrategy: {limit: "1", retryPolicy: Always}
      container:
        image: python:3.11-slim
        command: [python, -u, -c]
        args:
          - |
            import signal, subprocess, sys, time
            signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
            other = subprocess.Popen(["sleep", "1000"])
            for number in range(int("{{workflow.parameters.seconds}}")):
                print(f'@chaosml {{"v":1,"event":"point","name":"p","seq":{number + 1},"pid":1}}')
                time.sleep(1)
            other.kill()
"""
SCENARIO = """
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: referring}
pipeline: {workflow: workflow.yaml}
"""
REFERRING = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: referring-}
spec:
  entrypoint: main
  templates:
    - name: main
      steps: [[{name: echo, templateRef: {name: only-here, template: echo}}]]
"""
ONLY_HERE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": "only-here"},
    "spec": {
        "templates": [
            {
                "name": "echo",
                "container": {
                    "image": "python:3.11-slim",
                    "command": ["python", "-c", "print('here')"],
                },
            }
        ]
    },
}


@pytest.fixture(scope="module")
def place() -> Iterator[Any]:
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    with borrowed(ClusterOptions(namespace=NAMESPACE)) as info:
        yield info


class Worker(Bench):
    """A bench whose workflow works for a while beside a process of its own."""

    def begin(
        self, name: str, seconds: int, *, deadline_s: int = 100, settled: bool = False
    ) -> str:
        """Start the workflow; return the uid of its pod once it says something."""
        document = self.folder / "workflow.yaml"
        document.write_text(
            WORKFLOW.replace("activeDeadlineSeconds: 100", f"activeDeadlineSeconds: {deadline_s}")
        )
        self.entries += self.substrate.submit(
            Submission(
                name=name,
                workflow_file=document,
                parameters={"seconds": str(seconds)},
                overlay=(),
                logs=self.folder / "pods",
            )
        )
        if settled:
            return self.await_running()
        self.run_until("the first word", lambda: bool(self.facts(ClaimPoint)))
        return self.substrate.pods()[-1].uid

    def codes(self, uid: str) -> list[int]:
        return [one.exit_code for one in self.facts(PodExited) if one.uid == uid]

    def views(self, uid: str) -> list[str]:
        return [one.view for one in self.facts(PodGone) if one.uid == uid]


@pytest.fixture
def bench(place: Any, tmp_path: pathlib.Path) -> Iterator[Worker]:
    bench = Worker(place, tmp_path)
    try:
        yield bench
    finally:
        bench.close()


def test_a_killed_program_dies_after_the_signal_with_137_and_is_seen(bench: Worker) -> None:
    uid = bench.begin("worker-killed", 120)
    said = list(bench.substrate.signal_container(uid, by="i1", signal="SIGKILL"))
    bench.entries += said
    bench.run_until("its view", lambda: bool(bench.views(uid)))
    assert (bench.codes(uid), bench.views(uid)) == ([137], ["seen"])
    assert bench.facts(PodSignalled) == [PodSignalled(uid=uid, signal="SIGKILL", by="i1")]
    (sent,) = [
        one for one in bench.entries if getattr(one, "data", None) in bench.facts(PodSignalled)
    ]
    (death,) = [one for one in bench.entries if isinstance(getattr(one, "data", None), PodExited)]
    assert sent.latest_ns < death.earliest_ns  # type: ignore[union-attr]
    # Digests of the user's image and of Argo's executor.
    images = {one.container for one in bench.facts(ImageSeen) if one.uid == uid}
    assert "wait" in images
    # The program is gone: nothing is left to be struck.
    assert bench.substrate.signal_container(uid, by="i1", signal="SIGTERM") == ()


def test_a_program_that_hangs_says_nothing_and_goes_on_when_it_is_told_to(bench: Worker) -> None:
    uid = bench.begin("worker-hung", 120)
    bench.entries += bench.substrate.pause_container(uid, by="i1")
    # The program and the process that it has started.
    assert [one.processes for one in bench.facts(PodPaused)] == [2]
    settled = clock.Deadline("what was on its way", 2.0)
    bench.run_until("what was on its way", lambda: settled.passed)
    words = len(bench.facts(ClaimPoint))
    silence = clock.Deadline("silence", 4.0)
    bench.run_until("silence", lambda: silence.passed)
    assert len(bench.facts(ClaimPoint)) == words
    bench.entries += bench.substrate.resume_container(uid, by="i1")
    assert [one.by for one in bench.facts(PodResumed)] == ["i1"]
    bench.run_until("a further word", lambda: len(bench.facts(ClaimPoint)) > words)
    # A signal that can be handled takes the way through Argo's executor.
    bench.entries += bench.substrate.signal_container(uid, by="i2", signal="SIGUSR1")
    bench.run_until("its end", lambda: bool(bench.codes(uid)))
    assert bench.codes(uid) == [7]


def test_the_deadline_of_the_template_ends_a_program_that_hangs(bench: Worker) -> None:
    uid = bench.begin("worker-deadline", 120, deadline_s=15)
    bench.entries += bench.substrate.pause_container(uid, by="i1")
    bench.run_until("its end", lambda: bool(bench.codes(uid)))
    assert bench.codes(uid)[0] in (137, 143)
    bench.run_until(
        "what Argo says of it",
        lambda: any(
            one.attempt == 0 and one.phase == "Failed" and "deadline" in one.message
            for one in bench.facts(TaskPhase)
        ),
    )
    bench.entries += bench.substrate.finish()


def test_a_budget_that_refuses_is_named_and_nothing_is_changed(bench: Worker) -> None:
    budgets = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
    labels = {"chaosml.dev/execution": "worker-budget"}
    bench.api.create(
        budgets,
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "keep"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
    )
    try:
        uid = bench.begin("worker-budget", 120)
        with pytest.raises(FaultRefused, match="The disruption budget keep needs 1") as refused:
            bench.substrate.evict_pod(uid, by="i1", view="gone")
        assert refused.value.why == "refused-by-pdb"
    finally:
        bench.api.delete(f"{budgets}/keep")
    bench.entries += bench.substrate.evict_pod(uid, by="i1", view="gone")
    bench.run_until("its end", lambda: bool(bench.codes(uid)))


def test_a_machine_that_reboots_reports_what_died_on_it(bench: Worker) -> None:
    uid = bench.begin("worker-reboot", 20, settled=True)
    node = bench.substrate.pods()[-1].node
    bench.entries += bench.substrate.stop_node(node, by="i1", view="seen", keep_object=True)
    assert bench.api.get(f"/api/v1/nodes/{node}")["metadata"]["name"] == node
    bench.entries += bench.substrate.return_node(node, by="i1")
    bench.run_to_the_end()
    # The wait container has ended with its node, too: Argo may name either of the two.
    assert bench.views(uid)[0] in ("seen", "wait-failed")
    phases = [one for one in bench.facts(TaskPhase) if one.attempt == 0]
    assert any("255" in one.message for one in phases), phases
    changes = [(one.state, one.by) for one in bench.facts(NodeChanged) if one.node == node]
    assert changes[:2] == [("ready", "harness"), ("stopped", "i1")]
    assert changes[-1] == ("ready", "i1")


def test_a_template_that_only_the_cluster_has_is_taken_in_and_stays_as_it_is(
    bench: Worker, tmp_path: pathlib.Path
) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    (tmp_path / "workflow.yaml").write_text(REFERRING)
    made = bench.api.create(TEMPLATES, ONLY_HERE)
    try:
        options = RunOptions(on="kind", namespace=NAMESPACE)
        with completed(scenario, options) as whole:
            assert whole.pipeline is not None
            assert "sha256" in whole.pipeline.read_text()
            bench.entries += bench.substrate.submit(
                Submission(
                    name="referring",
                    workflow_file=whole.pipeline,
                    parameters={},
                    overlay=(),
                    logs=tmp_path / "pods",
                )
            )
            bench.run_until("its end", lambda: bench.substrate.finished is not None)
            assert bench.substrate.finished == ("Succeeded", "")
        after = bench.api.get(f"{TEMPLATES}/only-here")
        assert after["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    finally:
        bench.api.delete(f"{TEMPLATES}/only-here")
    bench.entries += bench.substrate.finish()
    assert bench.codes(bench.facts(PodExited)[0].uid) == [0]
