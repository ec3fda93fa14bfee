"""When the way to a service was made worse, and what the task's step rate made of it.

    steps  ........................  .    .    .   . ..........................
    fault                           |added        removed|
                                         stall        |──recovery──|

The rate is regained at the first step after the removal from which on the task does its
next steps in at most 1/0.9 of the time that the slowest control took for the same steps.
So saves and whatever else belongs to certain steps cancel out.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosml.event import DOWN
from chaosml.scenario.model import STORE
from chaosml.timeline.model import Injection, Pod, Timeline
from chaosml.timeline.moment import Moment, Seen, Span, passed

__all__ = [
    "CUTTING",
    "RATE_SHARE",
    "Degradation",
    "Slowdown",
    "find_degradations",
    "measure_slowdown",
    "step_times",
]

RATE_SHARE = 0.9
"""Of the controls' rate: what counts as regained."""

CUTTING = frozenset({DOWN, "timeout", "reset_peer"})
"""Types of toxics that let nothing through."""
_AFTERMATH_NS = 5_000_000_000
"""So long after a fault that broke requests off a program may still fail of it: it is told by
the heal, which closes its connections, or by the answer, with which the fault is over."""
_WINDOW_S = 0.5
_WINDOW_MIN = 5
_WINDOW_SHARE = 8
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Degradation:
    """The stretch of time in which one injection made the way to a service worse."""

    injection: str
    way: str
    """The proxy's name; `store` where the gate itself disturbs."""
    task: str
    began: Moment
    """All toxics act from here on, for certain."""
    began_ns: int
    """The first one may have acted from here on."""
    ended: Moment | None
    """None acts from here on; None where the last removal was not seen."""
    ended_ns: int | None
    """All act until here, for certain."""
    breaks: bool = False
    """Whether requests break, so that a program may fail of it when it is over."""

    def is_certain(self, at: Moment) -> bool:
        """Whether something happened wholly while every toxic acted."""
        ended_ns = self.ended_ns
        inside = at.earliest_ns >= self.began.latest_ns
        return inside and ended_ns is not None and at.latest_ns <= ended_ns

    def runs(self, pod: Pod) -> bool:
        """Whether a pod ran while every toxic acted."""
        if pod.started is None or self.ended_ns is None:
            return False
        if pod.started.at.latest_ns > self.ended_ns:
            return False
        return pod.exited is None or pod.exited.at.earliest_ns > self.began.latest_ns

    def saw_failure_of(self, pod: Pod) -> bool:
        """Whether a pod that ran meanwhile failed of it: before its end, or of what it broke."""
        exited, ended = pod.exited, self.ended
        if exited is None or ended is None or exited.fact.exit_code == 0:
            return False
        if self.breaks and exited.at.earliest_ns <= ended.latest_ns + _AFTERMATH_NS:
            return self.runs(pod)
        return self.runs(pod) and not exited.at.is_after(ended)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """What a degradation did to the step rate of the task."""

    degradation: Degradation
    rate_control: float
    """Steps a second of the slowest control."""
    rate_during: float
    """Steps a second while the toxics acted."""
    stall_s: float
    """The longest time between two steps, from the first toxic until the rate was regained."""
    recovery: Span | None
    """From the removal until the rate was regained."""
    why_open: str | None
    """Where there is no recovery: `training-ended`, since nothing was left to measure, or
    `never-recovered`."""
    seen_s: float
    """For how long steps were seen after the removal: a recovery took at least so long."""


def find_degradations(timeline: Timeline) -> list[Degradation]:
    """Return the degradations that injections caused, in order of time."""
    found = []
    for injection in timeline.injections.values():
        found += [*_by_toxics(timeline, injection), *_by_gate(timeline, injection)]
    return sorted(found, key=lambda one: one.began.earliest_ns)


def _by_toxics(timeline: Timeline, injection: Injection) -> list[Degradation]:
    name, armed = injection.injection, injection.armed
    added = [seen for seen in timeline.toxics if seen.fact.injection == name]
    if not added or armed is None:
        return []
    removed = [seen for seen in timeline.toxics_removed if seen.fact.injection == name]
    whole = {seen.fact.toxic for seen in removed} >= {seen.fact.toxic for seen in added}
    degradation = Degradation(
        injection=name,
        way=added[0].fact.proxy,
        task=armed.fact.task,
        began=_last(added),
        began_ns=min(seen.fact.asked_ns for seen in added),
        ended=_last(removed) if whole else None,
        ended_ns=min(seen.fact.asked_ns for seen in removed) if whole else None,
        breaks=any(seen.fact.type in CUTTING for seen in added),
    )
    return [degradation]


