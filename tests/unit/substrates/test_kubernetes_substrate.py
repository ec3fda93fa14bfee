"""What the substrate asks of the API, and what it leaves there."""

from __future__ import annotations

import pathlib
import queue
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chaosml import clock
from chaosml.errors import FaultRefused, HarnessError, SubstrateError
from chaosml.event import (
    ContainerStatus,
    Emission,
    NodeChanged,
    PodDeletion,
    PodExited,
    PodPaused,
    PodResumed,
    PodSignalled,
)
from chaosml.history import CloseSource, Entry, LoseSource
from chaosml.substrates.kubernetes.api import Ran
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.nodes import trim as trim_node
from chaosml.substrates.kubernetes.pods import trim
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate
from chaosml.substrates.kubernetes.watches import Change, Kind, stop_all
from chaosml.substrates.protocol import (
    DeletesPods,
    DrainsNodes,
    EvictsPods,
    PodView,
    StopsNodes,
    Submission,
)
from tests.unit.substrates.kubernetes_fakes import FakeApi, listed
from tests.unit.substrates.kubernetes_objects import held, machine, pod, running, stamp, workflow

NAMESPACE = "/api/v1/namespaces/chaosml"
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/chaosml/workflows"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LEASES = "/apis/coordination.k8s.io/v1/leases"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/chaosml/leases/chaosml"
POD = f"{NAMESPACE}/pods/spot-t1-train-1234"
DOCUMENT = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: spot-}
spec:
  entrypoint: train
  templates: [{name: train, container: {image: trainer, command: [train]}}]
"""


class Cluster(FakeApi):
    """A namespace that may be used, with two workers."""

    allowed = True

    def __init__(self) -> None:
        super().__init__()
        self.objects |= {
            "/apis/argoproj.io/v1alpha1": {},
            NAMESPACE: {"metadata": {"labels": {"chaosml.dev/enabled": "true"}}},
            "/api/v1/nodes": listed(5, machine("one"), machine("two")),
            "/api/v1/nodes/one": machine("one", **{"chaosml.dev/enabled": "true"}),
            "/api/v1/pods": listed(5),
            f"{NAMESPACE}/pods": listed(5),
            WORKFLOWS: listed(5),
            LEASES: listed(5),
        }

    def create(self, path: str, body: Any) -> dict[str, Any]:
        created = super().create(path, body)
        if path == LEASE.rpartition("/")[0]:
            self.objects[LEASE] = {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}
        return {"status": {"allowed": self.allowed}} if path == REVIEWS else created

    def calls(self, *methods: str) -> list[tuple[str, str]]:
        return [(how, path) for how, path, _ in self.asked if how in methods and path != REVIEWS]


class Machines:
    """Workers that note what is done to them."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.stopped: list[str] = []
        self.ran: dict[str, dict[str, tuple[str, str]]] = {}

    def workers(self, *, stopped: bool = False) -> Sequence[str]:
        return tuple(self.stopped) if stopped else ("one", "two")

    def kill(self, node: str) -> None:
        self.done.append(("kill", node))

    def start(self, node: str) -> None:
        self.done.append(("start", node))

    def look(self, node: str, script: str, *arguments: str) -> str:
        return ""

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        self.done.append(("run", node))
        return ""

    def read_log(self, node: str, *, namespace: str, pod: str, uid: str) -> list[bytes]:
        raise SubstrateError("no disk here")

    def main_containers(self, node: str, *, namespace: str) -> dict[str, tuple[str, str]]:
        if node not in self.ran:
            raise SubstrateError(f"{node} does not run")
        return self.ran[node]


