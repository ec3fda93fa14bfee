"""A log is read from its first line to its last, once, and knows when lines are missing."""

from __future__ import annotations

import pathlib
import queue
from typing import Any

import pytest

from chaosml.event import ClaimPoint, LogProgress
from chaosml.substrates.kubernetes.api import ApiUnreachable
from chaosml.substrates.kubernetes.logs import (
    LineLedger,
    LogEnded,
    LogLines,
    LogTail,
    runtime_lines,
)
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.stamps import WallClock
from tests.unit.substrates.kubernetes_fakes import CLOSE, DROP, FakeApi
from tests.unit.substrates.kubernetes_objects import WALL, ended, pod, running


def line(second: int, text: str, fraction: str = "") -> bytes:
    return f"2026-11-25T12:00:{second:02}{fraction}Z {text}\n".encode()


def claim(number: int) -> str:
    return f'@chaosml {{"v":1,"event":"point","name":"p{number}","seq":{number},"pid":7}}'


class Api(FakeApi):
    """Answers the state of the pod from a script; the last one stays."""

    def __init__(self, states: list[Any], streams: list[Any]) -> None:
        super().__init__([], streams)
        self._states = states

    def get(self, path: str, **query: str) -> dict[str, Any]:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, Exception):
            raise state
        return state


RUNS, ENDS = pod(state=running(1)), pod(state=ended(9, 0))
AWAY = ApiError(404, "NotFound", "no such pod")


def read(
    tmp_path: pathlib.Path, states: list[Any], streams: list[Any], **options: Any
) -> tuple[list[str], str, str, Api]:
    """Follow a log; return the claims' names, why it was lost, the file's text, the API."""
    delivered: queue.SimpleQueue[LogLines | LogEnded] = queue.SimpleQueue()
    api = Api(states, streams)
    tail = LogTail(
        api,
        namespace="chaosml",
        pod="train",
        uid="u0",
        file=tmp_path / "pods" / "u0.log",
        boot="b",
        start_ns=0,
        deliver=delivered.put,
        **options,
    )
    assert tail.join(5)
    names: list[str] = []
    while True:
        match delivered.get(timeout=1):
            case LogLines(_, claims):
                names += [one.fact.name for one in claims if isinstance(one.fact, ClaimPoint)]
            case LogEnded(_, why):
                return names, why, (tmp_path / "pods" / "u0.log").read_text(), api


def test_a_log_is_complete_once_its_container_has_ended_and_nothing_new_comes(
    tmp_path: pathlib.Path,
) -> None:
    first, second = line(1, claim(1)), line(2, claim(2))
    names, why, text, api = read(tmp_path, [RUNS, ENDS], [[first, second, CLOSE], [second, CLOSE]])
    assert (names, why) == (["p1", "p2"], "")
    assert text == f"{claim(1)}\n{claim(2)}\n"
    follows = [what["follow"] for how, _, what in api.asked if how == "STREAM"]
    assert follows == ["true", "false"]


def test_a_dropped_log_goes_on_after_its_last_line(tmp_path: pathlib.Path) -> None:
    one, two = line(1, claim(1), ".25"), line(1, claim(2), ".3")
    three = line(4, claim(3))
    names, why, _, api = read(
        tmp_path, [RUNS, RUNS, ENDS], [[one, two, DROP], [one, two, three, CLOSE], [three, CLOSE]]
    )
    assert (names, why) == (["p1", "p2", "p3"], "")
    since = [what.get("sinceTime") for how, _, what in api.asked if how == "STREAM"]
    assert since == [None, "2026-11-25T12:00:01Z", "2026-11-25T12:00:04Z"]


def test_lines_with_equal_stamps_are_told_apart_by_their_order(tmp_path: pathlib.Path) -> None:
    same = [line(1, claim(number)) for number in (1, 2, 3)]
    names, why, _, _ = read(
        tmp_path, [RUNS, RUNS, ENDS], [[*same[:2], DROP], [*same, CLOSE], [*same, CLOSE]]
    )
    assert (names, why) == (["p1", "p2", "p3"], "")


