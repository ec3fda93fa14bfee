"""The timeline of one execution, as lanes to be drawn: pods, faults with their holds, recovery.

Seconds count from the start of the execution. A moment that is an interval is drawn in its
middle; the texts keep what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chaosml.event import Event, PodDeletion
from chaosml.reports.course import describe_event
from chaosml.reports.figures import MTTR_PARTS
from chaosml.reports.wording import duration
from chaosml.timeline.collect import trace
from chaosml.timeline.model import Claims, Injection, Pod, Timeline
from chaosml.timeline.moment import Moment
from chaosml.timeline.recovery import Outage, find_outages

__all__ = ["Bar", "Cited", "Drawing", "Lane", "Mark", "draw"]

_LANES_MAX = 40
_POINTS_MAX = 120
_MARKS_MAX = 60
_UID_MAX = 12
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time."""

    start_s: float
    end_s: float
    kind: str
    """`waiting`, `running`, `terminating`, `paused`; `hold`, `fault`; or a part of the MTTR."""
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment."""

    at_s: float
    kind: str
    """`checkpoint`, `restored`, `publish`, `strike`, `notice`, `invalid`, `end`."""
    says: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of the drawing."""

    kind: str
    """`pod`, `fault` or `recovery`."""
    name: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    progress: tuple[tuple[float, int], ...] = ()
    """When which step was done, thinned."""
    more: int = 0
    """Marks that were left out."""


