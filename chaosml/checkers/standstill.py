"""Whether a task met a fault that lets nothing through.

What it asked meanwhile came to nobody who could say so. It met the fault if

- an attempt failed of it: while it lasted or, told by the heal, right after it;
- a request of its own was under way when the fault came, and its client was cut off;
- its steps stood still for at least half of the fault: it waited, or it tried again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from chaosml.checkers.doubt import Doubt
from chaosml.event import InjectionArmed
from chaosml.scenario.model import STORE
from chaosml.timeline.degradation import Degradation, step_times
from chaosml.timeline.model import Pod, Timeline
from chaosml.timeline.moment import Moment

__all__ = ["examine"]

_STILL_SHARE = 0.5
_NS_PER_S = 1e9


def examine(
    timeline: Timeline, degradation: Degradation, armed: InjectionArmed
) -> Iterator[tuple[Moment, str]]:
    """Yield what shows that the target met the fault.

    Raises:
        Doubt: nothing does.
    """
    pods = [pod for pod in timeline.pods_of(armed.task) if degradation.runs(pod)]
    if not pods:
        raise Doubt("target-finished", f"no pod of {armed.task} ran during the fault")
    found = [*_failures(degradation, pods)]
    if armed.service == STORE:
        found += _cut_off(timeline, degradation, pods)
    lines_lost = timeline.doubt_of_logs(pods)
    if not lines_lost:
        # Where lines may be missing a pause in them says nothing.
        found += _stood_still(timeline, degradation)
    if not found:
        raise Doubt(
            "nobody-disturbed",
            lines_lost
            or f"nothing shows that {armed.task} needed {armed.service} during the fault; "
            "let it last longer, or strike at the place of a request (when: object)",
        )
    yield from found


def _failures(degradation: Degradation, pods: list[Pod]) -> Iterator[tuple[Moment, str]]:
    for pod in pods:
        if pod.exited is not None and degradation.saw_failure_of(pod):
            words = f"attempt {pod.attempt} of {pod.task} exited {pod.exited.fact.exit_code}"
            yield pod.exited.at, words


def _cut_off(
    timeline: Timeline, degradation: Degradation, pods: list[Pod]
) -> Iterator[tuple[Moment, str]]:
    """Yield requests whose clients were gone, and that were under way when the fault came."""
    uids = {pod.uid for pod in pods}
    until_ns = degradation.ended_ns or 0
    for seen in timeline.requests:
        gone = seen.fact.uid in uids and seen.fact.outcome == "client-gone"
        if gone and seen.at.earliest_ns <= until_ns and seen.at.latest_ns >= degradation.began_ns:
            yield seen.at, f"{seen.fact.operation} {seen.fact.key} was cut off"


def _stood_still(timeline: Timeline, degradation: Degradation) -> Iterator[tuple[Moment, str]]:
    """Yield the longest time without a step within the fault, where it is long enough."""
    begin_ns, end_ns = degradation.began.latest_ns, degradation.ended_ns or 0
    steps = step_times(timeline, degradation.task).values()
    ordered = sorted(steps, key=lambda at: at.latest_ns)
    gaps = [
        (min(second.earliest_ns, end_ns) - max(first.latest_ns, begin_ns), second)
        for first, second in itertools.pairwise(ordered)
    ]
    if not gaps:
        return
    longest_ns, until = max(gaps, key=lambda gap: gap[0])
    if longest_ns >= _STILL_SHARE * (end_ns - begin_ns):
        yield until, f"{degradation.task} stood still for {longest_ns / _NS_PER_S:.2f}s of it"
