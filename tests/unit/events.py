"""Events that state a fact and nothing else: for what looks at facts alone."""

from __future__ import annotations

import itertools

from chaosml.event import Basis, Event, Fact

_numbers = itertools.count(1)


def event(fact: Fact) -> Event:
    return Event(
        seq=next(_numbers),
        source="s",
        source_seq=1,
        earliest_ns=0,
        latest_ns=0,
        basis=Basis.OBSERVED,
        subject="",
        data=fact,
    )
