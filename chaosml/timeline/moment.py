"""When something happened, as far as is known, and in which order things happened.

A time is an interval on one clock. Where two intervals overlap, the order is
unknown, and whoever asks must be able to live with that answer.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Moment", "Order", "Seen", "Span", "order", "overlap", "passed"]

_NS_PER_S = 1e9

_FactT = TypeVar("_FactT", covariant=True)


class Order(enum.Enum):
    """How one moment lies to another."""

    BEFORE = "before"
    AFTER = "after"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Moment:
    """The interval in which an event lies; `seq` is its line in the history, to cite it."""

    earliest_ns: int
    latest_ns: int
    seq: int

    def is_before(self, other: Moment) -> bool:
        """Whether this certainly came first."""
        return self.latest_ns < other.earliest_ns

    def is_after(self, other: Moment) -> bool:
        """Whether this certainly came later."""
        return other.latest_ns < self.earliest_ns


def order(first: Moment, second: Moment) -> Order:
    """Say whether `first` came before or after `second`."""
    if first.is_before(second):
        return Order.BEFORE
    return Order.AFTER if first.is_after(second) else Order.UNKNOWN


@dataclass(frozen=True, slots=True)
class Seen(Generic[_FactT]):
    """A fact of the history with its time; `number` orders the facts of one source."""

    fact: _FactT
    at: Moment
    number: int


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in seconds, between two bounds."""

    low_s: float
    high_s: float

    @property
    def middle_s(self) -> float:
        """The figure to show where one figure is wanted."""
        return (self.low_s + self.high_s) / 2

    def plus(self, other: Span) -> Span:
        """Return the two one after the other."""
        return Span(self.low_s + other.low_s, self.high_s + other.high_s)

    def minus(self, other: Span) -> Span:
        """Return the span without a part of it, never below zero."""
        return Span(max(0.0, self.low_s - other.high_s), max(0.0, self.high_s - other.low_s))


def passed(start: Moment, end: Moment) -> Span:
    """Return the time from `start` to `end`; zero where `end` may have come first."""
    return Span(
        max(0, end.earliest_ns - start.latest_ns) / _NS_PER_S,
        max(0, end.latest_ns - start.earliest_ns) / _NS_PER_S,
    )


def overlap(first: tuple[Moment, Moment], second: tuple[Moment, Moment]) -> Span:
    """Return for how long two stretches of time went on together."""
    return Span(
        max(
            0,
            min(first[1].earliest_ns, second[1].earliest_ns)
            - max(first[0].latest_ns, second[0].latest_ns),
        )
        / _NS_PER_S,
        max(
            0,
            min(first[1].latest_ns, second[1].latest_ns)
            - max(first[0].earliest_ns, second[0].earliest_ns),
        )
        / _NS_PER_S,
    )
