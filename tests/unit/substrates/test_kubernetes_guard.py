"""Which nodes of a cluster that is not ours may be struck."""

from __future__ import annotations

from typing import Any

import pytest

from chaosml.errors import FaultRefused, SubstrateError, UsageError
from chaosml.substrates.kubernetes.guard import Guard
from chaosml.substrates.kubernetes.refusals import ApiError
from tests.unit.substrates.kubernetes_fakes import FakeApi, listed
from tests.unit.substrates.kubernetes_objects import machine

FREE = {"chaosml.dev/enabled": "true"}


def pod(
    name: str, *, owner: str = "ReplicaSet", run: str = "", phase: str = "Running", **notes: str
):
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"chaosml.dev/run": run} if run else {},
            "annotations": notes,
            "ownerReferences": [{"kind": owner}],
        },
        "status": {"phase": phase},
    }


def guard(node: dict[str, Any], *pods: dict[str, Any], own: bool = False) -> Guard:
    api = FakeApi()
    api.objects = {
        "/api/v1/nodes/one": node,
        "/api/v1/nodes": listed(1, node),
        "/api/v1/pods": listed(1, *pods),
    }
    return Guard(api, "r1", own=own)


def test_a_node_that_is_set_free_and_carries_only_ours_may_be_struck() -> None:
    ours = [
        pod("train", owner="Workflow", run="r1"),
        pod("kindnet", owner="DaemonSet"),
        pod("apiserver", owner="Node", **{"kubernetes.io/config.mirror": "x"}),
        pod("done", phase="Succeeded"),
    ]
    guard(machine("one", **FREE), *ours).check("one")


def test_a_node_without_the_label_is_refused_with_the_command_that_gives_it() -> None:
    with pytest.raises(
        FaultRefused, match=r"kubectl label node one chaosml\.dev/enabled=true"
    ) as why:
        guard(machine("one")).check("one")
    assert why.value.why == "node-not-enabled"


def test_a_node_that_others_use_is_refused_and_they_are_named() -> None:
    others = [pod(f"web-{number}") for number in range(5)] + [pod("old", run="r0")]
    with pytest.raises(FaultRefused, match=r"shop/old, shop/web-0, shop/web-1 and 3 more") as why:
        guard(machine("one", **FREE), *others).check("one")
    assert why.value.why == "node-in-use"


def test_every_node_of_a_cluster_of_ours_may_be_struck() -> None:
    ours = guard(machine("one"), pod("web"), own=True)
    ours.check("one")
    ours.check_any()


def test_a_run_is_refused_where_no_node_is_set_free() -> None:
    api = FakeApi()
    api.objects = {"/api/v1/nodes": listed(1), "/api/v1/pods": listed(1)}
    with pytest.raises(UsageError, match="kubectl label node NAME"):
        Guard(api, "r1", own=False).check_any()
    assert ("GET", "/api/v1/nodes", {"labelSelector": "chaosml.dev/enabled=true"}) in api.asked


def test_who_may_not_look_is_told_so_before_anything_runs() -> None:
    api = FakeApi()
    api.objects = {"/api/v1/nodes": listed(1, machine("one", **FREE))}
    api.refusals["GET", "/api/v1/pods"] = ApiError(403, "Forbidden", "pods is forbidden")
    with pytest.raises(SubstrateError, match="prints the ClusterRole"):
        Guard(api, "r1", own=False).check_any()
