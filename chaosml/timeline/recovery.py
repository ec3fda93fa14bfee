"""Outages and how long it took until lost progress was regained.

    t0 effect   t1 the orchestrator knows   t3 the next pod runs   t4 it works
    t5 state is restored   t7 first step beyond the high-water mark
    mttr = t7 - t0 = detect + reschedule + start + restore + catch-up, without held time

The high-water mark is the last step completed before the outage. A log that may
lack lines leaves only a lower bound of it; then progress is certain no earlier
than the task's completion. Where no probe claims steps the training's own lines
bound it (`steplines`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from chaosml.event import TaskPhase
from chaosml.timeline.model import TERMINAL, Claims, Pod, Timeline
from chaosml.timeline.moment import Moment, Seen, Span, overlap, passed
from chaosml.timeline.steplines import Gauge, LineMark, mark_by_lines, merge_marks
from chaosml.timeline.strikes import Strike, strikes

__all__ = ["Outage", "find_outages", "without_capacity"]

_NO_CAPACITY = re.compile(r"nodes are available|Unschedulable|Insufficient")
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Outage:
    """One loss of the task's progress and what became of it."""

    injection: str
    pod: Pod
    task: str
    began: Moment
    notice: Moment | None
    mark: int
    """High-water mark: the last step known to be complete before."""
    mark_is_exact: bool
    next_pod: Pod | None
    restored_step: int | None
    """What the next pod says it started from."""
    detected: Moment | None
    running: Moment | None
    ready: Moment | None
    restored: Moment | None
    recovered: Moment | None
    """When progress was certainly regained."""
    recovered_from: Moment | None
    """The earliest moment at which it may have been regained."""
    held: Span
    """Time in which the harness itself held pods, inside the outage."""
    waiting_s: float
    """Time in which a pod waited for capacity, inside the outage."""
    lines: LineMark | None = None
    """Where it stood by its own lines, if they are all that names its steps."""

    @property
    def duration(self) -> Span | None:
        """Time to recovery, without held time; None where it was not reached."""
        if self.recovered is None or self.recovered_from is None:
            return None
        whole = Span(
            passed(self.began, self.recovered_from).low_s, passed(self.began, self.recovered).high_s
        )
        return whole.minus(self.held)

    @property
    def lost_steps(self) -> int | None:
        """Steps that had to be done again: the mark without what was restored.

        None where that is not known, or between bounds only.
        """
        if self.lines is not None:
            bounds = None if self.lines.doubt else self.lines.lost
            return bounds[0] if bounds is not None and bounds[0] == bounds[1] else None
        return None if self.restored_step is None else max(0, self.mark - self.restored_step)

    @property
    def parts(self) -> dict[str, float]:
        """The duration in parts that sum up to it, in seconds; empty where it did not end.

        A moment that was not seen gives its time to the part after it.
        """
        if self.recovered is None:
            return {}
        names = ("detect_s", "reschedule_s", "start_s", "restore_s", "catch_up_s")
        ends = (self.detected, self.running, self.ready, self.restored, self.recovered)
        parts: dict[str, float] = {}
        clock = _middle(self.began)
        final = _middle(self.recovered)
        for name, end in zip(names, ends, strict=True):
            stop = clock if end is None else min(max(clock, _middle(end)), final)
            parts[name] = (stop - clock) / _NS_PER_S
            clock = stop
        # A hold ends with its pod, before the death is seen: it lies in the first parts.
        held_s = self.held.middle_s
        for name in names:
            taken_s = min(parts[name], held_s)
            parts[name] -= taken_s
            held_s -= taken_s
        return parts


def find_outages(
    timeline: Timeline, final_step: int | None, gauge: Gauge | None = None
) -> list[Outage]:
    """Return the outages that injections caused; those that overlap are one.

    Args:
        timeline: The execution.
        final_step: The step at which training is complete, where it is known.
        gauge: How the controls' own lines name the steps, where no probe claims them.
    """
    outages: list[Outage] = []
    for strike in strikes(timeline):
        if strike.pod.task is None or _was_idle(timeline, strike):
            continue
        outage = _outage_of(timeline, strike, final_step, gauge)
        last = outages[-1] if outages else None
        if last is not None and (
            last.recovered is None or not last.recovered.is_before(outage.began)
        ):
            outages[-1] = _merge(timeline, last, outage)
        else:
            outages.append(outage)
    return outages


