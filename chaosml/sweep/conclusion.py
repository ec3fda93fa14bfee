"""From the results of states to the report: pure, and the same for the same results."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaosml.sweep.margins import Margins
from chaosml.sweep.points import CrashMap, Point
from chaosml.sweep.recording import Recording
from chaosml.sweep.result import (
    Failure,
    KillResult,
    StateResult,
    SweepReport,
    Tested,
    TestedPoint,
)
from chaosml.verdict import EventRef, Status, Verdict, worst

__all__ = ["NOT_CHOSEN", "Circumstances", "conclude"]

NOT_CHOSEN = "not chosen"
"""Why a point was not reached that nobody asked for."""
_NOT_EXECUTED = "not-executed"
_EVIDENCE_MAX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What made the sweep what it is, besides its recording."""

    run: str
    pipeline: str
    views: tuple[str, ...]
    chosen: frozenset[int]
    """Numbers of the points that were to be tested."""
    interrupted: bool
    wall_s: float
    workers: int
    versions: Mapping[str, str]
    command: tuple[str, ...]
    """The command that sweeps the same again, without a point."""


def conclude(
    recording: Recording,
    controls: Sequence[Verdict],
    results: Sequence[StateResult],
    kills: Sequence[KillResult],
    margins: Margins,
    how: Circumstances,
) -> SweepReport:
    """Return the report of a sweep.

    Args:
        recording: The recorded control.
        controls: Verdicts about the undisturbed executions.
        results: Of the states, in any order.
        kills: Of the real kills.
        margins: What the controls show about times and distances.
        how: The circumstances.
    """
    undisturbed = tuple(one for one in controls if one.status is not Status.PASS)
    known = {(one.checker, one.cause) for one in undisturbed}
    ordered = sorted(results, key=lambda one: (one.state, one.view))
    failures = _failures(recording.crashes, ordered, known, how)
    tested = _tested(recording, ordered, how)
    points = _points(recording.crashes, ordered, known, how)
    untested = any(one.status is None and one.number in how.chosen for one in points)
    statuses = [
        *(one.status for one in undisturbed),
        *(one.status for one in failures),
        *(one.status for one in kills),
        *([Status.PASS] if tested.points_hit else []),
        *([Status.UNKNOWN] if tested.outside or untested else []),
    ]
    return SweepReport(
        scenario=recording.scenario.metadata.name,
        run=how.run,
        pipeline=how.pipeline,
        seed=recording.scenario.seed,
        views=how.views,
        status=worst(statuses),
        interrupted=how.interrupted,
        tested=tested,
        failures=failures,
        points=points,
        controls=undisturbed,
        kills=tuple(kills),
        margins=margins,
        results=tuple(ordered),
        wall_s=round(how.wall_s, 3),
        workers=how.workers,
        versions=dict(sorted(how.versions.items())),
        replay=shlex.join(how.command),
    )


def _tested(recording: Recording, results: Sequence[StateResult], how: Circumstances) -> Tested:
    crashes = recording.crashes
    by_state: dict[int, list[StateResult]] = {}
    for result in results:
        by_state.setdefault(result.state, []).append(result)
    unreached = {
        f"{point.number} {point.name}": why
        for point in crashes.points
        if (why := _why_unreached(point, by_state, how))
    }
    executed = {
        state
        for state, found in by_state.items()
        if len(found) == len(how.views) and not any(one.problem for one in found)
    }
    return Tested(
        points=len(crashes.points),
        points_hit=len(crashes.points) - len(unreached),
        effects=dict(sorted(Counter(one.operation for one in recording.effects).items())),
        states=len(crashes.states),
        states_hit=len(executed),
        unreached=unreached,
        outside=tuple(recording.outside),
    )


def _why_unreached(
    point: Point, by_state: Mapping[int, Sequence[StateResult]], how: Circumstances
) -> str:
    if point.number not in how.chosen:
        return NOT_CHOSEN
    for state in point.states:
        found = by_state.get(state, ())
        if len(found) < len(how.views):
            return f"state {state} was not executed"
        for result in found:
            if result.problem:
                return f"state {state} {result.problem}"
    if point.unreached:
        return f"{point.unreached} subsets of the writes in flight together were left out"
    return ""


def _failures(
    crashes: CrashMap,
    results: Sequence[StateResult],
    undisturbed: set[tuple[str, str | None]],
    how: Circumstances,
) -> tuple[Failure, ...]:
    """Return a failure for every cause; the one with the earliest point comes first."""
    grouped: dict[tuple[str, str, Status], list[tuple[StateResult, Verdict]]] = {}
    for result in results:
        for verdict in _verdicts(result):
            if (verdict.checker, verdict.cause) in undisturbed:
                continue
            cause = verdict.cause or "no-cause-known"
            key = (verdict.checker, cause, verdict.status)
            grouped.setdefault(key, []).append((result, verdict))
    failures = [_failure(crashes, key, found, how) for key, found in grouped.items()]
    return tuple(sorted(failures, key=lambda one: (-one.status.severity, one.point, one.checker)))


def _points(
    crashes: CrashMap,
    results: Sequence[StateResult],
    undisturbed: set[tuple[str, str | None]],
    how: Circumstances,
) -> tuple[TestedPoint, ...]:
    by_state: dict[int, list[StateResult]] = {}
    for result in results:
        by_state.setdefault(result.state, []).append(result)
    found = []
    for point in crashes.points:
        verdicts = [
            verdict
            for state in point.states
            for result in by_state.get(state, ())
            for verdict in _verdicts(result)
            if (verdict.checker, verdict.cause) not in undisturbed
        ]
        whole = point.number in how.chosen and all(
            len(by_state.get(state, ())) == len(how.views) for state in point.states
        )
        found.append(
            TestedPoint(
                number=point.number,
                kind=point.kind,
                name=point.name,
                task=point.task,
                states=point.states,
                status=worst([Status.PASS, *(one.status for one in verdicts)]) if whole else None,
                causes=tuple(dict.fromkeys(f"{one.checker}: {one.cause}" for one in verdicts)),
            )
        )
    return tuple(found)


def _verdicts(result: StateResult) -> Iterable[Verdict]:
    if not result.problem:
        return result.verdicts
    return (
        Verdict(
            checker="sweep",
            expectation="sweep",
            execution=f"state/{result.state}",
            status=Status.UNKNOWN,
            cause=_NOT_EXECUTED,
            message=f"state {result.state} {result.problem}",
        ),
    )


def _failure(
    crashes: CrashMap,
    key: tuple[str, str, Status],
    found: Sequence[tuple[StateResult, Verdict]],
    how: Circumstances,
) -> Failure:
    checker, cause, status = key
    points = sorted(
        {
            number
            for result, _ in found
            for number in crashes.state(result.state).points
            if number in how.chosen
        }
    )
    first = points[0]
    result, verdict = next(one for one in found if first in crashes.state(one[0].state).points)
    return Failure(
        checker=checker,
        cause=cause,
        status=status,
        point=first,
        place=crashes.point(first).name,
        state=result.state,
        points=tuple(points),
        message=verdict.message,
        evidence=tuple(_place(event) for event in verdict.evidence[:_EVIDENCE_MAX]),
        advice=verdict.advice,
        replay=shlex.join([*how.command, "--point", str(first)]),
    )


def _place(event: EventRef) -> str:
    kind, _, name = event.execution.partition("/")
    return f"{kind}s/{name}/history.jsonl:{event.seq}  {event.says}"
