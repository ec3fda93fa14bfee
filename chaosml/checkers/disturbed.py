"""The receipt of a disturbance at the gate: the requests that met it, and what the client did."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.checkers.doubt import Doubt
from chaosml.event import Request
from chaosml.timeline.degradation import Degradation
from chaosml.timeline.model import Timeline
from chaosml.timeline.moment import Moment, Seen
from chaosml.timeline.sources import GATE

__all__ = ["examine"]

_WORDS = {
    "throttled": "refused with status {status}",
    "reset": "cut off",
    "late-error": "answered 200 with an error",
    "answer-lost": "stored, and its answer cut off",
}


def examine(timeline: Timeline, degradation: Degradation) -> Iterator[tuple[Moment, str]]:
    """Yield the requests of the target that the gate disturbed for the injection.

    Raises:
        Doubt: there is none.
    """
    yield degradation.began, "the gate disturbs requests"
    met = [seen for seen in timeline.requests if seen.fact.injection == degradation.injection]
    if not met:
        raise Doubt(
            "nobody-disturbed",
            timeline.doubt(GATE)
            or f"no request of {degradation.task} met the fault while it was in force",
        )
    first = met[0]
    words = _WORDS.get(first.fact.outcome)
    if words is None:
        # It had gone before the gate could do anything to it.
        raise Doubt("nobody-disturbed", f"the first request that met it was {first.fact.outcome}")
    done = words.format(status=first.fact.status)
    yield first.at, f"{len(met)} requests met it, the first {_name(first.fact)}: {done}"
    again = _tried_again(timeline, first)
    if again is not None:
        yield again.at, f"tried again: {_name(again.fact)}, {again.fact.outcome}"
    if degradation.ended is not None:
        yield degradation.ended, "the gate passes everything on again"


def _name(request: Request) -> str:
    return f"{request.operation} {request.key}".rstrip()


def _tried_again(timeline: Timeline, first: Seen[Request]) -> Seen[Request] | None:
    """Return the next request for the same, by whichever attempt."""
    for seen in timeline.requests:
        same = (seen.fact.operation, seen.fact.key) == (first.fact.operation, first.fact.key)
        if same and seen.number > first.number:
            return seen
    return None
