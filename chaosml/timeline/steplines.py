"""What a training's own lines say about its steps, where no probe claims them.

    lines named    10    20    30 |strike                20    30    40    50
    steps done at the strike: 29 to 39                   begun from 10 to 20

A line `step=30` may be printed before step 30 or after it, and what is done until the next
line comes nobody says: so many steps as lie between two moments at which lines arrive, the
stride, may have been done on top. Where lines wait in a buffer, all of a buffer arrives at
once and the stride is long; what the killed program had not flushed is then within it.
The controls tell the stride, and the step that is named last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosml.event import LogProgress
from chaosml.timeline.model import Pod, Timeline
from chaosml.timeline.moment import Moment, Seen

__all__ = [
    "Gauge",
    "LineMark",
    "find_gauge",
    "last_named",
    "mark_by_lines",
    "merge_marks",
    "why_unusable",
]


@dataclass(frozen=True, slots=True)
class Gauge:
    """How the lines of an undisturbed training name its steps."""

    stride: int
    """The most steps between two moments at which lines came."""
    last: int | None
    """The step that every control named last; None where they differ."""
    doubt: str
    """Why nothing can be measured by them; empty where it can."""


@dataclass(frozen=True, slots=True)
class LineMark:
    """How far a training was when it was struck, and how it went on, by its lines."""

    doubt: str
    """Why the lines tell nothing; empty where they do."""
    low: int
    """So many steps were certainly done."""
    high: int
    """More were certainly not."""
    starts: tuple[int, int] | None
    """The steps between which the next pod began; None where it named none."""
    may_have_passed: bool
    """Whether a later pod may have done a step beyond the mark."""
    may_be_final: bool
    """Whether the training may have been complete."""
    passed_from: Moment | None
    """The earliest moment at which a later pod may have got beyond the mark."""
    passed: Moment | None
    """When one certainly had."""

    @property
    def lost(self) -> tuple[int, int] | None:
        """The fewest and the most steps that had to be done again."""
        if self.starts is None:
            return None
        return max(0, self.low - self.starts[1]), max(0, self.high - self.starts[0])


def last_named(timeline: Timeline) -> int:
    """Return the highest step that the training's lines name; 0 where they name none."""
    return max((seen.fact.step for seen in _lines(timeline)), default=0)


def find_gauge(controls: Sequence[Timeline]) -> Gauge | None:
    """Return how the controls name their steps; None where no control's lines name any."""
    if not any(_lines(control) for control in controls):
        return None
    doubt = next((why for control in controls if (why := _why_unfit(control))), "")
    if doubt:
        return Gauge(0, None, doubt)
    stride, lasts = 1, set()
    for control in controls:
        pods = control.pods_of(control.training_task)
        stride = max([stride, *(_stride(control.progress.get(pod.uid, ()), 0) for pod in pods)])
        lasts.add(last_named(control))
    return Gauge(stride, lasts.pop() if len(lasts) == 1 else None, "")


def mark_by_lines(
    timeline: Timeline,
    gauge: Gauge | None,
    struck: Pod,
    before: Sequence[Pod],
    after: Sequence[Pod],
) -> LineMark | None:
    """Return where a strike met a training by its lines; None where they are not what counts.

    Args:
        timeline: The execution.
        gauge: How the controls name their steps.
        struck: The pod that was struck.
        before: The pods of its task up to it.
        after: The pods that came later.
    """
    if struck.task != timeline.training_task or _claims_steps(timeline):
        return None
    if gauge is None and not _lines(timeline):
        return None
    doubt = why_unusable(timeline, gauge)
    stride = max(
        0 if gauge is None else gauge.stride,
        *(_stride(timeline.progress.get(pod.uid, ()), None) for pod in (*before, *after)),
    )
    named = max(_highest(timeline, pod, surely=True) for pod in before)
    most = max(_highest(timeline, pod, surely=False) for pod in before)
    low, high = max(0, named - 1), most + stride - 1
    last = None if gauge is None else gauge.last
    return LineMark(
        doubt=doubt,
        low=low,
        high=high,
        starts=_starts(timeline, after, stride),
        may_have_passed=_may_have_passed(timeline, after, low, stride),
        may_be_final=last is None or high >= last,
        passed_from=_passed_from(timeline, after, named, stride),
        passed=_passed(timeline, after, high),
    )


