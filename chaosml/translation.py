"""Stamps of another machine's monotonic clock as intervals of ours.

What is known of another clock are constraints: a stamp was made after, or before, a
moment of ours. A round trip gives both.

    ours    ──sent─────────received──►
                │             ▲
                ▼             │
    theirs  ────────stamp────────────►     sent ≤ stamp ≤ received

The rates of two clocks differ by at most `DRIFT_PPM`, so a constraint on one stamp
bounds every other one, the less the further away it is. All of them hold at once; a
short round trip wins by itself, whatever the delays were in either direction.

Pure, and not only about round trips: that a line had been read by a moment, or that a
program had not started before another one, are constraints of the same kind.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["DRIFT_PPM", "Clocks", "ForeignClock"]

DRIFT_PPM = 200
"""How much faster or slower another monotonic clock may run than ours, in parts per million.

Crystals are within 100 of the truth, and time daemons steer them towards it.
"""

_KEPT = 64
"""Constraints that are remembered in each direction; to forget one only widens."""

_Constraint = tuple[int, int]
"""A stamp, and a bound of our clock minus theirs when it was made."""


@dataclass(slots=True)
class ForeignClock:
    """What is known of how one other clock stands to ours."""

    drift_ppm: int = DRIFT_PPM
    contradicted: bool = False
    """Whether no clock within the drift fits what was seen; nothing is bounded then."""
    _lower: list[_Constraint] = field(default_factory=list)
    _upper: list[_Constraint] = field(default_factory=list)

    def note_exchange(self, *, sent_ns: int, stamp_ns: int, received_ns: int) -> None:
        """Note that their stamp was made between two moments of ours."""
        self.note_after(stamp_ns, sent_ns)
        self.note_before(stamp_ns, received_ns)

    def note_after(self, stamp_ns: int, ours_ns: int) -> None:
        """Note that a stamp was made at that moment of ours or later."""
        offset_ns = ours_ns - stamp_ns
        known = self._lowest(stamp_ns)
        if known is None or offset_ns > known:
            self._keep(self._lower, stamp_ns, offset_ns)

    def note_before(self, stamp_ns: int, ours_ns: int) -> None:
        """Note that a stamp was made at that moment of ours or earlier."""
        offset_ns = ours_ns - stamp_ns
        known = self._highest(stamp_ns)
        if known is None or offset_ns < known:
            self._keep(self._upper, stamp_ns, offset_ns)

    def place(self, stamp_ns: int) -> tuple[int | None, int | None]:
        """Return the earliest and the latest moment of ours of a stamp; None is unbounded."""
        if self.contradicted:
            return None, None
        lowest, highest = self._lowest(stamp_ns), self._highest(stamp_ns)
        return (
            None if lowest is None else stamp_ns + lowest,
            None if highest is None else stamp_ns + highest,
        )

    def stamp_of(self, ours_ns: int) -> int:
        """Return what their clock shows about then: the middle of what is possible.

        Raises:
            ValueError: nothing bounds it.
        """
        newest = max((*self._lower, *self._upper), default=None)
        if newest is None or self.contradicted:
            raise ValueError("nothing is known of the other clock")
        guess_ns = ours_ns - newest[1]
        earliest_ns, latest_ns = self.place(guess_ns)
        if earliest_ns is None or latest_ns is None:
            raise ValueError("the other clock is bounded on one side only")
        return guess_ns + ours_ns - (earliest_ns + latest_ns) // 2

    def _keep(self, bounds: list[_Constraint], stamp_ns: int, offset_ns: int) -> None:
        bounds.append((stamp_ns, offset_ns))
        del bounds[:-_KEPT]
        lowest, highest = self._lowest(stamp_ns), self._highest(stamp_ns)
        if lowest is not None and highest is not None and lowest > highest:
            self.contradicted = True

    def _lowest(self, stamp_ns: int) -> int | None:
        return max((bound - self._drift(stamp_ns - at) for at, bound in self._lower), default=None)

    def _highest(self, stamp_ns: int) -> int | None:
        return min((bound + self._drift(stamp_ns - at) for at, bound in self._upper), default=None)

    def _drift(self, distance_ns: int) -> int:
        """Return by how much the offset may differ at that distance, rounded up."""
        return -(-abs(distance_ns) * self.drift_ppm // 1_000_000)


class Clocks:
    """Every clock that stamps something for us, by the boot id that names it; for any thread."""

    def __init__(self, ours: str) -> None:
        """Begin with ours alone, which needs no translation."""
        self._ours = ours
        self._lock = threading.Lock()
        self._others: dict[str, ForeignClock] = {}

    def is_ours(self, boot: str) -> bool:
        """Whether a clock is the one that we read ourselves."""
        return boot == self._ours

    @property
    def others(self) -> tuple[str, ...]:
        """The boot ids of the clocks that are not ours."""
        with self._lock:
            return tuple(self._others)

    def note_exchange(self, boot: str, *, sent_ns: int, stamp_ns: int, received_ns: int) -> None:
        """Note that a stamp was made between two moments of ours."""
        self.note_after(boot, stamp_ns, sent_ns)
        self.note_before(boot, stamp_ns, received_ns)

    def note_after(self, boot: str, stamp_ns: int, ours_ns: int) -> None:
        """Note that a stamp was made at that moment of ours or later."""
        if not self.is_ours(boot):
            with self._lock:
                self._find(boot).note_after(stamp_ns, ours_ns)

    def note_before(self, boot: str, stamp_ns: int, ours_ns: int) -> None:
        """Note that a stamp was made at that moment of ours or earlier."""
        if not self.is_ours(boot):
            with self._lock:
                self._find(boot).note_before(stamp_ns, ours_ns)

    def place(self, boot: str, stamp_ns: int) -> tuple[int | None, int | None]:
        """Return the earliest and the latest moment of ours of a stamp; None is unbounded."""
        if self.is_ours(boot):
            return stamp_ns, stamp_ns
        with self._lock:
            return self._find(boot).place(stamp_ns)

    def stamp_of(self, boot: str, ours_ns: int) -> int:
        """Return about what a clock shows at a moment of ours.

        Raises:
            ValueError: nothing bounds it.
        """
        if self.is_ours(boot):
            return ours_ns
        with self._lock:
            return self._find(boot).stamp_of(ours_ns)

    def _find(self, boot: str) -> ForeignClock:
        return self._others.setdefault(boot, ForeignClock())