@dataclass(frozen=True, slots=True)
class Cited:
    """An event that a verdict cites."""

    at_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Everything that is drawn of an execution."""

    length_s: float
    step_max: int
    lanes: tuple[Lane, ...]
    more: int
    """Pods that were left out."""
    cited: dict[int, Cited]


def draw(events: Iterable[Event], cited: frozenset[int], final_step: int | None) -> Drawing:
    """Return the drawing of an execution.

    Args:
        events: Its history.
        cited: The numbers of the events that verdicts cite.
        final_step: The step at which training is complete, where it is known.
    """
    spoken: dict[int, Event] = {}
    ends: list[Moment] = []

    def listened() -> Iterator[Event]:
        last = None
        for event in events:
            if event.seq in cited:
                spoken[event.seq] = event
            if last is None:
                ends.append(_moment(event))
            last = event
            yield event
        if last is not None:
            ends.append(_moment(last))

    timeline = trace(listened())
    if not ends:
        return Drawing(0.0, 0, (), 0, {})
    return _Artist(timeline, ends[0], ends[-1]).picture(spoken, final_step)


def _moment(event: Event) -> Moment:
    return Moment(event.earliest_ns, event.latest_ns, event.seq)


class _Artist:
    """Draws one timeline."""

    def __init__(self, timeline: Timeline, first: Moment, last: Moment) -> None:
        self._timeline = timeline
        self._origin_ns = _middle_ns(timeline.started or first)
        end = last if timeline.ended is None else timeline.ended.at
        self._end_s = max(self._s(end), 0.001)

    def _s(self, at: Moment) -> float:
        return max(0.0, (_middle_ns(at) - self._origin_ns) / _NS_PER_S)

    def picture(self, spoken: dict[int, Event], final_step: int | None) -> Drawing:
        """Return everything."""
        pods = sorted(
            (pod for pod in self._timeline.pods.values() if pod.created is not None),
            key=lambda pod: (0 if pod.created is None else pod.created.at.earliest_ns, pod.uid),
        )
        lanes = [self._fault(one) for one in self._timeline.injections.values()]
        lanes += [self._recovery(one) for one in find_outages(self._timeline, final_step)]
        lanes += [self._pod(pod) for pod in pods[:_LANES_MAX]]
        steps = (step for lane in lanes for _, step in lane.progress)
        return Drawing(
            length_s=self._end_s,
            step_max=max(steps, default=0),
            lanes=tuple(lanes),
            more=max(0, len(pods) - _LANES_MAX),
            cited={
                number: Cited(self._s(_moment(event)), describe_event(event))
                for number, event in spoken.items()
            },
        )

    def _pod(self, pod: Pod) -> Lane:
        claims = self._timeline.claims.get(pod.uid)
        marks = sorted(
            [*self._endings(pod), *(self._claims(claims) if claims else ())],
            key=lambda mark: mark.at_s,
        )
        node = f" on {pod.node}" if pod.node else ""
        return Lane(
            kind="pod",
            name=f"{pod.task}, attempt {pod.attempt}{node}, pod {_short(pod.uid)}",
            bars=tuple(self._life(pod)),
            marks=tuple(marks[:_MARKS_MAX]),
            progress=(self._progress(claims) if claims else ()) or self._printed(pod),
            more=max(0, len(marks) - _MARKS_MAX),
        )

    def _life(self, pod: Pod) -> Iterator[Bar]:
        created = None if pod.created is None else self._s(pod.created.at)
        started = None if pod.started is None else self._s(pod.started.at)
        ended = pod.exited or pod.gone
        end = self._end_s if ended is None else self._s(ended.at)
        if created is not None:
            until = end if started is None else started
            yield self._bar(created, until, "waiting", "waits to run")
        if started is None:
            return
        struck = min((self._s(seen.at) for seen in pod.strikes), default=end)
        struck = min(max(struck, started), end)
        yield self._bar(started, struck, "running", "runs")
        if struck < end:
            yield self._bar(struck, end, "terminating", "is terminating")
        for number, pause in enumerate(pod.paused):
            resumed = pod.resumed[number] if number < len(pod.resumed) else None
            until = end if resumed is None else self._s(resumed.at)
            yield self._bar(self._s(pause.at), until, "paused", f"paused by {pause.fact.by}")

    def _bar(self, start_s: float, end_s: float, kind: str, words: str) -> Bar:
        end_s = max(start_s, end_s)
        return Bar(start_s, end_s, kind, f"{words} {_stretch(start_s, end_s)}")

    def _mark(self, at: Moment, kind: str, words: str) -> Mark:
        at_s = self._s(at)
        return Mark(at_s, kind, f"{words} at {at_s:.2f} s")

    def _endings(self, pod: Pod) -> Iterator[Mark]:
        for seen in pod.strikes:
            fact = seen.fact
            how = fact.how if isinstance(fact, PodDeletion) else fact.signal
            yield self._mark(seen.at, "strike", f"{how} by {fact.by}")
        if pod.exited is not None:
            yield self._mark(pod.exited.at, "end", f"exit code {pod.exited.fact.exit_code}")
        if pod.gone is not None:
            yield self._mark(pod.gone.at, "end", f"gone, seen as {pod.gone.fact.view}")

    def _claims(self, claims: Claims) -> Iterator[Mark]:
        for commit in claims.commits:
            yield self._mark(commit.at, "checkpoint", f"checkpoint of step {commit.fact.step}")
        for segment in claims.segments:
            if segment.restored is not None and segment.restore_key is not None:
                words = f"restored step {segment.restore_step}"
                yield self._mark(segment.restored, "restored", words)
        for published in claims.publishes:
            yield self._mark(published.at, "publish", f"published {published.fact.key}")
        for entry in claims.registers:
            yield self._mark(entry.at, "publish", f"registered {entry.fact.entry}")
        for done in claims.done:
            yield self._mark(done.at, "end", "says that it is done")

    def _progress(self, claims: Claims) -> tuple[tuple[float, int], ...]:
        ledger = claims.ledger
        rows = range(len(ledger))
        stride = max(1, -(-len(rows) // _POINTS_MAX))
        kept = sorted({*rows[::stride], *rows[-1:]})
        return tuple((self._s(ledger.moment(row)), ledger.steps[row]) for row in kept)

    def _printed(self, pod: Pod) -> tuple[tuple[float, int], ...]:
        """Return the steps that a pod without a probe named in its lines."""
        lines = self._timeline.progress.get(pod.uid, ())
        kept = (*lines[:: max(1, -(-len(lines) // _POINTS_MAX))], *lines[-1:])
        return tuple((self._s(seen.at), seen.fact.step) for seen in kept)

    def _fault(self, injection: Injection) -> Lane:
        armed = None if injection.armed is None else injection.armed.fact
        inject = "" if armed is None else f" ({armed.inject}, planned at {armed.trigger})"
        marks = [
            *(
                self._mark(s.at, "strike", f"{s.fact.action} {s.fact.target}")
                for s in injection.applied
            ),
            *(self._mark(s.at, "invalid", f"INVALID: {s.fact.why}") for s in injection.invalid),
            *self._notices(injection),
        ]
        return Lane(
            kind="fault",
            name=f"fault {injection.injection}{inject}",
            bars=(*self._effects(injection), *self._holds(injection)),
            marks=tuple(sorted(marks, key=lambda mark: mark.at_s)[:_MARKS_MAX]),
            more=max(0, len(marks) - _MARKS_MAX),
        )

    def _effects(self, injection: Injection) -> Iterator[Bar]:
        if injection.applied:
            start = min(self._s(seen.at) for seen in injection.applied)
            healed = [self._s(seen.at) for seen in injection.healed]
            end = max(healed) if healed else self._end_s
            yield self._bar(start, end, "fault", "applied until healed" if healed else "applied")

    def _holds(self, injection: Injection) -> Iterator[Bar]:
        for hold in self._timeline.holds:
            begun = hold.started
            if begun is not None and begun.fact.rule == injection.injection:
                end = self._end_s if hold.ended is None else self._s(hold.ended.at)
                why = "" if hold.ended is None else f" ({hold.ended.fact.why})"
                words = f"held at {begun.fact.place}{why}"
                yield self._bar(self._s(begun.at), end, "hold", words)

    def _notices(self, injection: Injection) -> Iterator[Mark]:
        for notice in self._timeline.notices:
            if injection.injection in notice.fact.notice:
                yield self._mark(notice.at, "notice", f"notice on {notice.fact.node}")
        for read in self._timeline.notice_reads:
            if injection.injection in read.fact.notice and read.fact.first:
                yield self._mark(read.at, "notice", "notice read")

    def _recovery(self, outage: Outage) -> Lane:
        whole = outage.duration
        words = "not regained" if whole is None else f"regained in {duration(whole.middle_s)}"
        held = outage.held.middle_s
        without = f", without {duration(held)} held" if held >= 0.01 else ""
        return Lane(
            kind="recovery",
            name=f"recovery of {outage.task} after {outage.injection}: {words}{without}",
            bars=tuple(self._parts(outage)),
            marks=(),
        )

    def _parts(self, outage: Outage) -> Iterator[Bar]:
        """Yield the parts between the moments that were seen, held time included."""
        ends = (outage.detected, outage.running, outage.ready, outage.restored, outage.recovered)
        clock = self._s(outage.began)
        final = self._end_s if outage.recovered is None else self._s(outage.recovered)
        for words, end in zip(MTTR_PARTS.values(), ends, strict=True):
            if end is None:
                continue
            stop = min(max(clock, self._s(end)), final)
            yield self._bar(clock, stop, words.replace(" ", "-"), words)
            clock = stop
        if outage.recovered is None:
            yield self._bar(clock, final, "never", "not regained")


def _short(uid: str) -> str:
    return uid if len(uid) <= _UID_MAX else f"…{uid[-_UID_MAX:]}"


def _middle_ns(at: Moment) -> float:
    return (at.earliest_ns + at.latest_ns) / 2


def _stretch(start_s: float, end_s: float) -> str:
    return f"from {start_s:.2f} s to {end_s:.2f} s"