def merge_marks(first: LineMark | None, second: LineMark | None) -> LineMark | None:
    """Return the mark of two outages that are one: the further mark, and how the second ended."""
    if first is None or second is None:
        return second or first
    return LineMark(
        doubt=first.doubt or second.doubt,
        low=max(first.low, second.low),
        high=max(first.high, second.high),
        starts=second.starts,
        may_have_passed=second.may_have_passed,
        may_be_final=first.may_be_final or second.may_be_final,
        passed_from=second.passed_from,
        passed=second.passed,
    )


def _lines(timeline: Timeline) -> list[Seen[LogProgress]]:
    pods = timeline.pods_of(timeline.training_task)
    return [seen for pod in pods for seen in timeline.progress.get(pod.uid, ())]


def _claims_steps(timeline: Timeline) -> bool:
    pods = timeline.pods_of(timeline.training_task)
    return any(pod.uid in timeline.claims and len(timeline.claims[pod.uid].ledger) for pod in pods)


def _why_unfit(control: Timeline) -> str:
    """Return why the lines of a control tell nothing about those of others."""
    lost = control.doubt_of_logs(control.pods_of(control.training_task))
    if lost:
        return f"of {control.execution}: {lost}"
    if _claims_steps(control):
        return f"{control.execution} claims its steps by the probe, and others do not"
    if not _lines(control):
        return f"no line of {control.execution} names a step"
    return _why_fallen(control)


def _why_fallen(timeline: Timeline) -> str:
    """Return which pod named an earlier step after a later one."""
    for uid, lines in timeline.progress.items():
        highest = 0
        for seen in lines:
            if seen.fact.fell or seen.fact.first_step < highest:
                return (
                    f"the step falls within pod {uid} of {timeline.execution}; let progress.log "
                    "match a number that only rises"
                )
            highest = seen.fact.step
    return ""


def why_unusable(timeline: Timeline, gauge: Gauge | None) -> str:
    """Return why the lines of an execution measure nothing; empty where they do."""
    if gauge is None:
        return "no line of a control names a step, so nobody knows how often lines come"
    return gauge.doubt or _why_fallen(timeline)


def _stride(lines: Iterable[Seen[LogProgress]], begun: int | None) -> int:
    """Return the most steps between two arrivals of a pod's lines.

    Args:
        lines: The lines.
        begun: The step that the pod began from, where it is known.
    """
    longest, before = 1, begun
    for seen in lines:
        start = seen.fact.first_step - 1 if before is None else before
        longest = max(longest, seen.fact.step - start)
        before = seen.fact.step
    return longest


def _highest(timeline: Timeline, pod: Pod, *, surely: bool) -> int:
    """Return the highest step that a pod named, before it was cut off where it was."""
    cut = next((seen.at.latest_ns for seen in pod.deletions if seen.fact.how == "cut-off"), None)
    return max(
        (
            seen.fact.step
            for seen in timeline.progress.get(pod.uid, ())
            if cut is None or (seen.at.latest_ns if surely else seen.at.earliest_ns) <= cut
        ),
        default=0,
    )


def _starts(timeline: Timeline, after: Sequence[Pod], stride: int) -> tuple[int, int] | None:
    """Return between which steps the next pod began: it may have named what it restored."""
    lines = timeline.progress.get(after[0].uid, ()) if after else ()
    if not lines:
        return None
    first = lines[0].fact.first_step
    return max(0, first - stride), first


def _may_have_passed(timeline: Timeline, after: Sequence[Pod], low: int, stride: int) -> bool:
    return any(
        not timeline.progress.get(pod.uid)
        or _highest(timeline, pod, surely=False) + stride - 1 > low
        for pod in after
        if pod.started is not None
    )


def _passed(timeline: Timeline, after: Sequence[Pod], high: int) -> Moment | None:
    """Return when a line came that no training prints before it is beyond the mark."""
    for pod in after:
        for seen in timeline.progress.get(pod.uid, ()):
            if seen.fact.step > high + 1:
                return seen.at
    return None


def _passed_from(
    timeline: Timeline, after: Sequence[Pod], named: int, stride: int
) -> Moment | None:
    """Return the last moment before which no later pod can have been beyond the mark."""
    here = None
    for pod in after:
        if pod.started is None:
            continue
        here = pod.started.at
        lines = timeline.progress.get(pod.uid, ())
        for seen in lines:
            if seen.fact.step > named:
                return here
            here = seen.at
        # It may have gone on after its last line, and have got beyond it unseen.
        if not lines or lines[-1].fact.step + stride > named:
            return here
    return here