class Bench:
    """A substrate with a workflow whose pod runs on worker `one`."""

    def __init__(self, substrate: KubernetesSubstrate, api: Cluster, folder: pathlib.Path) -> None:
        self.substrate, self.api = substrate, api
        self.announced: list[PodView] = []
        document = folder / "workflow.yaml"
        document.write_text(DOCUMENT)
        self.submission = Submission(
            name="spot-t1",
            workflow_file=document,
            parameters={},
            overlay=(),
            logs=folder / "pods",
            announce=self.announced.append,
        )

    def submit(self) -> None:
        self.substrate.prepare()
        self.substrate.submit(self.submission)
        self.see("pods", pod(node="one"))
        self.substrate.handle(None)

    def see(
        self,
        of: str,
        thing: dict[str, Any],
        kind: Kind = Kind.MODIFIED,
        *,
        after_gap: bool = False,
    ) -> None:
        now_ns = clock.monotonic_ns()
        thing = trim(thing) if of == "pods" else thing
        change = Change(kind, None, thing, now_ns, now_ns, after_gap)
        self.substrate._mailbox.deliverer(of)(change)


@pytest.fixture
def api() -> Cluster:
    return Cluster()


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def bench(api: Cluster, tmp_path: pathlib.Path) -> Iterator[Bench]:
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    substrate = KubernetesSubstrate(inbox, api=api, namespace="chaosml", run="r1")
    yield Bench(substrate, api, tmp_path)
    stop_all([*substrate._watches, *substrate._node_watches])


@pytest.fixture
def kind(api: Cluster, machines: Machines, tmp_path: pathlib.Path) -> Iterator[Bench]:
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    substrate = KindSubstrate(inbox, api=api, machines=machines, namespace="chaosml", run="r1")
    yield Bench(substrate, api, tmp_path)
    stop_all([*substrate._watches, *substrate._node_watches])


def facts(entries: Sequence[Entry]) -> list[Any]:
    return [one.data for one in entries if isinstance(one, Emission)]


def test_only_a_cluster_of_ours_has_machines_that_can_be_killed(bench: Bench, kind: Bench) -> None:
    for capability in (DeletesPods, EvictsPods, DrainsNodes):
        assert isinstance(bench.substrate, capability)
        assert isinstance(kind.substrate, capability)
    assert not isinstance(bench.substrate, StopsNodes)
    assert isinstance(kind.substrate, StopsNodes)


def test_a_namespace_without_the_label_is_refused_before_anything_is_made(bench: Bench) -> None:
    bench.api.objects[NAMESPACE] = {"metadata": {"labels": {}}}
    with pytest.raises(SubstrateError, match=r"kubectl label namespace chaosml chaosml\.dev"):
        bench.substrate.prepare()
    assert bench.api.calls("POST", "PUT", "PATCH", "DELETE") == []


def test_a_cluster_without_argo_is_refused(bench: Bench) -> None:
    del bench.api.objects["/apis/argoproj.io/v1alpha1"]
    with pytest.raises(SubstrateError, match="Argo Workflows is not installed"):
        bench.substrate.prepare()


def test_missing_rights_are_all_named_at_once(bench: Bench) -> None:
    bench.api.allowed = False
    with pytest.raises(SubstrateError, match=r"create workflows.*watch pods.*pods/eviction"):
        bench.substrate.prepare()


def test_only_on_a_cluster_of_ours_a_namespace_is_created(bench: Bench, kind: Bench) -> None:
    del bench.api.objects[NAMESPACE]
    with pytest.raises(SubstrateError, match="there is no namespace chaosml"):
        bench.substrate.prepare()
    kind.substrate.prepare()
    assert ("POST", "/api/v1/namespaces") in kind.api.calls("POST")


def test_what_a_dead_run_left_is_removed_and_opened_again(bench: Bench) -> None:
    old = workflow()
    old["metadata"]["name"] = "old"
    bench.api.objects[WORKFLOWS] = listed(5, old)
    closed = machine("one", closed=True)
    closed["metadata"]["annotations"] = {"chaosml.dev/cordoned-by": "r0"}
    bench.api.objects["/api/v1/nodes"] = listed(5, closed, machine("two", closed=True))
    bench.substrate.prepare()
    assert ("DELETE", f"{WORKFLOWS}/old") in bench.api.calls("DELETE")
    assert bench.api.calls("PATCH") == [("PATCH", "/api/v1/nodes/one")]


def test_a_pod_is_announced_when_it_is_placed(bench: Bench) -> None:
    bench.submit()
    assert [(one.uid, one.task, one.node) for one in bench.announced] == [("u0", "train", "one")]
    assert [one.uid for one in bench.substrate.pods()] == ["u0"]