def test_a_log_whose_last_line_was_rotated_away_has_a_gap(tmp_path: pathlib.Path) -> None:
    names, why, _, _ = read(
        tmp_path,
        [RUNS, RUNS, ENDS],
        [[line(1, claim(1)), DROP], [line(7, claim(5)), CLOSE], [line(7, claim(5)), CLOSE]],
    )
    assert names == ["p1", "p5"]
    assert "rotated" in why


def test_a_log_that_ended_in_order_before_its_pod_was_removed_is_complete(
    tmp_path: pathlib.Path,
) -> None:
    names, why, _, _ = read(tmp_path, [RUNS, AWAY], [[line(1, claim(1)), CLOSE]])
    assert (names, why) == (["p1"], "")


def test_a_log_that_broke_before_its_pod_was_removed_is_lost(tmp_path: pathlib.Path) -> None:
    names, why, _, _ = read(tmp_path, [RUNS, AWAY], [[line(1, claim(1)), DROP]])
    assert names == ["p1"]
    assert "removed" in why


GONE = b"unable to retrieve container logs for containerd://5d1f"


@pytest.mark.parametrize(
    ("first", "lost"), [(CLOSE, ""), (DROP, "the kubelet does not have it any more: unable to ")]
)
def test_the_kubelets_word_that_a_container_was_removed_is_no_line_of_its_log(
    tmp_path: pathlib.Path, first: Any, lost: str
) -> None:
    names, why, text, _ = read(
        tmp_path, [RUNS, ENDS], [[line(1, claim(1)), first], [GONE + b"\n", CLOSE]]
    )
    assert names == ["p1"]
    assert why.startswith(lost) if lost else not why
    assert "unable" not in text


def test_a_log_of_another_pod_with_the_same_name_is_not_read(tmp_path: pathlib.Path) -> None:
    other = pod(uid="u1", state=running(1))
    _, why, text, _ = read(tmp_path, [other], [[line(1, claim(1)), CLOSE]])
    assert "removed" in why
    assert text == ""


def test_a_server_that_stays_away_loses_the_log(tmp_path: pathlib.Path) -> None:
    _, why, _, _ = read(tmp_path, [RUNS], [ApiUnreachable("connection refused")], away_s=0.0)
    assert "refused" in why


def test_the_rest_of_a_log_is_read_from_a_dead_disk(tmp_path: pathlib.Path) -> None:
    delivered: queue.SimpleQueue[LogLines | LogEnded] = queue.SimpleQueue()
    tail = LogTail(
        Api([RUNS], [[line(1, claim(1))]]),
        namespace="chaosml",
        pod="train",
        uid="u0",
        file=tmp_path / "u0.log",
        boot="b",
        start_ns=0,
        deliver=delivered.put,
    )
    assert isinstance(delivered.get(timeout=5), LogLines)
    tail.leave()
    assert tail.join(5)
    raw = [
        b"2026-11-25T12:00:01Z stderr F " + claim(1).encode() + b"\n",
        b"2026-11-25T12:00:02Z stderr P " + claim(2).encode()[:20] + b"\n",
        b"2026-11-25T12:00:02.1Z stdout F other\n",
        b"2026-11-25T12:00:02.2Z stderr F " + claim(2).encode()[20:] + b"\n",
    ]
    said, end = tail.finish_from(raw, 10**18)
    names = [one.fact.name for one in said.claims if isinstance(one.fact, ClaimPoint)]
    assert (names, end) == (["p2"], LogEnded("u0", ""))
    assert delivered.empty()
    assert tail.last_stamp == "2026-11-25T12:00:02.200000000Z"


def test_parts_of_a_long_line_are_put_together_for_each_stream() -> None:
    one, two, three = (b"2026-11-25T12:00:0%dZ " % second for second in (1, 2, 3))
    raw = [one + b"stdout P ab\n", two + b"stderr F x\n", three + b"stdout F cd\n", b"torn"]
    assert list(runtime_lines([*raw, b"\0\0 \0 \0 \0\n"])) == [two + b"x\n", three + b"abcd\n"]


