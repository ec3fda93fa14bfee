"""Nodes, stamps and the lease of a namespace."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chaosml.errors import SubstrateError
from chaosml.event import NodeChanged
from chaosml.store.owner import Process
from chaosml.substrates.kubernetes.lease import Healed, Lease
from chaosml.substrates.kubernetes.nodes import NodeFollower, trim
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.watches import Kind
from tests.unit.substrates.kubernetes_fakes import FakeApi
from tests.unit.substrates.kubernetes_objects import WALL, change, held, machine, stamp

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


def test_a_lease_whose_holder_was_a_process_of_this_host_that_is_gone_is_free_at_once() -> None:
    here = Process.current()
    dead = msgspec.structs.replace(here, started=here.started + 1)
    Lease(contested(held("dead", 10, owner=dead)), "chaosml", "me").acquire()


@pytest.mark.parametrize("difference", [{}, {"boot": "another host"}, {"numbering": 1}])
def test_a_holder_that_lives_or_whose_death_cannot_be_seen_from_here_keeps_its_lease(
    difference: dict[str, Any],
) -> None:
    here = Process.current()
    changes = {"started": here.started + 1, **difference} if difference else {}
    owner = msgspec.structs.replace(here, **changes)
    with pytest.raises(SubstrateError, match="in use by the run other"):
        Lease(contested(held("other", 10, owner=owner)), "chaosml", "me").acquire()


def test_nodes_that_a_dead_holder_kept_stopped_stay_written_down_for_its_heir() -> None:
    api = contested(held("dead", 61, stopped="one,two"))
    lease = Lease(api, "chaosml", "me")
    lease.acquire()
    assert lease.stopped == {"one", "two"}
    assert api.asked[-1][2]["metadata"]["annotations"] == {"chaosml.dev/stopped-nodes": "one,two"}


def test_what_was_healed_stays_on_a_lease_that_nobody_holds_and_is_read_by_the_next() -> None:
    api = FakeApi()
    lease = Lease(api, "chaosml", "janitor")
    lease.acquire()
    api.objects[PATH] = held("janitor", 0)
    healed = Healed(run="dead", at="2026-11-25T12:00:00Z", what=("deleted pod x",))
    lease.release(healed)
    _, _, left = api.asked[-1]
    before = Lease(contested(left), "chaosml", "me").acquire()
    assert before is not None
    assert (before.holder, before.healed) == ("", healed)