def test_a_deletion_names_the_very_pod_and_its_grace(bench: Bench) -> None:
    bench.submit()
    said = facts(bench.substrate.delete_pod("u0", by="i1", view="gone"))
    assert said == [PodDeletion(uid="u0", how="delete", grace_s=100.0, by="i1")]
    assert bench.api.asked[-1] == ("DELETE", POD, {"preconditions": {"uid": "u0"}})
    assert bench.substrate.delete_pod("u0", by="i2", view="gone") == ()
    said = facts(bench.substrate.delete_pod("u0", by="i3", view="gone", force=True))
    assert [fact.how for fact in said] == ["force"]
    assert bench.api.asked[-1][2]["gracePeriodSeconds"] == 0


def test_a_pod_that_is_gone_meanwhile_is_left_alone_and_nothing_is_said(bench: Bench) -> None:
    bench.submit()
    bench.api.refusals["DELETE", POD] = ApiError(404, "NotFound", "gone")
    assert facts(bench.substrate.delete_pod("u0", by="i1", view="gone")) == []
    assert bench.substrate.delete_pod("nobody", by="i1", view="gone") == ()


def test_an_eviction_goes_through_its_api(bench: Bench) -> None:
    bench.submit()
    said = facts(bench.substrate.evict_pod("u0", by="i1", view="gone"))
    assert said == [PodDeletion(uid="u0", how="evict", grace_s=100.0, by="i1")]
    assert bench.api.asked[-1][:2] == ("POST", f"{POD}/eviction")


def test_an_eviction_that_a_budget_refuses_is_reported_as_that(bench: Bench) -> None:
    bench.submit()
    refused = ApiError(429, "TooManyRequests", "Cannot evict: violates budget keep-one")
    bench.api.refusals["POST", f"{POD}/eviction"] = refused
    with pytest.raises(FaultRefused, match=r"PodDisruptionBudget.*keep-one.*pod\.delete") as why:
        bench.substrate.evict_pod("u0", by="i1", view="gone")
    assert why.value.why == "refused-by-pdb"


def test_a_signal_is_said_at_the_time_at_which_it_was_asked_for(bench: Bench) -> None:
    bench.submit()
    before = clock.monotonic_ns()
    (said,) = bench.substrate.signal_container("u0", by="i1", signal="SIGTERM")
    assert isinstance(said, Emission)
    assert said.data == PodSignalled(uid="u0", signal="SIGTERM", by="i1")
    assert before <= said.earliest_ns == said.latest_ns <= clock.monotonic_ns()


def test_a_hang_and_its_end_are_said_once_the_container_has_answered(bench: Bench) -> None:
    bench.submit()
    bench.api.answers = [Ran(0, "sent\nstopped 2\n"), Ran(0, "")]
    assert facts(bench.substrate.pause_container("u0", by="i1")) == [
        PodPaused(uid="u0", by="i1", processes=2)
    ]
    assert facts(bench.substrate.resume_container("u0", by="i1")) == [PodResumed(uid="u0", by="i1")]


def test_a_pod_that_does_not_exist_gets_no_signal(bench: Bench) -> None:
    bench.submit()
    assert bench.substrate.signal_container("u9", by="i1", signal="SIGTERM") == ()
    assert bench.substrate.pause_container("u9", by="i1") == ()
    assert bench.api.calls("RUN") == []


def test_a_node_that_is_not_set_free_is_not_closed(bench: Bench) -> None:
    bench.api.objects["/api/v1/nodes/one"] = machine("one")
    bench.submit()
    with pytest.raises(FaultRefused, match="not set free"):
        bench.substrate.cordon_node("one", by="i1")
    with pytest.raises(FaultRefused, match="not set free"):
        bench.substrate.expect_drain("one", by="i1")
    assert bench.api.calls("PATCH") == []


