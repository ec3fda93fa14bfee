"""The healing of a cluster from this host: at once after a death, never under a living run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaosml.errors import SubstrateError
from chaosml.runner.cluster_recovery import heal
from chaosml.store.owner import Process
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes.api import path_of
from chaosml.substrates.kubernetes.imagined import ImaginedCluster, ImaginedMachines
from chaosml.substrates.kubernetes.lease import Lease
from chaosml.substrates.kubernetes.namespace import WORKFLOWS

HERE = Process.current()
DEAD = msgspec.structs.replace(HERE, started=HERE.started + 1)
WORKFLOW = {
    "kind": "Workflow",
    "metadata": {"name": "spot-t1", "labels": {"chaosml.dev/run": "spot-1-7"}},
    "spec": {},
}


class Machines(ImaginedMachines):
    """Workers of which some are stopped."""

    def __init__(self, cluster: ImaginedCluster, *stopped: str) -> None:
        super().__init__(cluster)
        self.stopped = list(stopped)

    def workers(self, *, stopped: bool = False) -> tuple[str, ...]:
        return tuple(self.stopped) if stopped else ("node-1", "node-2")

    def start(self, node: str) -> None:
        self.stopped.remove(node)
        super().start(node)


@pytest.fixture
def cluster() -> ImaginedCluster:
    cluster = ImaginedCluster("chaosml")
    cluster.create(path_of("workflows", namespace="chaosml", group=WORKFLOWS), WORKFLOW)
    return cluster


def recover(cluster: ImaginedCluster, machines: Machines | None = None) -> list[str]:
    done: list[str] = []
    heal(cluster, "chaosml", machines, done.append)
    return done


def hold(cluster: ImaginedCluster, owner: Process | None, *, stopped: str = "") -> Lease:
    lease = Lease(cluster, "chaosml", "spot-1-7", owner=owner)
    lease.acquire()
    if stopped:
        lease.note_stopped(stopped)
    return lease


def test_what_a_run_left_that_died_on_this_host_is_healed_at_once(
    cluster: ImaginedCluster,
) -> None:
    hold(cluster, DEAD)
    assert recover(cluster) == [
        "freed the namespace chaosml from the run spot-1-7, which is dead",
        "deleted workflow spot-t1",
    ]
    assert leases.find(cluster, "chaosml") is None
    assert recover(cluster) == []


@pytest.mark.parametrize("owner", [HERE, msgspec.structs.replace(DEAD, boot="elsewhere"), None])
def test_a_run_that_lives_or_may_live_elsewhere_is_left_alone(
    cluster: ImaginedCluster, owner: Process | None
) -> None:
    hold(cluster, owner)
    with pytest.raises(SubstrateError, match="in use by the run spot-1-7"):
        recover(cluster)
    assert leases.find(cluster, "chaosml") is not None
    workflows = cluster.get(path_of("workflows", namespace="chaosml", group=WORKFLOWS))
    assert len(workflows["items"]) == 1


def test_a_machine_that_a_dead_run_left_stopped_is_started_and_awaited(
    cluster: ImaginedCluster,
) -> None:
    hold(cluster, DEAD, stopped="node-2")
    cluster.delete(path_of("nodes", name="node-2"))
    machines = Machines(cluster, "node-2")
    assert "started node node-2" in recover(cluster, machines)
    assert machines.stopped == []
    assert cluster.get(path_of("nodes", name="node-2"))["status"]["conditions"]


def test_a_machine_that_a_living_run_of_another_namespace_keeps_stopped_stays_so(
    cluster: ImaginedCluster,
) -> None:
    other = Lease(cluster, "theirs", "other", owner=HERE)
    other.acquire()
    other.note_stopped("node-2")

    def listed(path: str, **query: str) -> dict[str, Any]:
        if path == path_of("leases", group="coordination.k8s.io/v1"):
            item = cluster.get(f"{path.removesuffix('/leases')}/namespaces/theirs/leases/chaosml")
            return {"items": [item]}
        return ImaginedCluster.get(cluster, path, **query)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "get", listed)
        machines = Machines(cluster, "node-2")
        assert recover(cluster, machines) == ["deleted workflow spot-t1"]
    assert machines.stopped == ["node-2"]


def test_what_the_janitor_did_is_told_once(cluster: ImaginedCluster) -> None:
    lease = hold(cluster, DEAD)
    lease.release(
        leases.Healed(run="spot-1-7", at="2026-11-25T12:00:00Z", what=("opened node node-1",))
    )
    said = "the janitor, after spot-1-7 had died: opened node node-1"
    assert recover(cluster)[0] == said
    assert recover(cluster) == []