def without_capacity(timeline: Timeline) -> Seen[TaskPhase] | None:
    """Return a task that still waited for a node to take its pod when watching ended."""
    last = {
        (seen.fact.task, seen.fact.attempt): seen
        for seen in timeline.tasks
        if seen.fact.attempt is not None
    }
    for seen in last.values():
        if seen.fact.phase == "Pending" and _NO_CAPACITY.search(seen.fact.message):
            return seen
    return None


def _was_idle(timeline: Timeline, strike: Strike) -> bool:
    """Whether the pod had ended its work before it was struck: nothing was lost."""
    claims = timeline.claims.get(strike.pod.uid)
    if claims is not None and any(not done.at.is_after(strike.at) for done in claims.done):
        return True
    return strike.pod.started is None and strike.pod.exited is None


def _merge(timeline: Timeline, first: Outage, second: Outage) -> Outage:
    return Outage(
        injection=first.injection,
        pod=first.pod,
        task=first.task,
        began=first.began,
        notice=first.notice,
        mark=max(first.mark, second.mark),
        mark_is_exact=first.mark_is_exact and second.mark_is_exact,
        next_pod=second.next_pod,
        restored_step=second.restored_step,
        detected=first.detected,
        running=second.running,
        ready=second.ready,
        restored=second.restored,
        recovered=second.recovered,
        recovered_from=second.recovered_from,
        held=_held(timeline, first.began, second.recovered),
        waiting_s=first.waiting_s + second.waiting_s,
        lines=merge_marks(first.lines, second.lines),
    )


def _outage_of(
    timeline: Timeline, strike: Strike, final_step: int | None, gauge: Gauge | None
) -> Outage:
    task = strike.pod.task or ""
    pods = timeline.pods_of(task)
    before = [pod for pod in pods if pods.index(pod) <= pods.index(strike.pod)]
    after = [pod for pod in pods if pod not in before]
    next_pod = after[0] if after else None
    mark = max((_last_step(timeline, pod) for pod in before), default=0)
    exact = not timeline.doubt_of_logs(before)
    lines = mark_by_lines(timeline, gauge, strike.pod, before, after)
    if lines is None:
        early, late = _recovery(timeline, task, strike, after, mark, exact, final_step)
    else:
        mark = lines.low
        early, late = _recovery_by_lines(timeline, task, strike, lines)
    claims = None if next_pod is None else timeline.claims.get(next_pod.uid)
    restored = _first_restore(claims)
    if restored is None and next_pod is not None:
        restored = _found_done(timeline, next_pod)
    return Outage(
        injection=strike.injection,
        pod=strike.pod,
        task=task,
        began=strike.at,
        notice=strike.notice,
        mark=mark,
        mark_is_exact=exact,
        next_pod=next_pod,
        restored_step=None if restored is None else restored[0],
        detected=_detected(timeline, strike),
        running=_of(next_pod, lambda pod: None if pod.started is None else pod.started.at),
        ready=None if claims is None or not claims.ready else claims.ready[0].at,
        restored=None if restored is None else restored[1],
        recovered=late,
        recovered_from=early,
        held=_held(timeline, strike.at, late),
        waiting_s=_waited(timeline, strike.at, next_pod),
        lines=lines,
    )


def _of(pod: Pod | None, moment: Callable[[Pod], Moment | None]) -> Moment | None:
    return None if pod is None else moment(pod)


def _last_step(timeline: Timeline, pod: Pod) -> int:
    """Return the last step of a pod; what it does after it was cut off is nobody's progress."""
    claims = timeline.claims.get(pod.uid)
    if claims is None:
        return 0
    steps, earliest = claims.ledger.steps, claims.ledger.earliest
    cut = next((seen.at.latest_ns for seen in pod.deletions if seen.fact.how == "cut-off"), None)
    if cut is None:
        return max(steps, default=0)
    return max((step for step, at in zip(steps, earliest, strict=True) if at <= cut), default=0)


def _first_restore(claims: Claims | None) -> tuple[int, Moment] | None:
    if claims is None:
        return None
    for segment in claims.segments:
        if segment.restore_step is not None and segment.restored is not None:
            return segment.restore_step, segment.restored
        if segment.rows:
            first = claims.ledger.steps[segment.first_row]
            return first - 1, segment.began
    return None


