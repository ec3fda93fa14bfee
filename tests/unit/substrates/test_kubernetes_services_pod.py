"""The services' pod: what it carries, what is said where it does not start or is gone."""

from __future__ import annotations

from typing import Any

import pytest

from chaosml.errors import ServiceError, SubstrateError
from chaosml.substrates.kubernetes.services_pod import ServicesPod
from tests.unit.substrates.kubernetes_fakes import FakeApi

TOXIPROXY = "mirror.example/toxiproxy:2.12.0"
RUNNING = {"status": {"phase": "Running"}}


def start(api: FakeApi, **options: Any) -> ServicesPod:
    pod = ServicesPod(api, namespace="ns", run="r-1", image="services:1", **options)
    pod.start()
    return pod


def spec(api: FakeApi) -> dict[str, Any]:
    ((_, _, body),) = [one for one in api.asked if one[0] == "POST"]
    return body["spec"]


def test_without_need_of_one_no_toxiproxy_is_in_the_pod() -> None:
    api = FakeApi([RUNNING])
    start(api)
    assert spec(api)["initContainers"] == []


def test_toxiproxy_is_a_sidecar_whose_api_no_other_pod_reaches() -> None:
    api = FakeApi([RUNNING])
    start(api, toxiproxy_image=TOXIPROXY)
    (sidecar,) = spec(api)["initContainers"]
    assert sidecar["image"] == TOXIPROXY
    assert sidecar["restartPolicy"] == "Always"
    assert "-host=127.0.0.1" in sidecar["args"]


def test_the_image_that_cannot_be_had_is_named() -> None:
    waiting = {"image": TOXIPROXY, "state": {"waiting": {"reason": "ErrImagePull"}}}
    pending = {"status": {"phase": "Pending", "initContainerStatuses": [waiting]}}
    with pytest.raises(SubstrateError, match=rf"{TOXIPROXY} cannot be had \(ErrImagePull\)"):
        start(FakeApi([pending]), toxiproxy_image=TOXIPROXY)


@pytest.mark.parametrize(
    ("found", "says"),
    [([{"status": {"phase": "Failed"}}] * 2, "ended"), ([], "removed by somebody else")],
)
def test_a_pod_that_will_not_be_there_again_is_told_from_one_out_of_reach(
    found: list[Any], says: str
) -> None:
    pod = start(FakeApi([RUNNING, *found]))
    with pytest.raises(ServiceError, match=says):
        pod.dial(1)


def test_a_pod_that_runs_and_cannot_be_reached_may_be_reached_later() -> None:
    pod = start(FakeApi([RUNNING, RUNNING, RUNNING]))
    with pytest.raises(SubstrateError, match="no pods here"):
        pod.dial(1)