def test_what_others_do_to_an_expected_node_is_told_and_undone(bench: Bench) -> None:
    bench.submit()
    bench.substrate.expect_drain("one", by="i1")
    # Whoever dies now leaves a mark by which the node is opened again.
    assert bench.api.asked[-1][2]["metadata"]["annotations"]["chaosml.dev/cordoned-by"]
    assert "unschedulable" not in bench.api.asked[-1][2]["spec"]
    closed = machine("one", closed=True)
    closed["metadata"]["managedFields"] = [
        {"manager": "kubelet", "fieldsV1": {"f:status": {}}},
        {"manager": "nth", "fieldsV1": {"f:spec": {"f:unschedulable": {}}}},
    ]
    bench.see("nodes", trim_node(closed))
    dying = pod(node="one", state=running(1), deleted=(100, 20))
    dying["status"]["conditions"] = [
        {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    ]
    bench.see("pods", dying)
    said = facts(bench.substrate.handle(None))
    assert NodeChanged(node="one", state="cordoned", by="nth") in said
    assert PodDeletion(uid="u0", how="evict", grace_s=20.0, by="i1") in said
    assert facts(bench.substrate.end_drain("one", by="i1")) == [
        NodeChanged(node="one", state="ready", by="i1")
    ]
    assert bench.api.asked[-1][2]["spec"] == {"unschedulable": None}


def test_a_cordon_is_marked_as_ours_and_healed_at_the_end(bench: Bench) -> None:
    bench.submit()
    said = facts(bench.substrate.cordon_node("one", by="i1"))
    assert said == [NodeChanged(node="one", state="cordoned", by="i1")]
    method, path, body = bench.api.asked[-1]
    assert (method, path) == ("PATCH", "/api/v1/nodes/one")
    assert body["spec"] == {"unschedulable": True}
    assert body["metadata"]["annotations"] == {"chaosml.dev/cordoned-by": "chaosml/r1"}
    bench.see("pods", pod(node="one"), Kind.DELETED)
    bench.see("workflows", workflow(phase="Succeeded", finishedAt=stamp(1)))
    bench.substrate.handle(None)
    bench.substrate.finish()
    assert bench.api.calls("PATCH")[-1:] == [("PATCH", "/api/v1/nodes/one")]
    assert len(bench.api.calls("PATCH")) == 2


def test_a_node_that_somebody_else_closed_is_not_opened(bench: Bench) -> None:
    bench.api.objects["/api/v1/nodes"] = listed(5, machine("one", closed=True), machine("two"))
    bench.submit()
    assert facts(bench.substrate.cordon_node("one", by="i1")) == []
    assert facts(bench.substrate.uncordon_node("one", by="i1")) == []
    assert bench.api.calls("PATCH") == []


def test_the_end_closes_every_source_and_removes_the_workflow(bench: Bench) -> None:
    bench.submit()
    bench.see("pods", pod(node="one"), Kind.DELETED)
    bench.see("workflows", workflow(phase="Failed", message="why", finishedAt=stamp(1)))
    entries = list(bench.substrate.handle(None))
    assert bench.substrate.finished == ("Failed", "why")
    entries += bench.substrate.finish()
    closed = {one.source for one in entries if isinstance(one, CloseSource)}
    assert closed == {"argo", "kubelet", "log/u0"}
    assert not [one for one in entries if isinstance(one, LoseSource)]
    assert ("DELETE", f"{WORKFLOWS}/spot-t1") in bench.api.calls("DELETE")
    bench.substrate.close()
    bench.substrate.close()


def test_a_server_that_is_gone_loses_the_sources_and_then_raises(bench: Bench) -> None:
    bench.submit()
    bench.substrate._lose(SubstrateError("the API server is away"))
    lost = [one.source for one in bench.substrate._observer.sources.take()]  # type: ignore[union-attr]
    assert {"argo", "kubelet", "log/u0"} <= set(lost)
    with pytest.raises(SubstrateError, match="away"):
        bench.substrate.handle(None)
    bench.substrate.close()


def test_what_cannot_be_healed_is_named_and_the_rest_is_done(bench: Bench) -> None:
    bench.submit()
    bench.substrate.cordon_node("one", by="i1")
    bench.api.refusals["PATCH", "/api/v1/nodes/one"] = ApiError(500, "", "broken")
    bench.see("pods", pod(node="one"), Kind.DELETED)
    bench.see("workflows", workflow(phase="Succeeded", finishedAt=stamp(1)))
    bench.substrate.handle(None)
    with pytest.raises(HarnessError, match="broken"):
        bench.substrate.close()
    assert ("DELETE", f"{WORKFLOWS}/spot-t1") in bench.api.calls("DELETE")


def test_a_killed_node_takes_its_pods_and_its_object_with_it(
    kind: Bench, machines: Machines
) -> None:
    kind.submit()
    kind.see("pods", pod(node="one", state={"running": {"startedAt": None}}))
    kind.substrate.handle(None)
    assert isinstance(kind.substrate, KindSubstrate)
    said = facts(kind.substrate.stop_node("one", by="i1", view="restarted"))
    assert machines.done == [("kill", "one")]
    assert NodeChanged(node="one", state="stopped", by="i1") in said
    assert PodDeletion(uid="u0", how="node-lost", grace_s=0.0, by="i1") in said
    assert PodExited(uid="u0", exit_code=137) in said
    assert ("DELETE", "/api/v1/nodes/one") in kind.api.calls("DELETE")
    assert list(kind.substrate.nodes()) == ["two"]


def test_a_killed_node_returns_once_the_pods_that_died_with_it_are_forgotten(
    kind: Bench, machines: Machines
) -> None:
    kind.submit()
    substrate = kind.substrate
    assert isinstance(substrate, KindSubstrate)
    substrate.stop_node("one", by="i1", view="restarted")
    substrate.add_node(by="i1")
    substrate.tick(clock.monotonic_ns())
    assert machines.done == [("kill", "one")]
    kind.see("pods", pod(node="one"), Kind.DELETED)
    substrate.handle(None)
    substrate.tick(clock.monotonic_ns())
    assert machines.done == [("kill", "one"), ("start", "one")]
    # Its kubelet says that it is not ready before it is: no news.
    kind.see("nodes", machine("one", ready="False"))
    kind.see("nodes", machine("one"))
    assert facts(substrate.handle(None))[-1:] == [NodeChanged(node="one", state="ready", by="i1")]


def test_a_node_whose_object_is_left_returns_at_once_and_is_opened(
    kind: Bench, machines: Machines
) -> None:
    kind.submit()
    substrate = kind.substrate
    assert isinstance(substrate, KindSubstrate)
    substrate.stop_node("one", by="i1", view="seen", keep_object=True)
    assert ("DELETE", "/api/v1/nodes/one") not in kind.api.calls("DELETE")
    substrate.return_node("two", by="i1")
    assert machines.done == [("kill", "one")]
    substrate.return_node("one", by="i1")
    assert machines.done == [("kill", "one"), ("start", "one")]
    kind.see("nodes", machine("one"))
    assert facts(substrate.handle(None))[-1:] == [NodeChanged(node="one", state="ready", by="i1")]


def test_what_the_runtimes_know_of_our_pods_is_stated_before_the_sources_close(
    kind: Bench, machines: Machines
) -> None:
    kind.submit()
    ended = {"startedAt": stamp(0), "finishedAt": stamp(1), "exitCode": 0}
    kind.see("pods", pod(node="one", state={"terminated": ended}))
    kind.see("pods", pod(node="one"), Kind.DELETED)
    kind.see("workflows", workflow(phase="Succeeded", finishedAt=stamp(1)))
    machines.ran["one"] = {
        "u0": ("2026-11-25T12:00:00.25Z", "2026-11-25T12:00:01.75Z"),
        "of-another-run": ("2026-11-25T11:00:00Z", "2026-11-25T11:00:01Z"),
    }
    entries = kind.substrate.finish()
    said = [one for one in facts(entries) if isinstance(one, ContainerStatus)]
    assert [one.uid for one in said] == ["u0"]
    assert said[0].finished_ns - said[0].started_ns == 1_500_000_000


def test_capacity_that_never_left_needs_no_return(kind: Bench, machines: Machines) -> None:
    kind.submit()
    assert isinstance(kind.substrate, KindSubstrate)
    assert facts(kind.substrate.add_node(by="i1")) == []
    assert machines.done == []


def test_workers_that_a_dead_run_left_stopped_are_started(kind: Bench, machines: Machines) -> None:
    machines.stopped.append("two")
    kind.substrate.prepare()
    assert machines.done == [("start", "two")]


def test_what_a_living_run_of_another_namespace_keeps_stopped_or_closed_stays_so(
    kind: Bench, machines: Machines
) -> None:
    other = held("other", 10, namespace="theirs", stopped="two")
    kind.api.objects[LEASES] = listed(5, other)
    kind.api.objects[LEASE.replace("namespaces/chaosml", "namespaces/theirs")] = other
    closed = machine("one", closed=True)
    closed["metadata"]["annotations"] = {"chaosml.dev/cordoned-by": "theirs/other"}
    kind.api.objects["/api/v1/nodes"] = listed(5, closed, machine("two"))
    machines.stopped.append("two")
    kind.substrate.prepare()
    assert machines.done == []
    assert kind.api.calls("PATCH") == []


def test_a_node_is_written_down_as_stopped_before_it_is_and_until_it_runs_again(
    kind: Bench, machines: Machines
) -> None:
    kind.submit()
    noted = []
    kill = machines.kill

    def kill_noting(node: str) -> None:
        noted.append(kind.api.asked[-1][2]["metadata"]["annotations"]["chaosml.dev/stopped-nodes"])
        kill(node)

    machines.kill = kill_noting  # type: ignore[method-assign]
    kind.substrate.stop_node("one", by="i1", view="restarted")
    assert noted == ["one"]
    kind.see("pods", pod(node="one"), Kind.DELETED)
    kind.substrate.handle(None)
    kind.substrate.add_node(by="i1")
    leases = [body for how, path, body in kind.api.asked if (how, path) == ("PUT", LEASE)]
    assert "chaosml.dev/stopped-nodes" not in leases[-1]["metadata"]["annotations"]


def test_a_workflow_that_has_not_ended_is_stopped_without_leaving_argo_to_replace_its_pods(
    bench: Bench,
) -> None:
    bench.submit()
    bench.see("pods", pod(node="one", state=running(1)))
    bench.substrate.handle(None)
    bench.api.objects[f"{NAMESPACE}/pods"] = listed(5, pod(node="one"))
    # The kubelet does what it is told.
    bench.see("pods", pod(node="one", state=running(1)), Kind.DELETED)
    entries = bench.substrate.finish()
    deletes = [path for _, path in bench.api.calls("DELETE")]
    assert deletes.index(f"{WORKFLOWS}/spot-t1") < deletes.index(POD)
    deletion = next(fact for fact in facts(entries) if isinstance(fact, PodDeletion))
    assert (deletion.how, deletion.by) == ("force", "harness")


def test_a_pod_that_vanished_while_the_watch_was_lost_leaves_the_source_in_doubt(
    bench: Bench,
) -> None:
    bench.submit()
    bench.see("pods", pod(node="one"), Kind.DELETED, after_gap=True)
    bench.see("workflows", workflow(phase="Succeeded", finishedAt=stamp(1)))
    bench.substrate.handle(None)
    entries = bench.substrate.finish()
    lost = {one.source: one.why for one in entries if isinstance(one, LoseSource)}
    assert "a pod vanished meanwhile" in lost["kubelet"]


def test_the_report_of_an_execution_before_is_not_taken_for_one_of_the_next(bench: Bench) -> None:
    bench.submit()
    late = bench.substrate._mailbox.deliverer("pods")
    bench.see("pods", pod(node="one"), Kind.DELETED)
    bench.see("workflows", workflow(phase="Succeeded", finishedAt=stamp(1)))
    bench.substrate.handle(None)
    bench.substrate.finish()
    bench.substrate.submit(bench.submission)
    now_ns = clock.monotonic_ns()
    late(Change(Kind.ADDED, None, trim(pod(uid="old", node="one")), now_ns, now_ns))
    bench.substrate.handle(None)
    assert bench.substrate.pods() == ()