def _by_gate(timeline: Timeline, injection: Injection) -> list[Degradation]:
    name = injection.injection
    added = [seen for seen in timeline.disturbances if seen.fact.injection == name]
    if not added:
        return []
    removed = [seen for seen in timeline.disturbances_removed if seen.fact.injection == name]
    degradation = Degradation(
        injection=name,
        way=STORE,
        task=added[0].fact.task,
        began=_last(added),
        began_ns=added[0].fact.asked_ns,
        ended=_last(removed) if removed else None,
        ended_ns=removed[0].fact.asked_ns if removed else None,
        breaks=True,
    )
    return [degradation]


def _last(seen: Sequence[Seen[Any]]) -> Moment:
    return max((one.at for one in seen), key=lambda at: at.latest_ns)


def step_times(timeline: Timeline, task: str) -> dict[int, Moment]:
    """Return when each step of a task was complete for the first time."""
    times: dict[int, Moment] = {}
    for pod in timeline.pods_of(task):
        claims = timeline.claims.get(pod.uid)
        if claims is None:
            continue
        for row, step in enumerate(claims.ledger.steps):
            at = claims.ledger.moment(row)
            if step not in times or at.latest_ns < times[step].latest_ns:
                times[step] = at
    return times


def measure_slowdown(
    timeline: Timeline, degradation: Degradation, controls: Sequence[Timeline]
) -> Slowdown | None:
    """Return what a degradation did; None where trial or controls show no steps to compare."""
    times = step_times(timeline, degradation.task)
    baselines = [step_times(control, degradation.task) for control in controls]
    ended = degradation.ended
    if ended is None or len(times) < _WINDOW_MIN or not baselines:
        return None
    rates = [_rate(baseline) for baseline in baselines]
    if any(rate is None for rate in rates):
        return None
    rate = min(rate for rate in rates if rate is not None)
    longest = max(_WINDOW_MIN, len(times) // _WINDOW_SHARE)
    window = min(longest, max(_WINDOW_MIN, round(rate * _WINDOW_S)))
    regained, compared = _regained(times, baselines, ended, window)
    recovery = None if regained is None else passed(ended, regained)
    last = max(times.values(), key=lambda at: at.latest_ns)
    return Slowdown(
        degradation=degradation,
        rate_control=rate,
        rate_during=_rate_during(times, degradation),
        stall_s=_stall(times, degradation, regained or last),
        recovery=recovery,
        why_open=None
        if recovery is not None
        else ("never-recovered" if compared >= window else "training-ended"),
        seen_s=passed(ended, last).low_s,
    )


def _rate(times: Mapping[int, Moment]) -> float | None:
    """Return steps a second from the first step to the last."""
    if len(times) < _WINDOW_MIN:
        return None
    first = min(times.values(), key=lambda at: at.latest_ns)
    last = max(times.values(), key=lambda at: at.latest_ns)
    taken_s = passed(first, last).middle_s
    return (len(times) - 1) / taken_s if taken_s > 0 else None


def _rate_during(times: Mapping[int, Moment], degradation: Degradation) -> float:
    done = sum(degradation.is_certain(at) for at in times.values())
    until_ns = degradation.ended_ns or degradation.began.latest_ns
    lasted_s = (until_ns - degradation.began.latest_ns) / _NS_PER_S
    return done / lasted_s if lasted_s > 0 else 0.0


def _stall(times: Mapping[int, Moment], degradation: Degradation, until: Moment) -> float:
    """Return the longest time without a step that touches the stretch."""
    ordered = sorted(times.values(), key=lambda at: at.latest_ns)
    gaps = [
        passed(first, second).middle_s
        for first, second in itertools.pairwise(ordered)
        if second.latest_ns >= degradation.began_ns and first.earliest_ns <= until.latest_ns
    ]
    return max(gaps, default=0.0)


def _regained(
    times: Mapping[int, Moment],
    baselines: Sequence[Mapping[int, Moment]],
    ended: Moment,
    window: int,
) -> tuple[Moment | None, int]:
    """Return the step from which on the rate is regained, and how many steps were tried."""
    compared = 0
    for step in sorted(times):
        at = times[step]
        if at.is_before(ended) or step + window not in times:
            continue
        allowed = [
            passed(baseline[step], baseline[step + window]).high_s
            for baseline in baselines
            if step in baseline and step + window in baseline
        ]
        if not allowed:
            continue
        compared += 1
        if passed(at, times[step + window]).low_s <= max(allowed) / RATE_SHARE:
            return at, compared
    return None, compared
