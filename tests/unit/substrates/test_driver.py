"""The driver between a scripted controller and a kubelet that the test plays."""

import pathlib

import pytest

from chaosml.event import (
    Basis,
    ClaimPoint,
    NodeChanged,
    PodCreated,
    PodDeletion,
    PodExited,
    PodGone,
    PodPaused,
    PodResumed,
    PodSignalled,
    PodStarted,
    TaskPhase,
    WorkflowPhase,
)
from chaosml.history import CloseSource, LoseSource, OpenSource
from chaosml.substrates.embedded.driver import Driver
from chaosml.substrates.embedded.nodes import Nodes
from chaosml.substrates.embedded.wire import (
    Claim,
    Claimed,
    EndPod,
    Exited,
    Paused,
    Signalled,
    SignalPod,
    Started,
    StartPod,
)
from chaosml.substrates.protocol import Submission
from chaosml.workflow.protocol import (
    Change,
    CreatePod,
    EnvironmentVariable,
    Finished,
    PodCompleted,
    PodPending,
    PodRunning,
    PodSpec,
    PodVanished,
    StopPod,
    Tick,
    Vertex,
    WakeAt,
)
from chaosml.workflow.views import View

LATER_NS = 2**62


class Decision:
    def __init__(self, state, commands=(), changes=()):
        self.state, self.commands, self.changes = state, commands, changes


class Scripted:
    """Starts with the given commands and answers the kinds of observations that it was told of."""

    def __init__(self, *commands, changes=(), answers=None):
        self.first = Decision(0, commands, changes)
        self.answers = answers or {}
        self.seen = []

    def start(self, submission):
        return self.first

    def reduce(self, state, observation):
        assert state == len(self.seen)
        self.seen.append(observation)
        return Decision(len(self.seen), self.answers.get(type(observation), ()))


class Bench:
    def __init__(self, controller, *, nodes=2, **submission):
        self.orders, self.announced = [], []
        self.controller = controller
        self.driver = Driver(
            Submission(
                name="spot-t1",
                workflow_file=pathlib.Path("w.yaml"),
                parameters={},
                overlay=(),
                logs=pathlib.Path("/logs"),
                announce=lambda pod: self.announced.append((pod, list(self.orders))),
                **submission,
            ),
            controller=controller,
            nodes=Nodes(nodes),
            folder=pathlib.Path("/pods"),
            marks={},
            send=self.orders.append,
        )
        self.driver.start()
        self.entries = []

    def take(self):
        self.entries += self.driver.sources.take()
        return self.entries

    def facts(self, kind):
        self.take()
        return [
            entry.data for entry in self.entries if isinstance(getattr(entry, "data", None), kind)
        ]

    def start_pod(self, uid="train-1"):
        self.driver.take(Started(uid=uid, pid=5, earliest_ns=1, latest_ns=2))

    def end_pod(self, uid="train-1", *, at_ns=LATER_NS, **details):
        details = {"exit_code": 143, "stragglers": 0, **details}
        self.driver.take(Exited(uid=uid, earliest_ns=at_ns, latest_ns=at_ns + 1, **details))


def spec(name="train", **details):
    details = {"command": ("true",), **details}
    return PodSpec(pod=name, vertex=name, template=name, task=name, attempt=0, image="i", **details)


@pytest.fixture
def bench():
    return Bench(Scripted(CreatePod(spec())))


def test_a_pod_is_announced_before_it_is_started_and_its_log_is_open_by_then(bench):
    [(view, orders_before)] = bench.announced
    assert (view.uid, view.node, view.running, orders_before) == ("train-1", "node-1", False, [])
    assert [type(order) for order in bench.orders] == [StartPod]
    entries = bench.take()
    created = next(entry for entry in entries if isinstance(getattr(entry, "data", 0), PodCreated))
    assert entries.index(OpenSource("log/train-1")) < entries.index(created)


