"""What does not come ends the execution, with the reason; what a fault holds back does not."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from chaosml.errors import SubstrateError, UsageError
from chaosml.event import NodeChanged, TaskPhase
from chaosml.substrates.kubernetes.obstacles import Obstacles, create_workflow
from chaosml.substrates.kubernetes.pods import trim
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.watches import Change, Kind
from tests.unit.substrates.kubernetes_fakes import FakeApi

SECOND = 1_000_000_000
FILE = pathlib.Path("w.yaml")
UNSCHEDULABLE = {
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
        }
    ]
}


def waiting(reason: str, message: str = "", *, init: bool = False) -> dict[str, Any]:
    container = {
        "name": "init" if init else "main",
        "image": "registry/trainer:1",
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    return {"initContainerStatuses" if init else "containerStatuses": [container]}


def pod(status: dict[str, Any], at_s: float, kind: Kind = Kind.MODIFIED) -> Change:
    item = {"metadata": {"uid": "u0", "name": "train"}, "spec": {}, "status": status}
    at_ns = int(at_s * SECOND)
    return Change(kind, None, trim(item), at_ns, at_ns)


def workflow(status: dict[str, Any]) -> Change:
    item = {"metadata": {"uid": "w", "name": "w"}, "status": status}
    return Change(Kind.MODIFIED, None, item, 0, 0)


def taken_up() -> Obstacles:
    """Return the obstacles of a workflow that Argo runs."""
    obstacles = Obstacles(FILE, capacity_s=60, begun_ns=0)
    obstacles.take_workflow(workflow({"phase": "Running"}), 1)
    return obstacles


def refused(obstacles: Obstacles, at_s: float) -> str:
    with pytest.raises(SubstrateError) as caught:
        obstacles.check(int(at_s * SECOND))
    return str(caught.value)


def test_a_pod_without_room_is_waited_for_up_to_the_limit() -> None:
    obstacles = taken_up()
    obstacles.take_pod(pod(UNSCHEDULABLE, 10))
    obstacles.check(69 * SECOND)
    said = refused(obstacles, 70)
    assert "no node takes the pod train: 0/3 nodes are available" in said
    assert "for 60 s" in said


def test_a_pod_that_gets_its_place_or_goes_is_waited_for_no_longer() -> None:
    for change in (pod({"phase": "Running"}, 20), pod(UNSCHEDULABLE, 20, Kind.DELETED)):
        obstacles = taken_up()
        obstacles.take_pod(pod(UNSCHEDULABLE, 10))
        obstacles.take_pod(change)
        obstacles.check(9999 * SECOND)


def test_a_pod_is_not_waited_for_anew_when_its_message_changes() -> None:
    obstacles = taken_up()
    obstacles.take_pod(pod(UNSCHEDULABLE, 10))
    obstacles.take_pod(pod(UNSCHEDULABLE, 50))
    assert "for 61 s" in refused(obstacles, 71)


def test_capacity_that_a_fault_holds_back_is_no_obstacle_and_its_return_gives_time_again() -> None:
    obstacles = taken_up()
    obstacles.take_pod(pod(UNSCHEDULABLE, 10))
    obstacles.take_node(NodeChanged(node="n", state="stopped", by="t1.reclaim"), 20 * SECOND)
    obstacles.check(9999 * SECOND)
    obstacles.take_node(NodeChanged(node="n", state="ready", by="t1.reclaim"), 10_000 * SECOND)
    obstacles.check(10_059 * SECOND)
    refused(obstacles, 10_060)


def test_a_node_that_nobody_of_ours_closed_excuses_nothing() -> None:
    obstacles = taken_up()
    obstacles.take_node(NodeChanged(node="n", state="stopped", by="unknown"), 5 * SECOND)
    obstacles.take_pod(pod(UNSCHEDULABLE, 10))
    refused(obstacles, 70)


@pytest.mark.parametrize("init", [False, True])
def test_an_image_that_cannot_be_pulled_has_some_seconds_for_a_second_attempt(init: bool) -> None:
    obstacles = taken_up()
    obstacles.take_pod(pod(waiting("ErrImagePull", "not found", init=init), 10))
    obstacles.take_pod(pod(waiting("ImagePullBackOff", "Back-off", init=init), 25))
    obstacles.check(39 * SECOND)
    said = refused(obstacles, 40)
    assert "image registry/trainer:1" in said
    assert "ImagePullBackOff Back-off" in said


def test_an_image_name_that_can_never_be_pulled_ends_at_once() -> None:
    obstacles = taken_up()
    obstacles.take_pod(pod(waiting("InvalidImageName"), 10))
    assert "InvalidImageName" in refused(obstacles, 10)


def test_a_secret_that_is_missing_is_named() -> None:
    obstacles = taken_up()
    obstacles.take_pod(pod(waiting("CreateContainerConfigError", 'secret "s" not found'), 10))
    assert 'secret "s" not found' in refused(obstacles, 40)


def test_a_quota_that_refuses_pods_shows_in_the_message_of_the_vertex() -> None:
    obstacles = taken_up()
    fields = {"vertex": "w.train", "display_name": "train", "template": "t", "type": "Pod"}
    message = 'pods "w" is forbidden: exceeded quota: none, requested: pods=1, limited: pods=0'
    obstacles.take_vertex(TaskPhase(phase="Pending", message=message, **fields), 10 * SECOND)
    obstacles.check(69 * SECOND)
    assert "exceeded quota: none" in refused(obstacles, 70)
    obstacles.take_vertex(TaskPhase(phase="Running", **fields), 71 * SECOND)
    obstacles.check(9999 * SECOND)


def test_a_workflow_that_nobody_takes_up_is_an_argo_that_does_not_run() -> None:
    obstacles = Obstacles(FILE, capacity_s=60, begun_ns=0)
    obstacles.take_workflow(workflow({}), 0)
    obstacles.check(29 * SECOND)
    assert "controller has not taken the workflow up" in refused(obstacles, 30)


def test_a_workflow_that_argo_refuses_is_the_users_to_correct() -> None:
    obstacles = Obstacles(FILE, capacity_s=60, begun_ns=0)
    obstacles.take_workflow(workflow({"phase": "Failed", "message": "invalid spec: x"}), 0)
    with pytest.raises(UsageError, match=r"w\.yaml: Argo's controller refuses .*invalid spec: x"):
        obstacles.check(1)


def test_a_workflow_that_failed_after_it_began_is_judged() -> None:
    obstacles = Obstacles(FILE, capacity_s=60, begun_ns=0)
    obstacles.take_workflow(workflow({"phase": "Failed", "message": "child failed"}), 3)
    obstacles.check(9999 * SECOND)


@pytest.mark.parametrize(
    ("status", "kind"), [(422, UsageError), (400, UsageError), (403, ApiError)]
)
def test_a_document_that_the_api_does_not_accept_is_the_users_rights_are_not(
    status: int, kind: type[Exception]
) -> None:
    api = FakeApi()
    api.refusals["POST", "/w"] = ApiError(status, "Invalid", "spec.entrypoint: wrong")
    with pytest.raises(kind, match=r"spec\.entrypoint: wrong"):
        create_workflow(api, "/w", {}, FILE)
