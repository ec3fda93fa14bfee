"""What the API shows of a pod's life, as facts with intervals."""

from __future__ import annotations

from typing import Any

from chaosml.event import Basis, ImageSeen, PodCreated, PodDeletion, PodExited, PodStarted
from chaosml.substrates.kubernetes.pods import PodFollower, Said, trim
from chaosml.substrates.kubernetes.watches import Kind
from tests.unit.substrates.kubernetes_objects import WALL, change, ended, pod, running

S = 1_000_000_000


def follower() -> PodFollower:
    return PodFollower("spot-t1", WALL, lineage_variables=("RUN_ID",))


def take(follows: PodFollower, thing: dict[str, Any], **when: Any) -> list[Said]:
    return list(follows.take(change(trim(thing), **when)))


def test_a_pod_is_created_once_it_is_placed() -> None:
    follows = follower()
    assert take(follows, pod(node=None), at=10.2) == []
    (said,) = take(follows, pod(), at=10.4, since=10.2)
    fact = said.fact
    assert isinstance(fact, PodCreated)
    assert (fact.task, fact.attempt, fact.node) == ("train", 0, "worker")
    assert (fact.image, fact.grace_s, fact.requested_cpu) == ("trainer:1", 100.0, 0.25)
    assert fact.environment == {"RUN_ID": "r1"}
    assert said.between == (int(10.2 * S), int(10.4 * S))


def test_a_start_lies_in_its_second_and_before_it_was_seen() -> None:
    follows = follower()
    take(follows, pod(), at=10.4)
    (said,) = take(follows, pod(state=running(12)), at=12.7, since=11.0)
    assert isinstance(said.fact, PodStarted)
    assert said.between == (12 * S, int(12.7 * S))
    assert follows.pods["u0"].running


def test_an_end_has_its_exit_code_and_its_second() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=12.7)
    (said,) = take(follows, pod(state=ended(40, 143)), at=42.0, since=39.0)
    assert said.fact == PodExited(uid="u0", exit_code=143)
    assert (said.between, said.basis) == ((40 * S, 41 * S), Basis.OBSERVED)
    assert not follows.pods["u0"].exists


def test_a_pod_that_was_only_seen_ended_has_a_start_too() -> None:
    said = take(follower(), pod(state=ended(13, 0)), at=14.0, since=9.0)
    kinds = [type(one.fact) for one in said]
    assert kinds == [PodCreated, PodStarted, PodExited]


def test_nothing_is_said_twice() -> None:
    follows = follower()
    take(follows, pod(state=ended(13, 0)), at=14.0)
    assert take(follows, pod(state=ended(13, 0)), at=15.0) == []


def test_a_deletion_by_somebody_else_is_nobodys_we_know() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    # Asked for at second 20: the stamp is when the grace of 100 s is over.
    (said,) = take(follows, pod(state=running(12), deleted=(120, 100)), at=20.9, since=19.0)
    assert said.fact == PodDeletion(uid="u0", how="delete", grace_s=100.0, by="unknown")
    assert said.between == (20 * S, int(20.9 * S))


def test_our_own_deletion_is_said_when_it_is_asked_for_and_not_again_by_the_watch() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    (said,) = follows.delete("u0", how="delete", grace_s=100.0, by="i1", at_ns=20 * S)
    assert isinstance(said.fact, PodDeletion)
    assert (said.fact.by, said.between) == ("i1", (20 * S, 20 * S))
    assert take(follows, pod(state=running(12), deleted=(120, 100)), at=20.9) == []


def test_the_end_of_a_pod_that_vanished_is_inferred_and_comes_after_the_deletion() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    list(follows.delete("u0", how="force", grace_s=0.0, by="i1", at_ns=20 * S))
    (said,) = take(follows, pod(state=running(12)), at=20.2, since=19.9, kind=Kind.DELETED)
    assert isinstance(said.fact, PodExited)
    assert said.basis is Basis.INFERRED
    assert 20 * S < said.between[0] <= said.between[1] == int(20.2 * S)
    assert follows.pods["u0"].gone


def test_a_pod_that_vanished_without_a_deletion_of_ours_was_forced_by_somebody() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    said = take(follows, pod(state=running(12)), at=20.2, kind=Kind.DELETED)
    assert [type(one.fact) for one in said] == [PodDeletion, PodExited]
    assert said[0].fact == PodDeletion(uid="u0", how="force", grace_s=0.0, by="unknown")


def test_the_vanishing_of_an_ended_pod_says_no_second_end() -> None:
    follows = follower()
    take(follows, pod(state=ended(13, 143), deleted=(113, 100)), at=14.0)
    assert take(follows, pod(state=ended(13, 143)), at=15.0, kind=Kind.DELETED) == []


def test_a_pod_killed_with_its_machine_ends_between_the_kill_and_its_return() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    (said,) = follows.kill("u0", earliest_ns=20 * S, latest_ns=21 * S)
    assert said.fact == PodExited(uid="u0", exit_code=137)
    assert (said.between, said.basis) == ((20 * S, 21 * S), Basis.INFERRED)
    assert list(follows.kill("u0", earliest_ns=20 * S, latest_ns=21 * S)) == []


def test_what_is_kept_of_a_pod_is_only_its_main_container() -> None:
    kept = trim({**pod(), "metadata": {**pod()["metadata"], "managedFields": ["large"]}})
    assert [one["name"] for one in kept["spec"]["containers"]] == ["main"]
    assert "managedFields" not in kept["metadata"]


def test_the_digest_of_an_image_is_said_once_it_is_known() -> None:
    follows = follower()
    early = pod()
    early["status"]["containerStatuses"] = []
    (created,) = take(follows, early, at=11.0)
    assert isinstance(created.fact, PodCreated)
    assert created.fact.image_id == ""
    late = pod(state=running(12))
    late["status"]["containerStatuses"][0] |= {"image": "argoexec:v4", "imageID": "sha256:9"}
    said = [one.fact for one in take(follows, late, at=13.0)]
    assert [one for one in said if isinstance(one, ImageSeen)] == [
        ImageSeen(uid="u0", container="main", image="", image_id="sha256:1"),
        ImageSeen(uid="u0", container="wait", image="argoexec:v4", image_id="sha256:9"),
    ]
    assert take(follows, late, at=14.0) == []


def test_the_end_after_a_signal_comes_after_the_signal() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    (sent,) = follows.signal("u0", signal="SIGKILL", by="i1", at_ns=20 * S + 5)
    (end,) = take(follows, pod(state=ended(20, 137)), at=21.0, since=13.0)
    assert sent.between == (20 * S + 5, 20 * S + 5)
    assert end.between[0] > sent.between[1]


def test_a_deletion_on_a_node_that_others_drain_is_the_doing_of_the_injection() -> None:
    follows = follower()
    take(follows, pod(state=running(12)), at=13.0)
    follows.expect("worker", "i1")
    (said,) = take(follows, pod(state=running(12), deleted=(120, 100)), at=20.9)
    assert said.fact == PodDeletion(uid="u0", how="delete", grace_s=100.0, by="i1")
