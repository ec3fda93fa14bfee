"""The janitor: it waits as long as somebody renews the Lease, and heals when nobody does."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from chaosml.cluster import janitor as account
from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes import in_pod, janitor_pod
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes.api import path_of
from chaosml.substrates.kubernetes.imagined import ImaginedCluster
from chaosml.substrates.kubernetes.janitor import SUFFIX, Janitor
from chaosml.substrates.kubernetes.janitor_pod import JanitorPod
from chaosml.substrates.kubernetes.lease import Lease
from chaosml.substrates.kubernetes.namespace import WORKFLOWS

S = 1_000_000_000
RUN = "spot-1-7"
NODE = path_of("nodes", name="node-1")
MARK = {"chaosml.dev/cordoned-by": f"chaosml/{RUN}"}


def ours(name: str, kind: str = "Pod") -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": name, "labels": {"chaosml.dev/run": RUN}},
        "spec": {},
    }


class Scene:
    """A namespace as a run left it, with somebody else's pod in it."""

    def __init__(self) -> None:
        self.cluster = ImaginedCluster("chaosml")
        self.lease = Lease(self.cluster, "chaosml", RUN)
        self.lease.acquire()
        self.pods = path_of("pods", namespace="chaosml")
        self.workflows = path_of("workflows", namespace="chaosml", group=WORKFLOWS)
        self.cluster.create(self.workflows, ours("spot-t1", "Workflow"))
        for name in ("spot-t1-train-1", "chaosml-services-1", "chaosml-janitor-1"):
            self.cluster.create(self.pods, ours(name))
        self.cluster.create(self.pods, {"kind": "Pod", "metadata": {"name": "theirs"}})
        self.close(NODE, MARK)
        self.janitor = Janitor(self.cluster, namespace="chaosml", run=RUN, pod="chaosml-janitor-1")

    def close(self, node: str, mark: dict[str, str]) -> None:
        body = {"metadata": {"annotations": mark}, "spec": {"unschedulable": True}}
        self.cluster.patch(node, body)

    def left(self) -> list[str]:
        found = self.cluster.get(self.pods)["items"] + self.cluster.get(self.workflows)["items"]
        return [item["metadata"]["name"] for item in found]

    def is_closed(self, node: str = NODE) -> bool:
        return bool(self.cluster.get(node)["spec"].get("unschedulable"))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_run_whose_lease_is_renewed_is_left_alone_however_long_it_takes(scene: Scene) -> None:
    for second in range(0, 600, 15):
        scene.lease.renew(10**18 + second * S)
        assert scene.janitor.look(second * S)
    assert len(scene.left()) == 5
    assert scene.is_closed()


def test_a_run_that_renews_no_more_is_cleared_away_and_told_about_on_its_lease(
    scene: Scene,
) -> None:
    assert scene.janitor.look(0)
    assert scene.janitor.look(59 * S)
    assert len(scene.left()) == 5
    assert not scene.janitor.look(60 * S)
    assert scene.left() == ["chaosml-janitor-1", "theirs"]
    assert not scene.is_closed()
    held = leases.find(scene.cluster, "chaosml")
    assert held is not None
    assert held.is_free
    assert held.healed is not None
    assert held.healed.run == RUN
    assert set(held.healed.what) == {
        "deleted workflow spot-t1",
        "deleted pod chaosml-services-1",
        "deleted pod spot-t1-train-1",
        "opened node node-1 for pods",
    }
    scene.janitor.leave()
    assert scene.left() == ["theirs"]


def test_a_runner_that_was_only_slow_finds_that_it_has_lost_its_lease(scene: Scene) -> None:
    scene.janitor.look(0)
    scene.janitor.look(60 * S)
    Lease(scene.cluster, "chaosml", "another").acquire()
    with pytest.raises(SubstrateError, match="in use by the run another"):
        scene.lease.renew(10**18)


def test_a_renewal_in_the_last_moment_keeps_everything(scene: Scene) -> None:
    scene.janitor.look(0)
    take = Lease.take

    def renew_first(lease: Lease, seen: leases.Holding) -> bool:
        scene.lease.renew(10**18)
        return take(lease, seen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lease, "take", renew_first)
        assert scene.janitor.look(60 * S)
    assert len(scene.left()) == 5


def test_a_run_that_ended_in_order_or_was_followed_by_another_needs_no_janitor(
    scene: Scene,
) -> None:
    scene.lease.release()
    assert not scene.janitor.look(0)
    Lease(scene.cluster, "chaosml", "another").acquire()
    assert not scene.janitor.look(0)
    assert not scene.janitor.look(100 * S)
    assert len(scene.left()) == 5


def test_a_janitor_that_died_while_it_healed_goes_on_after_its_own_lease_has_run_out(
    scene: Scene,
) -> None:
    held = leases.find(scene.cluster, "chaosml")
    assert held is not None
    assert Lease(scene.cluster, "chaosml", RUN + SUFFIX).take(held)
    assert scene.janitor.look(0)
    assert not scene.janitor.look(60 * S)
    assert scene.left() == ["chaosml-janitor-1", "theirs"]


def test_a_node_that_was_killed_stays_written_down_for_whoever_can_start_it(scene: Scene) -> None:
    scene.lease.note_stopped("node-2")
    scene.janitor.look(0)
    scene.janitor.look(60 * S)
    held = leases.find(scene.cluster, "chaosml")
    assert held is not None
    assert held.stopped == {"node-2"}
    assert held.healed is not None
    assert "node node-2 is still stopped: `chaosml recover --on kind` starts it" in held.healed.what


def test_a_node_that_a_living_run_of_another_namespace_has_closed_stays_closed(
    scene: Scene,
) -> None:
    other = Lease(scene.cluster, "theirs", "other")
    other.acquire()
    scene.close(path_of("nodes", name="node-2"), {"chaosml.dev/cordoned-by": "theirs/other"})
    scene.janitor.look(0)
    scene.janitor.look(60 * S)
    assert scene.is_closed(path_of("nodes", name="node-2"))


def test_the_pod_of_the_janitor_uses_the_account_that_the_cluster_makes() -> None:
    (made,) = [one for one in account.documents("chaosml") if one["kind"] == "ServiceAccount"]
    cluster = ImaginedCluster("chaosml")
    pod = JanitorPod(cluster, namespace="chaosml", run=RUN, image="services:1")
    assert pod.start()
    pod.await_running()
    ((_, body),) = cluster.created
    assert body["spec"]["serviceAccountName"] == made["metadata"]["name"]
    assert body["metadata"]["labels"]["chaosml.dev/run"] == RUN
    pod.remove()
    pod.remove()


def test_a_namespace_without_the_account_has_no_janitor() -> None:
    from tests.unit.substrates.kubernetes_fakes import FakeApi

    api = FakeApi()
    refusal = janitor_pod.ApiError(
        403, "Forbidden", 'pods "x" is forbidden: serviceaccount "chaosml-janitor" not found'
    )
    api.refusals["POST", path_of("pods", namespace="chaosml")] = refusal
    assert not JanitorPod(api, namespace="chaosml", run=RUN, image="services:1").start()


def test_a_program_that_is_no_pod_has_no_api(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(SubstrateError, match="no pod with a service account"):
        in_pod.connect(tmp_path)