def test_every_source_numbers_what_it_says_and_closes_with_the_last_number(bench):
    bench.start_pod()
    bench.driver.take(
        Claimed(
            uid="train-1",
            claims=tuple(
                Claim(earliest_ns=n, latest_ns=n, fact=ClaimPoint(n=n, pid=1, name="a"))
                for n in (1, 2, 3)
            ),
        )
    )
    bench.end_pod()
    bench.driver.close()
    entries = bench.take()
    for source in ("argo", "kubelet", "log/train-1"):
        numbers = [
            one.source_seq for one in entries if getattr(one, "data", 0) and one.source == source
        ]
        assert numbers == list(range(1, len(numbers) + 1))
        assert CloseSource(source, len(numbers)) in entries
    claims = [one for one in entries if isinstance(getattr(one, "data", 0), ClaimPoint)]
    assert {(one.basis, one.subject) for one in claims} == {(Basis.CLAIMED, "pod/train-1")}


def test_the_life_of_a_pod_becomes_facts_and_observations(bench):
    bench.start_pod()
    assert [view.running for view in bench.driver.pods] == [True]
    bench.driver.take(Signalled(uid="train-1", signal="SIGTERM", by="one", at_ns=7))
    bench.end_pod(exit_code=1, outputs={"a": "b"}, result="r", message="m", pod_message="p")
    assert bench.facts(PodStarted) == [PodStarted(uid="train-1", pid=5)]
    assert bench.facts(PodSignalled) == [PodSignalled(uid="train-1", signal="SIGTERM", by="one")]
    assert bench.facts(PodExited) == [PodExited(uid="train-1", exit_code=1)]
    assert bench.facts(PodGone) == [PodGone(uid="train-1", view="seen")]
    assert bench.controller.seen == [
        PodRunning("train", 2, "node-1"),
        PodCompleted("train", LATER_NS + 1, 1, {"a": "b"}, "r", "m", "p"),
    ]
    assert bench.driver.pods == ()


@pytest.mark.parametrize(
    ("view", "observed"),
    [
        (View.GONE, PodVanished("train", LATER_NS + 1, graceless=False)),
        (View.RESTARTED, PodVanished("train", LATER_NS + 1, graceless=True)),
        (View.SEEN, PodCompleted("train", LATER_NS + 1, 143, {"a": "b"}, "r")),
        (View.WAIT_FAILED, PodCompleted("train", LATER_NS + 1, 143, {}, None)),
    ],
)
def test_the_death_of_a_deleted_pod_surfaces_under_its_view(bench, view, observed):
    bench.start_pod()
    bench.driver.delete("train-1", how="delete", by="one", view=view)
    bench.end_pod(outputs={"a": "b"}, result="r")
    assert bench.controller.seen[-1] == observed
    assert bench.facts(PodGone) == [PodGone(uid="train-1", view=view.value)]


def test_a_pod_that_had_ended_before_it_was_deleted_is_seen(bench):
    bench.start_pod()
    bench.driver.delete("train-1", how="force", by="one", view=View.RESTARTED, grace_s=0.0)
    bench.end_pod(at_ns=3, exit_code=0)
    assert isinstance(bench.controller.seen[-1], PodCompleted)


def test_a_deletion_is_said_once_unless_force_follows(bench):
    for grace_s in (None, 5.0, 0.0, 0.0):
        bench.driver.delete("train-1", how="d", by="one", view=View.GONE, grace_s=grace_s)
    assert [fact.grace_s for fact in bench.facts(PodDeletion)] == [30.0, 0.0]
    assert [order.grace_s for order in bench.orders if isinstance(order, EndPod)] == [30.0, 0.0]


def test_the_same_pod_gets_another_uid_when_it_is_created_again():
    bench = Bench(Scripted(CreatePod(spec()), answers={PodVanished: (CreatePod(spec()),)}))
    bench.driver.delete("train-1", how="force", by="one", view=View.RESTARTED, grace_s=0.0)
    bench.end_pod(exit_code=137)
    assert [fact.uid for fact in bench.facts(PodCreated)] == ["train-1", "train-2"]
    assert [view.uid for view in bench.driver.pods] == ["train-2"]


