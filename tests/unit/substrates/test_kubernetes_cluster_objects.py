"""Nodes, stamps and the lease of a namespace."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.event import NodeChanged
from chaosml.substrates.kubernetes.api import ApiError
from chaosml.substrates.kubernetes.lease import Lease
from chaosml.substrates.kubernetes.nodes import NodeFollower, trim
from chaosml.substrates.kubernetes.watches import Kind
from tests.unit.substrates.kubernetes_fakes import FakeApi
from tests.unit.substrates.kubernetes_objects import WALL, change, machine, stamp

S = 1_000_000_000
PATH = "/apis/coordination.k8s.io/v1/namespaces/chaosml/leases/chaosml"
LIST = "/apis/coordination.k8s.io/v1/namespaces/chaosml/leases"


def see(nodes: NodeFollower, thing: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:
    told = nodes.take(change(trim(thing), at=1.0, **more))
    return [(one.node, one.state, one.by) for one in told]


def test_a_node_that_changes_by_itself_is_nobodys_doing() -> None:
    nodes = NodeFollower()
    assert see(nodes, machine()) == [("worker", "ready", "harness")]
    assert see(nodes, machine(ready="Unknown")) == [("worker", "stopped", "unknown")]
    assert see(nodes, machine(closed=True)) == [("worker", "cordoned", "unknown")]
    assert see(nodes, machine(), kind=Kind.DELETED) == [("worker", "removed", "unknown")]


def test_our_own_cordon_is_said_once() -> None:
    nodes = NodeFollower()
    see(nodes, machine())
    assert list(nodes.act("worker", "cordoned", "i1")) == [
        NodeChanged(node="worker", state="cordoned", by="i1")
    ]
    assert see(nodes, machine(closed=True)) == []


def test_a_node_that_we_killed_stays_stopped_while_the_api_still_calls_it_ready() -> None:
    nodes = NodeFollower()
    see(nodes, machine())
    list(nodes.act("worker", "stopped", "i1"))
    assert see(nodes, machine()) == []
    assert see(nodes, machine(), kind=Kind.DELETED) == [("worker", "removed", "i1")]
    nodes.revive("worker", "i1")
    assert see(nodes, machine()) == [("worker", "ready", "i1")]


def test_the_control_plane_takes_no_part() -> None:
    nodes = NodeFollower()
    control = machine("control", **{"node-role.kubernetes.io/control-plane": ""})
    assert see(nodes, control) == []
    assert nodes.names == ()


def test_a_stamp_is_cut_down_by_what_is_known() -> None:
    assert WALL.second(stamp(12), after_ns=0, by_ns=20 * S) == (12 * S, 13 * S)
    assert WALL.second(stamp(12), after_ns=int(12.4 * S), by_ns=int(12.6 * S)) == (
        int(12.4 * S),
        int(12.6 * S),
    )


def test_a_stamp_of_a_clock_that_differs_counts_for_nothing() -> None:
    assert WALL.second(stamp(50), after_ns=12 * S, by_ns=13 * S) == (12 * S, 13 * S)
    assert WALL.second(None, after_ns=12 * S, by_ns=13 * S) == (12 * S, 13 * S)


def test_fractions_of_a_second_are_read() -> None:
    assert WALL.monotonic_ns("2026-11-25T12:00:01.25Z") == int(1.25 * S)


def held(holder: str, age_s: float) -> dict[str, Any]:
    renewed = clock.utc_now() - datetime.timedelta(seconds=age_s)
    return {
        "metadata": {"resourceVersion": "7"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 60,
            "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}",
        },
    }


def contested(there: dict[str, Any]) -> FakeApi:
    api = FakeApi()
    api.objects[PATH] = there
    api.refusals["POST", LIST] = ApiError(409, "AlreadyExists", "it is there")
    return api


def test_a_namespace_in_use_is_refused_and_names_the_run() -> None:
    with pytest.raises(SubstrateError, match="in use by the run other"):
        Lease(contested(held("other", 10)), "chaosml", "me").acquire()


def test_the_lease_of_a_run_that_died_is_taken_over_against_its_version() -> None:
    api = contested(held("dead", 61))
    Lease(api, "chaosml", "me").acquire()
    method, path, body = api.asked[-1]
    assert (method, path) == ("PUT", PATH)
    assert body["metadata"]["resourceVersion"] == "7"
    assert body["spec"]["holderIdentity"] == "me"


def test_two_runs_that_take_an_expired_lease_at_once_do_not_both_get_it() -> None:
    api = contested(held("dead", 61))
    api.refusals["PUT", PATH] = ApiError(409, "Conflict", "changed")
    with pytest.raises(SubstrateError, match="at the same time"):
        Lease(api, "chaosml", "me").acquire()


def test_a_lease_is_renewed_when_that_is_due_and_given_back() -> None:
    api = FakeApi()
    lease = Lease(api, "chaosml", "me")
    lease.acquire()
    api.objects[PATH] = held("me", 0)
    due_ns = lease.due_ns
    assert due_ns is not None
    lease.renew(due_ns - 1)
    assert [how for how, _, _ in api.asked] == ["POST"]
    lease.renew(due_ns)
    assert [how for how, _, _ in api.asked][-1] == "PUT"
    lease.release()
    lease.release()
    assert [how for how, _, _ in api.asked].count("DELETE") == 1


def test_a_lease_that_somebody_else_took_meanwhile_is_left_to_him() -> None:
    api = FakeApi()
    lease = Lease(api, "chaosml", "me")
    lease.acquire()
    api.objects[PATH] = held("other", 0)
    lease.release()
    assert [how for how, _, _ in api.asked].count("DELETE") == 0