@pytest.mark.parametrize("fraction", ["", ".5", ".120", ".000000001", ".123456780"])
def test_a_line_is_the_same_however_many_zeros_end_its_stamp(fraction: str) -> None:
    second = b"2026-11-25T12:00:01"
    digits = fraction.removeprefix(".")
    by_kubelet = second + f".{digits.ljust(9, '0')}Z a\n".encode()
    by_runtime = second + f"{fraction.rstrip('0').rstrip('.')}Z a\n".encode()
    ledger = LineLedger()
    ledger.begin()
    assert ledger.take(by_kubelet) == b"a\n"
    ledger.begin()
    assert ledger.take(by_runtime) is None
    ledger.close()
    assert not ledger.has_gap


def test_a_reading_that_finds_nothing_of_what_was_read_has_a_gap() -> None:
    ledger = LineLedger()
    ledger.begin()
    assert ledger.take(line(1, "a")) == b"a\n"
    ledger.begin()
    ledger.close()
    assert ledger.has_gap


def between(tmp_path: pathlib.Path, wall: WallClock | None, *lines: bytes) -> list[tuple[int, int]]:
    """Return when the claims of a finished log were made, as far as that is known."""
    delivered: queue.SimpleQueue[Any] = queue.SimpleQueue()
    tail = LogTail(
        Api([ENDS], [[*lines, CLOSE]]),
        namespace="chaosml",
        pod="train",
        uid="u0",
        file=tmp_path / "u0.log",
        boot="b",
        start_ns=0,
        deliver=delivered.put,
        wall=wall,
    )
    assert tail.join(5)
    said = [delivered.get() for _ in range(delivered.qsize())]
    return [
        (one.earliest_ns, one.latest_ns)
        for each in said
        if isinstance(each, LogLines)
        for one in each.claims
    ]


@pytest.mark.parametrize("skew_ns", [0, 1_000_000_000])
def test_lines_without_a_stamp_are_placed_by_the_runtimes_also_when_they_come_in_a_burst(
    skew_ns: int, tmp_path: pathlib.Path
) -> None:
    lines = [line(number, claim(number)) for number in (3, 4, 9)]
    wall = WallClock(WALL.offset_ns, skew_ns)
    stamps = [wall.monotonic_ns(one.split(b" ")[0].decode()) for one in lines]
    assert between(tmp_path, wall, *lines) == [
        (max(0, stamp - 50_000_000 - skew_ns), stamp + 1000 + skew_ns) for stamp in stamps
    ]


def test_lines_that_nothing_places_lie_between_the_start_and_their_reading(
    tmp_path: pathlib.Path,
) -> None:
    first, second = between(tmp_path, None, line(3, claim(3)), line(4, claim(4)))
    assert first[0] == second[0] == 0
    assert 0 < first[1] <= second[1]


def test_the_steps_that_a_program_prints_are_read_with_the_runtimes_stamps(
    tmp_path: pathlib.Path,
) -> None:
    delivered: queue.SimpleQueue[LogLines | LogEnded] = queue.SimpleQueue()
    lines = [line(1, "step=1"), line(2, "step=1"), line(3, "step=2"), line(4, claim(1)), CLOSE]
    tail = LogTail(
        Api([RUNS, ENDS], [lines, [CLOSE]]),
        namespace="chaosml",
        pod="train",
        uid="u0",
        file=tmp_path / "u0.log",
        boot="b",
        start_ns=0,
        deliver=delivered.put,
        wall=WALL,
        step_pattern=r"step=(?P<step>\d+)",
    )
    assert tail.join(5)
    said: list[tuple[int, int]] = []
    while isinstance(one := delivered.get(timeout=1), LogLines):
        said += [
            (claimed.fact.step, claimed.latest_ns - claimed.earliest_ns)
            for claimed in one.claims
            if isinstance(claimed.fact, LogProgress)
        ]
    assert [step for step, _ in said] == [1, 2]
    assert all(width < 1_000_000_000 for _, width in said)