def _found_done(timeline: Timeline, pod: Pod) -> tuple[int, Moment] | None:
    """Return the step at which a pod found the work done, and when, if it surely did no step."""
    claims = timeline.claims.get(pod.uid)
    if claims is None or len(claims.ledger) or timeline.doubt_of_logs([pod]):
        return None
    for done in claims.done:
        if done.fact.step is not None:
            return done.fact.step, done.at
    return None


def _detected(timeline: Timeline, strike: Strike) -> Moment | None:
    """Return when the orchestrator showed the end of the attempt, or made its next pod."""
    pod = strike.pod
    for seen in timeline.tasks:
        phase = seen.fact
        if (
            phase.task == pod.task
            and phase.attempt == pod.attempt
            and phase.attempt is not None
            and phase.phase in TERMINAL
            and not seen.at.is_before(strike.at)
        ):
            return seen.at
    return None if pod.gone is None else pod.gone.at


def _recovery(
    timeline: Timeline,
    task: str,
    strike: Strike,
    after: list[Pod],
    mark: int,
    exact: bool,
    final_step: int | None,
) -> tuple[Moment | None, Moment | None]:
    """Return the earliest and the latest moment at which progress was regained."""
    trains = any(_last_step(timeline, pod) for pod in timeline.pods_of(task))
    is_final = final_step is not None and mark >= final_step
    ended_well = is_final and bool(
        timeline.claims[strike.pod.uid].done if strike.pod.uid in timeline.claims else ()
    )
    completion = _completion(timeline, task, strike, by_struck=not trains or ended_well)
    if not trains or is_final:
        return completion, completion
    first = _first_beyond(timeline, after, mark)
    if first is None:
        return None, None
    return first, (first if exact else completion)


def _recovery_by_lines(
    timeline: Timeline, task: str, strike: Strike, lines: LineMark
) -> tuple[Moment | None, Moment | None]:
    """Return the same for a training of which only its own lines name steps."""
    completion = _completion(timeline, task, strike, by_struck=False)
    if lines.may_be_final and completion is None:
        completion = _completion(timeline, task, strike, by_struck=True)
    late = lines.passed or completion
    if late is None:
        return None, None
    early = lines.passed_from or strike.at
    return (early if early.earliest_ns <= late.earliest_ns else late), late


def _first_beyond(timeline: Timeline, pods: list[Pod], mark: int) -> Moment | None:
    for pod in pods:
        claims = timeline.claims.get(pod.uid)
        if claims is None:
            continue
        for row, step in enumerate(claims.ledger.steps):
            if step > mark:
                return claims.ledger.moment(row)
        # Who went on beside it, cut off from everybody, may have left it nothing to do.
        found = _found_done(timeline, pod)
        if found is not None and found[0] > mark:
            return found[1]
    return None


def _completion(timeline: Timeline, task: str, strike: Strike, *, by_struck: bool) -> Moment | None:
    """Return when the task was complete after the strike.

    Args:
        timeline: The execution.
        task: The task.
        strike: What interrupted it.
        by_struck: Whether the struck pod may have completed it within its grace period.
    """
    again = [pod for pod in timeline.pods_of(task) if pod.attempt == strike.pod.attempt]
    for seen in timeline.tasks:
        phase = seen.fact
        is_other = phase.attempt != strike.pod.attempt or len(again) > 1
        if (
            phase.task == task
            and phase.phase == "Succeeded"
            and phase.attempt is not None
            and (is_other or by_struck)
            and not seen.at.is_before(strike.at)
        ):
            return seen.at
    return None


def _held(timeline: Timeline, start: Moment, end: Moment | None) -> Span:
    """Return the time between two moments in which the harness held a pod."""
    total = Span(0.0, 0.0)
    for hold in timeline.holds:
        if end is not None and hold.started is not None and hold.ended is not None:
            total = total.plus(overlap((hold.started.at, hold.ended.at), (start, end)))
    return total


def _waited(timeline: Timeline, start: Moment, next_pod: Pod | None) -> float:
    """Return for how long the orchestrator said that there was no room for the next pod."""
    if next_pod is None or next_pod.started is None:
        return 0.0
    stop = next_pod.started.at
    for seen in timeline.tasks:
        if (
            seen.fact.phase == "Pending"
            and _NO_CAPACITY.search(seen.fact.message)
            and not seen.at.is_before(start)
            and seen.at.is_before(stop)
        ):
            return passed(seen.at, stop).middle_s
    return 0.0


def _middle(moment: Moment) -> float:
    return (moment.earliest_ns + moment.latest_ns) / 2