def test_a_pod_waits_for_a_node_and_is_placed_when_one_joins():
    bench = Bench(Scripted(CreatePod(spec())), nodes=0)
    assert bench.controller.seen[0].message.startswith("0/0 nodes are available")
    assert bench.orders == []
    assert bench.announced == []
    bench.driver.add_node(by="one")
    assert [fact.node for fact in bench.facts(PodCreated)] == ["node-1"]
    assert len(bench.orders) == 1


def test_a_deleted_pod_that_waits_for_a_node_is_gone_without_a_kubelet():
    bench = Bench(Scripted(CreatePod(spec())), nodes=0)
    bench.driver.delete("train-1", how="delete", by="one", view=View.GONE)
    assert [type(one) for one in bench.controller.seen] == [PodPending, PodVanished]
    assert [type(one.data) for one in bench.take() if hasattr(one, "data")][-3:] == [
        PodCreated,
        PodDeletion,
        PodGone,
    ]


def test_a_stopped_node_ends_its_pods_and_leaves_the_deletion_that_came_first():
    bench = Bench(Scripted(CreatePod(spec("a")), CreatePod(spec("b"))), nodes=1)
    bench.driver.cordon("node-1", by="one")
    bench.driver.evict("a-1", by="one", view=View.GONE)
    bench.driver.stop_node("node-1", by="one", view=View.RESTARTED)
    bench.end_pod("a-1")
    bench.end_pod("b-1")
    assert [(fact.uid, fact.how) for fact in bench.facts(PodDeletion)] == [
        ("a-1", "evict"),
        ("b-1", "node-lost"),
    ]
    assert [(fact.uid, fact.view) for fact in bench.facts(PodGone)] == [
        ("a-1", "gone"),
        ("b-1", "restarted"),
    ]
    assert [fact.state for fact in bench.facts(NodeChanged)] == ["ready", "cordoned", "stopped"]


def test_a_death_on_a_node_that_is_believed_in_is_heard_of_when_it_returns():
    bench = Bench(Scripted(CreatePod(spec())))
    bench.start_pod()
    bench.driver.stop_node("node-1", by="i1", view=View.SEEN, keep_object=True)
    bench.end_pod(exit_code=137, outputs={"model": "x"})
    assert bench.facts(PodExited) == [PodExited(uid="train-1", exit_code=137)]
    assert bench.facts(PodGone) == []
    assert not [one for one in bench.controller.seen if isinstance(one, PodCompleted)]
    bench.driver.return_node("node-1", by="i1")
    completed = bench.controller.seen[-1]
    # As a kubelet reports a container that it finds dead: with a code of its own, without outputs.
    assert (completed.exit_code, completed.outputs, completed.unreported) == (255, {}, True)
    assert bench.facts(PodGone) == [PodGone(uid="train-1", view="seen")]
    states = [(one.node, one.state) for one in bench.facts(NodeChanged)]
    assert states[-2:] == [("node-1", "stopped"), ("node-1", "ready")]


def test_a_node_returns_once_and_only_where_it_was_stopped(bench):
    bench.driver.return_node("node-1", by="i1")
    bench.driver.stop_node("node-1", by="i1", view=View.RESTARTED)
    bench.driver.return_node("node-1", by="i1")
    bench.driver.return_node("node-1", by="i1")
    states = [one.state for one in bench.facts(NodeChanged) if one.node == "node-1"]
    assert states == ["ready", "stopped", "ready"]


def test_a_signal_goes_to_a_program_that_runs_and_to_no_other(bench):
    bench.driver.signal("train-1", by="i1", signal="SIGKILL")
    bench.start_pod()
    bench.driver.signal("train-1", by="i1", signal="SIGKILL")
    bench.driver.signal("train-9", by="i1", signal="SIGKILL")
    assert bench.orders[1:] == [SignalPod(uid="train-1", signal="SIGKILL", by="i1")]


