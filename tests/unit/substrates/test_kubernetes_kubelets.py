"""Kubelets of kind's workers that are made to shut down, to evict, or to fall silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import yaml
from kubernetes_fakes import FakeApi, listed

from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes import kubelets as module
from chaosml.substrates.kubernetes.kubelets import MARK, Kubelets
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.revival import heal_kubelets

GIB = 1 << 30
KUBELET = "/api/v1/nodes/one/proxy"
LEASES = "/apis/coordination.k8s.io/v1/leases"


class Machines:
    """Workers whose shells note what they are told, and have the files that they are given."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.marks: dict[str, str] = {}
        self.config: dict[str, Any] = {}
        self.perl = True

    def workers(self, *, stopped: bool = False) -> Sequence[str]:
        return () if stopped else ("one", "two")

    def look(self, node: str, script: str, *arguments: str) -> str:
        if MARK in script:
            return self.marks.get(node, "")
        return "clusterDomain: cluster.local\nevictionHard: {nodefs.available: 0%}\n"

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        if MARK in script:
            self.marks[node] = arguments[0]
        elif "kubelet.yaml" in script and data:
            self.config = yaml.safe_load(data)
        elif "mkfifo" in script:
            return "listening" if self.perl else "no perl"
        elif "rm -rf /run/chaosml" in script and "fill" in script and "restart" in script:
            self.marks.pop(node, None)
            self.told.append("restore")
        elif "watching" in script:
            return "listening\nwatching"
        else:
            self.told.append(" ".join((script, *arguments)).strip())
        return ""

    def kill(self, node: str) -> None:
        raise AssertionError("no machine dies here")

    start = kill

    def read_log(self, node: str, *, namespace: str, pod: str, uid: str) -> list[bytes]:
        return []

    def main_containers(self, node: str, *, namespace: str) -> Mapping[str, tuple[str, str]]:
        return {}


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    free = {"availableBytes": 20 * GIB, "inodesFree": 900_000}
    api.objects[f"{KUBELET}/stats/summary"] = {"node": {"memory": free, "fs": free}}
    api.objects[f"{KUBELET}/proxy/pods"] = listed(1)
    api.objects[f"{KUBELET}/pods"] = listed(1, {"metadata": {"uid": "u0"}})
    return api


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def kubelets(api: FakeApi, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> Kubelets:
    monkeypatch.setattr(module, "_ADMITTED_S", 0.0)
    return Kubelets(api, machines, "chaosml")


def test_ordinary_pods_get_what_is_asked_and_critical_ones_more(
    kubelets: Kubelets, machines: Machines
) -> None:
    kubelets.prepare_shutdown("one", 15.0)
    assert machines.marks == {"one": "chaosml"}
    assert machines.config["clusterDomain"] == "cluster.local"
    assert machines.config["shutdownGracePeriod"] == "20s"
    assert machines.config["shutdownGracePeriodCriticalPods"] == "5s"
    assert machines.told == []
    kubelets.shut_down("one", ["u0"])
    assert machines.told == ["systemctl restart kubelet", "echo > /run/chaosml/tell"]
    assert kubelets.changed == ("one",)


def test_a_kubelet_that_does_not_know_its_pods_is_told_nothing(
    api: FakeApi, kubelets: Kubelets, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BACK_S", 0.05)
    monkeypatch.setattr(module, "_POLL_S", 0.01)
    kubelets.prepare_shutdown("one", 15.0)
    with pytest.raises(SubstrateError, match="kubelet of one did not know its pods again"):
        kubelets.shut_down("one", ["u0", "u1"])
    api.refusals["GET", f"{KUBELET}/pods"] = ApiError(502, "", "no kubelet there")
    with pytest.raises(SubstrateError, match="kubelet of one did not know its pods again"):
        kubelets.shut_down("one", ["u0"])
    assert machines.told == ["systemctl restart kubelet"] * 2


def test_a_node_that_cannot_tell_its_kubelet_is_refused_and_as_it_was(
    kubelets: Kubelets, machines: Machines
) -> None:
    machines.perl = False
    with pytest.raises(FaultRefused, match="perl is needed on the node: no perl") as refused:
        kubelets.prepare_shutdown("one", 15.0)
    assert refused.value.why == "no-login-manager"
    assert (machines.told, kubelets.changed) == (["restore"], ())


@pytest.mark.parametrize(
    ("resource", "signal", "free"),
    [
        ("memory", "memory.available", 20 * GIB),
        ("ephemeral-storage", "nodefs.available", 20 * GIB),
        ("inodes", "nodefs.inodesFree", 900_000),
    ],
)
def test_a_threshold_is_below_what_is_free_and_more_than_the_rest_is_taken(
    kubelets: Kubelets, machines: Machines, resource: str, signal: str, free: int
) -> None:
    amount = kubelets.prepare_pressure("one", resource, 8.0)
    threshold = int(machines.config["evictionSoft"][signal])
    assert free - amount < threshold < free
    assert machines.config["evictionMaxPodGracePeriod"] == 8
    # What the node has set itself stays.
    assert machines.config["evictionHard"] == {"nodefs.available": "0%"}
    kubelets.press("one", resource, amount, ["u0"])
    assert machines.told[0] == "systemctl restart kubelet"
    assert machines.told[1].endswith(str(amount))
    kubelets.relieve("one")
    assert machines.told[2].startswith("rm -rf /run/chaosml/fill ")
    assert kubelets.changed == ("one",)


def test_what_cannot_be_made_scarce_is_refused(kubelets: Kubelets, api: FakeApi) -> None:
    with pytest.raises(FaultRefused, match="pids cannot be made scarce") as refused:
        kubelets.prepare_pressure("one", "pids", 0.0)
    assert refused.value.why == "resource-not-on-kind"
    api.objects[f"{KUBELET}/stats/summary"]["node"]["fs"] = {"availableBytes": GIB // 2}
    for resource in ("ephemeral-storage", "inodes"):
        with pytest.raises(FaultRefused, match="node one has only") as refused:
            kubelets.prepare_pressure("one", resource, 0.0)
        assert refused.value.why == "nothing-to-take"
    assert kubelets.changed == ()


def test_a_silent_kubelet_speaks_again_and_a_dead_machine_needs_nothing(
    kubelets: Kubelets, machines: Machines
) -> None:
    kubelets.silence("one")
    assert (machines.marks, machines.told) == ({"one": "chaosml"}, ["systemctl stop kubelet"])
    assert "one" in kubelets
    kubelets.restore("one")
    assert (machines.marks, kubelets.changed) == ({}, ())
    kubelets.silence("two")
    kubelets.forget("two")
    assert kubelets.changed == ()


def test_what_dead_runs_changed_is_restored_and_what_living_ones_did_is_not(
    api: FakeApi, machines: Machines
) -> None:
    spec = {"holderIdentity": "r9", "renewTime": "2999-01-01T00:00:00Z", "leaseDurationSeconds": 9}
    metadata = {"name": "chaosml", "namespace": "theirs", "resourceVersion": "1"}
    api.objects[LEASES] = {"items": [{"metadata": metadata, "spec": spec}]}
    machines.marks = {"one": "chaosml", "two": "theirs"}
    done: list[str] = []
    heal_kubelets(api, machines, "chaosml", done.append)
    assert done == ["restored the kubelet of node one"]
    assert machines.marks == {"two": "theirs"}
    # Whose run is over is anybody's to restore.
    api.objects[LEASES] = listed(1)
    heal_kubelets(api, machines, "chaosml", done.append)
    assert machines.marks == {}


def test_nobody_is_asked_where_nothing_was_changed(api: FakeApi, machines: Machines) -> None:
    heal_kubelets(api, machines, "chaosml", pytest.fail)
    assert api.asked == []
