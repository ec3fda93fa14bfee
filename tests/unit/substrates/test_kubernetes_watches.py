"""A list and a watch together lose no change and say none twice."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from chaosml.substrates.kubernetes import watches
from chaosml.substrates.kubernetes.api import ApiUnreachable
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.watches import Change, Failed, Kind, Reflector
from tests.unit.substrates.kubernetes_fakes import (
    CLOSE,
    DROP,
    WAIT,
    FakeApi,
    event,
    gone,
    item,
    listed,
)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "_AGAIN_S", 0.001)


def follow(api: FakeApi, count: int, **options: Any) -> list[Any]:
    """Run a reflector until it has delivered `count` changes and is still after them."""
    delivered: queue.SimpleQueue[Any] = queue.SimpleQueue()
    reflector = Reflector(api, "/api/v1/pods", delivered.put, **options)
    reflector.start()
    try:
        changes = [delivered.get(timeout=5) for _ in range(count)]
    finally:
        reflector.stop()
    reflector._thread.join(5)
    while not delivered.empty():
        changes.append(delivered.get())
    return changes


def told(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(one.kind.value, one.uid, one.object["metadata"]["resourceVersion"]) for one in changes]


def test_the_list_comes_before_the_changes_of_the_watch() -> None:
    api = FakeApi([listed(5, item("a", 3))], [[event("ADDED", item("b", 6))]])
    assert told(follow(api, 2)) == [("added", "a", "3"), ("added", "b", "6")]


def test_a_closed_stream_is_continued_from_the_last_version() -> None:
    api = FakeApi(
        [listed(5)],
        [[event("ADDED", item("a", 6)), CLOSE], [event("MODIFIED", item("a", 7))]],
    )
    assert told(follow(api, 2)) == [("added", "a", "6"), ("modified", "a", "7")]
    versions = [what["resourceVersion"] for how, _, what in api.asked if how == "STREAM"]
    assert versions == ["5", "6"]


def test_a_dropped_stream_that_repeats_an_event_says_it_once() -> None:
    api = FakeApi(
        [listed(5)],
        [
            [event("ADDED", item("a", 6)), DROP],
            [event("ADDED", item("a", 6)), event("DELETED", item("a", 8))],
        ],
    )
    assert told(follow(api, 2)) == [("added", "a", "6"), ("deleted", "a", "8")]


def test_a_server_that_repeats_older_versions_is_not_believed_that_time_ran_back() -> None:
    api = FakeApi(
        [listed(5)],
        [
            [event("ADDED", item("a", 6)), event("MODIFIED", item("a", 8)), DROP],
            [event("ADDED", item("a", 6)), event("MODIFIED", item("a", 10))],
        ],
    )
    assert told(follow(api, 3)) == [
        ("added", "a", "6"),
        ("modified", "a", "8"),
        ("modified", "a", "10"),
    ]


def test_a_line_cut_in_the_middle_is_asked_for_again() -> None:
    api = FakeApi([listed(5)], [[b'{"type":"ADDED","obj', CLOSE], [event("ADDED", item("a", 6))]])
    assert told(follow(api, 1)) == [("added", "a", "6")]


def test_a_version_that_is_too_old_is_mended_by_a_new_list() -> None:
    api = FakeApi(
        [listed(5, item("a", 1), item("b", 2)), listed(20, item("a", 15), item("c", 18))],
        [[gone()], []],
    )
    changes = follow(api, 5)
    assert told(changes) == [
        ("added", "a", "1"),
        ("added", "b", "2"),
        ("deleted", "b", "2"),
        ("modified", "a", "15"),
        ("added", "c", "18"),
    ]
    assert [one.after_gap for one in changes] == [False, False, True, True, True]


def test_a_long_list_is_read_page_by_page() -> None:
    first = listed(5, item("a", 1))
    first["metadata"]["continue"] = "onwards"
    api = FakeApi([first, listed(5, item("b", 2))], [[event("ADDED", item("c", 6))]])
    assert [one.uid for one in follow(api, 3, selector="run=one")] == ["a", "b", "c"]
    pages = [what for how, _, what in api.asked if how == "GET"]
    assert [page.get("continue") for page in pages] == [None, "onwards"]
    assert {page["labelSelector"] for page in pages} == {"run=one"}
    assert {page["limit"] for page in pages} == {"500"}


def test_a_page_that_is_too_old_begins_the_list_anew() -> None:
    first = listed(5, item("a", 1))
    first["metadata"]["continue"] = "onwards"
    api = FakeApi([first, ApiError(410, "Expired", "old"), listed(9, item("b", 8))])
    assert [one.uid for one in follow(api, 1)] == ["b"]


def test_what_vanished_in_a_gap_is_told_as_it_was_last() -> None:
    def once(thing: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": thing["metadata"], "kept": thing["read"]}

    there = {**item("a", 1), "read": "all of it"}
    api = FakeApi([listed(5, there), listed(20)], [[gone()], []])
    assert [one.object["kept"] for one in follow(api, 2, trim=once)] == ["all of it"] * 2


def test_what_did_not_change_during_a_gap_is_not_said_again() -> None:
    api = FakeApi(
        [listed(5, item("a", 1)), listed(20, item("a", 1))],
        [[gone()], [event("ADDED", item("b", 21))]],
    )
    assert told(follow(api, 2)) == [("added", "a", "1"), ("added", "b", "21")]


def test_bookmarks_move_the_version_and_say_nothing() -> None:
    bookmark = {"metadata": {"resourceVersion": "40"}}
    api = FakeApi(
        [listed(5)], [[event("BOOKMARK", bookmark), CLOSE], [event("ADDED", item("a", 41))]]
    )
    assert told(follow(api, 1)) == [("added", "a", "41")]
    assert [what["resourceVersion"] for how, _, what in api.asked if how == "STREAM"][1] == "40"


def test_a_server_that_restarts_is_waited_for() -> None:
    api = FakeApi(
        [listed(5)],
        [ApiUnreachable("refused"), ApiError(503, "", "starting"), [event("ADDED", item("a", 6))]],
    )
    assert told(follow(api, 1)) == [("added", "a", "6")]


def test_a_server_that_stays_away_ends_the_watch_with_its_reason() -> None:
    api = FakeApi([listed(5)], [ApiUnreachable("refused")])
    (failed,) = follow(api, 1, away_s=0.0)
    assert isinstance(failed, Failed)
    assert "refused" in str(failed.error)


def test_a_refusal_ends_the_watch_at_once() -> None:
    (failed,) = follow(FakeApi([ApiError(403, "Forbidden", "no rights")]), 1)
    assert isinstance(failed, Failed)
    assert "no rights" in str(failed.error)


def test_no_event_is_lost_or_doubled_over_twenty_drops() -> None:
    streams = []
    for number in range(20):
        first = 10 + number * 5
        events = [event("ADDED", item(f"u{first + each}", first + each)) for each in range(5)]
        # The server repeats the last two events of the stream before.
        again = [event("ADDED", item(f"u{first - back}", first - back)) for back in (2, 1)]
        streams.append([*(again if number else []), *events, DROP if number % 2 else CLOSE])
    api = FakeApi([listed(9)], streams)
    options: dict[str, Any] = {"trim": lambda thing: thing}
    uids = [one.uid for one in follow(api, 100, **options)]
    assert uids == [f"u{number}" for number in range(10, 110)]


def test_a_change_knows_when_the_object_was_still_as_before() -> None:
    api = FakeApi([listed(5, item("a", 1))], [[event("MODIFIED", item("a", 6))]])
    first, second = follow(api, 2)
    assert second.kind is Kind.MODIFIED
    assert second.before == first.object
    # The list was asked for before it came, and is as things stood in between.
    assert first.since_ns <= second.since_ns <= first.at_ns <= second.at_ns


def test_what_comes_in_a_burst_may_all_be_as_old_as_the_break() -> None:
    burst = [event("ADDED", item(f"u{number}", number)) for number in range(7, 12)]
    api = FakeApi([listed(5)], [[event("ADDED", item("a", 6)), WAIT, DROP], [WAIT, *burst]])
    before, *after = follow(api, 6)
    assert {one.since_ns for one in after} == {after[0].since_ns}
    assert after[0].since_ns <= before.at_ns


def test_what_was_waited_for_had_not_happened_when_the_waiting_began() -> None:
    lines = [event("ADDED", item("a", 6)), WAIT, event("ADDED", item("b", 7))]
    first, second = follow(FakeApi([listed(5)], [lines]), 2)
    assert first.at_ns <= second.since_ns < second.at_ns
