"""What the compute of an execution went into, in parts that sum up to all of it.

Compute is the time of every pod from its start to its end, times the CPU it
requested. Useful is what an undisturbed execution needs too: the tasks that
succeeded, one start of the training, and the steps that are in the final state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chaosml.timeline.ledger import Segment
from chaosml.timeline.lineage import Lineage, Part
from chaosml.timeline.model import Claims, Pod, Timeline
from chaosml.timeline.moment import Moment, Span, overlap, passed

__all__ = ["PARTS", "Usage", "measure_usage"]

PARTS = (
    "useful",
    "recomputed",
    "in_flight",
    "restore",
    "start_up",
    "terminating",
    "failed_attempts",
)
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Usage:
    """Compute of one execution."""

    total: Span
    """CPU-seconds, without the time in which the harness held pods."""
    shares: dict[str, float]
    """Shares of `PARTS`; they sum up to 1, or are empty where nothing ran."""

    @property
    def waste(self) -> float | None:
        """The share that is not useful."""
        return None if not self.shares else 1 - self.shares["useful"]


def measure_usage(timeline: Timeline, lineage: Lineage) -> Usage | None:
    """Return the use of compute; None where a pod's start or end is not known."""
    cpu_seconds: dict[str, float] = defaultdict(float)
    total = Span(0.0, 0.0)
    acts = _acts(timeline)
    for pod in timeline.pods.values():
        if pod.started is None:
            continue
        if pod.exited is None or pod.created is None:
            return None
        held = _held(timeline, pod.uid, pod.started.at, pod.exited.at)
        cpu = pod.created.fact.requested_cpu
        alive = _alive(acts[pod.uid], pod.started.at, pod.exited.at).minus(held)
        total = total.plus(Span(alive.low_s * cpu, alive.high_s * cpu))
        for part, seconds in _split(timeline, lineage, pod, held.middle_s).items():
            cpu_seconds[part] += seconds * cpu
    whole = sum(cpu_seconds.values())
    shares = {part: cpu_seconds[part] / whole for part in PARTS} if whole > 0 else {}
    return Usage(total, shares)


def _alive(acts: Sequence[Moment], start: Moment, end: Moment) -> Span:
    """Return how long a pod lived: at least from the first to the last thing that it did."""
    known = passed(start, end)
    if not acts:
        return known
    first_ns = min(act.latest_ns for act in acts)
    last_ns = min(max(act.earliest_ns for act in acts), end.latest_ns)
    return Span(min(known.high_s, max(known.low_s, (last_ns - first_ns) / _NS_PER_S)), known.high_s)


def _acts(timeline: Timeline) -> defaultdict[str, list[Moment]]:
    """Return when each pod certainly lived: when it said something, and asked the store."""
    acts: defaultdict[str, list[Moment]] = defaultdict(list)
    for seen in timeline.requests:
        acts[seen.fact.uid or ""].append(seen.at)
    for uid, claims in timeline.claims.items():
        said = (claims.ready, claims.checkpoints, claims.publishes, claims.registers, claims.done)
        acts[uid] += [seen.at for facts in said for seen in facts]
    return acts


def _held(timeline: Timeline, uid: str, start: Moment, end: Moment) -> Span:
    """Return for how long the harness held the pod while it lived."""
    total = Span(0.0, 0.0)
    for hold in timeline.holds:
        if hold.started is not None and hold.started.fact.uid == uid:
            stop = end if hold.ended is None else hold.ended.at
            total = total.plus(overlap((hold.started.at, stop), (start, end)))
    return total


def _split(timeline: Timeline, lineage: Lineage, pod: Pod, held_s: float) -> dict[str, float]:
    """Return the seconds of one pod by part; held time is taken from what it was held in."""
    if pod.started is None or pod.exited is None:
        return {}
    start, end = _middle(pod.started.at), _middle(pod.exited.at)
    parts: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    claims = timeline.claims.get(pod.uid)
    if pod.task != timeline.training_task or claims is None or not claims.segments:
        succeeded = _succeeded(timeline, pod)
        parts["useful" if succeeded else "failed_attempts"] = max(0.0, end - start - held_s)
        return parts
    mine = {part.segment: part for part in lineage.parts if part.pod.uid == pod.uid}
    first_of_all = bool(lineage.parts) and lineage.parts[0].pod.uid == pod.uid
    clock = start
    for segment in claims.segments:
        clock = _split_segment(parts, claims, segment, mine.get(segment), clock, first_of_all)
    _split_tail(parts, pod, clock, end, survives=bool(mine) and lineage.parts[-1].pod is pod)
    tail = "in_flight" if parts["in_flight"] >= held_s else max(parts, key=lambda name: parts[name])
    parts[tail] = max(0.0, parts[tail] - held_s)
    return parts


def _split_segment(
    parts: dict[str, float],
    claims: Claims,
    segment: Segment,
    part: Part | None,
    clock: float,
    is_first: bool,
) -> float:
    """Add the time of one process, up to its last step; return where it ends."""
    began = max(clock, _middle(segment.began))
    parts["useful" if is_first else "start_up"] += began - clock
    clock = began
    if segment.restored is not None:
        restored = max(clock, _middle(segment.restored))
        parts["useful" if is_first else "restore"] += restored - clock
        clock = restored
    if not segment.rows:
        return clock
    last = max(clock, _step_end(claims, segment.last_row - 1))
    kept = _last_kept_row(claims, segment, part)
    if kept is None:
        parts["recomputed"] += last - clock
        return last
    border = min(last, max(clock, _step_end(claims, kept)))
    parts["useful"] += border - clock
    parts["recomputed"] += last - border
    return last


def _last_kept_row(claims: Claims, segment: Segment, part: Part | None) -> int | None:
    """Return the last row of a segment that is in the lineage."""
    if part is None:
        return None
    steps = claims.ledger.steps
    for row in reversed(segment.rows):
        if steps[row] <= part.stop:
            return row
    return None


def _split_tail(
    parts: dict[str, float], pod: Pod, clock: float, end: float, *, survives: bool
) -> None:
    """Add what came after the last step: the end of the work, or what a kill cut off."""
    left = max(0.0, end - clock)
    struck = [seen.at for seen in pod.strikes]
    if survives and not struck:
        parts["useful"] += left
        return
    if not struck:
        parts["in_flight"] += left
        return
    hit = max(clock, min(end, min(_middle(moment) for moment in struck)))
    parts["in_flight"] += hit - clock
    parts["terminating"] += max(0.0, end - hit)


def _succeeded(timeline: Timeline, pod: Pod) -> bool:
    phases = [
        seen.fact.phase
        for seen in timeline.tasks
        if seen.fact.task == pod.task and seen.fact.attempt == pod.attempt
    ]
    others = [
        other
        for other in timeline.pods_of(pod.task)
        if other.attempt == pod.attempt and other.uid != pod.uid
    ]
    is_last = all(
        other.created is None or pod.created is None or other.created.at.is_before(pod.created.at)
        for other in others
    )
    return is_last and (phases[-1] if phases else None) == "Succeeded"


def _step_end(claims: Claims, row: int) -> float:
    return _middle(claims.ledger.moment(row))


def _middle(moment: Moment) -> float:
    return (moment.earliest_ns + moment.latest_ns) / 2 / _NS_PER_S
