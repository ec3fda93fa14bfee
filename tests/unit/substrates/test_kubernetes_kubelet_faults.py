"""Faults of the kind substrate that go through kubelets, on machines that note what they hear."""

from __future__ import annotations

import json
import pathlib
import queue
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes_fakes import listed
from kubernetes_objects import ended, pod, running, stamp, workflow
from test_kubernetes_kubelets import Machines as Shells
from test_kubernetes_substrate import NAMESPACE, POD, Bench, Cluster, facts, machine

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.event import NodeChanged, PodDeletion, PodExited, PodResumed
from chaosml.substrates.kubernetes import kubelets, terminations
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.watches import Kind, stop_all

EVENTS = f"{NAMESPACE}/events"


class Machines(Shells):
    """Workers with a container runtime, too."""

    def __init__(self) -> None:
        super().__init__()
        self.code: int | None = None
        """How the container ended, once it has."""

    def look(self, node: str, script: str, *arguments: str) -> str:
        if script.startswith("crictl ps"):
            return "c0\n"
        if script.startswith("crictl inspect"):
            state = "CONTAINER_RUNNING" if self.code is None else "CONTAINER_EXITED"
            status = {"state": state, "exitCode": self.code or 0, "finishedAt": stamp(1)}
            return json.dumps({"status": status, "info": {"pid": 7}})
        if "/proc/$1" in script:
            clock.pause(0.01)
            return "alive" if self.code is None else "dead"
        return super().look(node, script, *arguments)

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        if script.startswith("crictl stop"):
            self.code = 137
        return super().run(node, script, *arguments, data=data)

    def kill(self, node: str) -> None:
        self.told.append(f"kill {node}")
        self.marks.pop(node, None)

    def start(self, node: str) -> None:
        self.told.append(f"start {node}")


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def bench(
    machines: Machines, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.setattr(kubelets, "_ADMITTED_S", 0.0)
    monkeypatch.setattr(terminations, "_POLL_S", 0.005)
    api = Cluster()
    api.objects["/api/v1/nodes/one/proxy/pods"] = listed(1, {"metadata": {"uid": "u0"}})
    free = {"availableBytes": 1 << 34, "inodesFree": 1 << 20}
    api.objects["/api/v1/nodes/one/proxy/stats/summary"] = {"node": {"memory": free, "fs": free}}
    api.objects[EVENTS] = listed(1)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    substrate = KindSubstrate(inbox, api=api, machines=machines, namespace="chaosml", run="r1")
    bench = Bench(substrate, api, tmp_path)
    bench.submit()
    bench.see("pods", pod(node="one", state=running(1)))
    substrate.handle(None)
    yield bench
    stop_all([*substrate._watches, *substrate._node_watches])


def until(bench: Bench, kind: type) -> list[Any]:
    """Drive the substrate until it states such a fact; return all that it stated."""
    said: list[Any] = []

    def look() -> bool:
        said.extend(facts(bench.substrate.handle(None)))
        return any(isinstance(one, kind) for one in said)

    assert clock.wait_until(look, clock.Deadline(kind.__name__, 5.0)), said
    return said


def terminate(bench: Bench, how: str, **more: Any) -> list[Any]:
    assert isinstance(bench.substrate, KindSubstrate)
    return facts(
        bench.substrate.terminate_pod(
            "u0", by="i1", how=how, view="seen", message="", grace_s=15.0, **more
        )
    )


def test_a_success_is_deleted_before_anybody_looks_and_a_failure_is_not(bench: Bench) -> None:
    bench.substrate.lose_success("u0", by="i1", view="gone")
    bench.see("pods", pod(node="one", state=ended(2, 0)))
    bench.substrate.handle(None)
    # Its other containers have still to end.
    assert POD not in [path for _, path in bench.api.calls("DELETE")]
    done = pod(node="one", state=ended(2, 0))
    done["status"]["phase"] = "Succeeded"
    bench.see("pods", done)
    said = facts(bench.substrate.handle(None))
    assert said == [PodDeletion(uid="u0", how="forgotten", grace_s=0.0, by="i1")]
    assert [path for _, path in bench.api.calls("DELETE")] == [POD]
    bench.substrate.handle(None)
    assert len(bench.api.calls("DELETE")) == 1


def test_a_shutdown_counts_from_the_moment_at_which_the_kubelet_hears_of_it(
    bench: Bench, machines: Machines
) -> None:
    bench.substrate.cordon_node("one", by="i1")
    assert terminate(bench, "node-shutdown") == []
    said = until(bench, PodDeletion)
    assert PodDeletion(uid="u0", how="node-shutdown", grace_s=15.0, by="i1") in said
    assert machines.told[-1] == "echo > /run/chaosml/tell"
    # Such a node is not ready any more, and its end is still to come.
    bench.see("nodes", machine("one", ready="False"))
    bench.substrate.handle(None)
    assert isinstance(bench.substrate, KindSubstrate)
    bench.substrate.stop_node("one", by="i1", view="seen")
    assert machines.told[-1] == "kill one"
    assert bench.substrate._kubelets.changed == ()


def test_a_kubelet_that_does_not_come_back_ends_the_execution(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubelets, "_BACK_S", 0.02)
    del bench.api.objects["/api/v1/nodes/one/proxy/pods"]
    terminate(bench, "node-shutdown")
    with pytest.raises(SubstrateError, match="kubelet of one did not know its pods again"):
        until(bench, PodDeletion)


def test_pressure_lasts_until_its_target_is_evicted_and_the_kubelet_is_as_it_was_at_the_end(
    bench: Bench, machines: Machines
) -> None:
    bench.substrate.cordon_node("one", by="i1")
    terminate(bench, "node-pressure", resource="memory")
    bench.api.objects[EVENTS] = listed(2, {"metadata": {"uid": "e1"}})
    said = until(bench, PodDeletion)
    assert PodDeletion(uid="u0", how="node-pressure", grace_s=15.0, by="i1") in said
    assert machines.told[-1].startswith("fallocate")
    bench.see("pods", pod(node="one", state=ended(2, 143)))
    bench.substrate.handle(None)
    assert machines.told[-1].startswith("rm -rf /run/chaosml/fill")
    said = facts(bench.substrate.uncordon_node("one", by="i1"))
    assert machines.told[-1] == "restore"
    assert said == [NodeChanged(node="one", state="ready", by="i1")]


def test_an_end_that_is_known_before_its_eviction_is_the_pressures_doing(bench: Bench) -> None:
    terminate(bench, "node-pressure", resource="memory")
    substrate = bench.substrate
    assert isinstance(substrate, KindSubstrate)
    pressed = clock.Deadline("the pressure", 5.0)
    assert clock.wait_until(
        lambda: substrate._terminations.pressing("u0") is not None, pressed, 0.005
    )
    bench.see("pods", pod(node="one", state=ended(2, 137)))
    said = [one for one in until(bench, PodExited) if isinstance(one, PodDeletion | PodExited)]
    assert [type(one) for one in said] == [PodDeletion, PodExited]
    substrate._heal()
    assert substrate._kubelets.changed == ()


def test_what_is_cut_off_lives_until_it_is_ended_and_its_node_is_as_before(
    bench: Bench, machines: Machines
) -> None:
    substrate = bench.substrate
    assert isinstance(substrate, KindSubstrate)
    said = facts(substrate.cut_off_pod("u0", by="i1", view="restarted"))
    assert said == [
        NodeChanged(node="one", state="cordoned", by="i1"),
        PodDeletion(uid="u0", how="cut-off", grace_s=0.0, by="i1"),
    ]
    assert machines.told == ["systemctl stop kubelet"]
    assert POD in [path for _, path in bench.api.calls("DELETE")]
    bench.see("pods", pod(node="one", state=running(1)), Kind.DELETED)
    assert not [one for one in facts(substrate.handle(None)) if isinstance(one, PodExited)]
    assert list(substrate.pods()) == []
    assert facts(substrate.resume_container("u0", by="i1")) == [PodResumed(uid="u0", by="i1")]
    assert machines.told[-1].startswith('crictl exec "$1" /var/run/argo/argoexec kill 18 1')
    said = facts(substrate.end_cut_off_pod("u0", by="i1"))
    assert said == [
        PodExited(uid="u0", exit_code=137),
        NodeChanged(node="one", state="ready", by="i1"),
    ]
    assert machines.told[-1] == "restore"
    assert substrate.end_cut_off_pod("u0", by="i1") == ()


def test_what_was_cut_off_and_ends_by_itself_is_stated_once(
    bench: Bench, machines: Machines
) -> None:
    substrate = bench.substrate
    assert isinstance(substrate, KindSubstrate)
    substrate.cut_off_pod("u0", by="i1", view="restarted")
    machines.code = 0
    assert PodExited(uid="u0", exit_code=0) in until(bench, PodExited)
    assert facts(substrate.resume_container("u0", by="i1")) == []
    said = facts(substrate.end_cut_off_pod("u0", by="i1"))
    assert said == [NodeChanged(node="one", state="ready", by="i1")]
    assert not any(one.startswith("crictl stop") for one in machines.told)


def test_what_was_cut_off_does_not_outlive_its_execution(bench: Bench, machines: Machines) -> None:
    assert isinstance(bench.substrate, KindSubstrate)
    bench.substrate.cut_off_pod("u0", by="i1", view="restarted")
    bench.see("pods", pod(node="one", state=running(1)), Kind.DELETED)
    bench.see("workflows", workflow(phase="Succeeded", finishedAt=stamp(1)))
    said = facts(bench.substrate.finish())
    assert PodExited(uid="u0", exit_code=137) in said
    assert machines.told[-1] == "restore"
    assert machines.marks == {}


def test_an_emptied_machine_stands_for_the_fresh_one_only_where_no_other_is_left(
    bench: Bench, machines: Machines
) -> None:
    substrate = bench.substrate
    assert isinstance(substrate, KindSubstrate)
    substrate.cordon_node("two", by="i1")
    # Worker `one` takes pods: the capacity is there, and `two` returns when it has ended.
    substrate.add_node(by="i1", instead_of="two")
    assert machines.told == []
    substrate.cordon_node("one", by="i1")
    substrate.add_node(by="i1", instead_of="one")
    assert machines.told == ["kill one"]
    bench.see("pods", pod(node="one"), Kind.DELETED)
    substrate.handle(None)
    substrate.tick(clock.monotonic_ns())
    substrate.stop_node("one", by="i1", view="gone")
    substrate.stop_node("two", by="i1", view="gone")
    substrate.tick(clock.monotonic_ns())
    assert machines.told == ["kill one", "start one", "kill two", "start two"]