def test_a_hang_is_said_once_it_was_seen_and_its_end_when_it_was_asked_for(bench):
    bench.start_pod()
    bench.driver.take(Paused(uid="train-1", by="i1", processes=2, earliest_ns=5, latest_ns=9))
    bench.driver.take(Signalled(uid="train-1", signal="SIGCONT", by="i1", at_ns=11))
    assert bench.facts(PodPaused) == [PodPaused(uid="train-1", by="i1", processes=2)]
    assert bench.facts(PodResumed) == [PodResumed(uid="train-1", by="i1")]
    assert bench.facts(PodSignalled) == []


def test_healing_a_node_that_is_gone_says_nothing(bench):
    bench.driver.stop_node("node-2", by="one", view=View.GONE)
    before = len(bench.take())
    bench.driver.uncordon("node-2", by="one")
    bench.driver.cordon("node-2", by="one")
    bench.driver.stop_node("node-2", by="one", view=View.GONE)
    assert len(bench.take()) == before


def test_argo_ends_a_pod_without_its_hook_and_after_its_grace():
    stop = StopPod("train", "deadline")
    bench = Bench(Scripted(CreatePod(spec(grace_s=7.0)), WakeAt(50), answers={Tick: (stop,)}))
    assert bench.driver.due_ns == 50
    bench.driver.tick(49)
    assert bench.controller.seen == []
    bench.driver.tick(51)
    assert bench.driver.due_ns is None
    assert bench.orders[-1] == EndPod(uid="train-1", by="argo", grace_s=7.0, by_kubelet=False)


def test_a_finished_workflow_observes_nothing_more():
    bench = Bench(
        Scripted(CreatePod(spec()), WakeAt(9), answers={PodRunning: (Finished("Failed", "why"),)})
    )
    bench.start_pod()
    bench.end_pod()
    assert bench.driver.finished == ("Failed", "why")
    assert bench.facts(WorkflowPhase)[-1] == WorkflowPhase(phase="Failed", message="why")
    assert len(bench.controller.seen) == 1
    assert bench.driver.due_ns is None


def test_the_end_kills_what_runs_and_shows_the_controller_nothing_of_it(bench):
    bench.start_pod()
    bench.driver.end()
    assert bench.orders[-1] == EndPod(uid="train-1", by="harness", grace_s=0.0)
    bench.end_pod(exit_code=137)
    assert [fact.exit_code for fact in bench.facts(PodExited)] == [137]
    assert bench.facts(PodGone) == []
    assert len(bench.controller.seen) == 1


def test_what_could_not_be_read_to_its_end_is_lost_not_closed(bench):
    bench.end_pod(drained=False)
    assert LoseSource("log/train-1", "a process outside of the pod holds its output open") in (
        bench.take()
    )


def test_a_lost_kubelet_loses_its_sources_and_leaves_those_of_the_controller_whole(bench):
    bench.driver.close(why_lost="killed")
    endings = {entry.source: type(entry) for entry in bench.take()[-3:]}
    assert endings == {"argo": CloseSource, "kubelet": LoseSource, "log/train-1": LoseSource}


def test_only_the_variables_of_the_lineage_are_recorded_and_secrets_never():
    train = spec(
        environment=(
            EnvironmentVariable("RUN_ID", "run-7"),
            EnvironmentVariable("OTHER", "private"),
            EnvironmentVariable("TOKEN", secret=("store", "token")),
        )
    )
    vertex = Vertex(
        name="train",
        display_name="train",
        template="train",
        type="Pod",
        phase="Failed",
        message="denied for hunter22",
        task="train",
        outputs={"log": "token=hunter22"},
    )
    bench = Bench(
        Scripted(CreatePod(train), changes=(Change(vertex),)),
        secrets={"store": {"token": "hunter22"}},
        lineage_variables=("RUN_ID", "TOKEN", "ABSENT"),
    )
    [created] = bench.facts(PodCreated)
    assert created.environment == {"RUN_ID": "run-7", "TOKEN": "***"}
    [phase] = bench.facts(TaskPhase)
    assert (phase.message, phase.outputs) == ("denied for ***", {"log": "token=***"})
    assert "hunter22" not in str(bench.take())
