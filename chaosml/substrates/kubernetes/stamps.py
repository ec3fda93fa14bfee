"""Kubernetes' stamps as intervals on the monotonic clock.

The API keeps whole seconds of a wall clock; a stamp says that something happened
within the second that it names. What we know better (when we last saw the object
without it, when we saw it with it) cuts that second down.

On a kind cluster every machine has the wall clock of this host. Elsewhere it is taken
to be right within `SKEW_NS` of ours; what contradicts that is placed by our own
knowledge alone.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from chaosml import clock

__all__ = ["SKEW_NS", "WallClock"]

_SECOND_NS = 1_000_000_000
SKEW_NS = _SECOND_NS
"""How far the wall clock of a machine of somebody's cluster may be from ours."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """Relates the wall clock to the monotonic one; taken once, so that intervals keep order."""

    offset_ns: int
    """Wall clock minus monotonic clock."""
    skew_ns: int = 0
    """How far those that stamp may be from it."""

    @classmethod
    def now(cls, skew_ns: int = 0) -> WallClock:
        """Relate both clocks as they stand."""
        wall_ns = int(clock.utc_now().timestamp() * 1e6) * 1000
        return cls(wall_ns - clock.monotonic_ns(), skew_ns)

    def monotonic_ns(self, stamp: str) -> int:
        """Return an RFC 3339 stamp, of any precision, on the monotonic clock."""
        base, _, fraction = stamp.rstrip("Z").partition(".")
        moment = datetime.datetime.fromisoformat(base).replace(tzinfo=datetime.UTC)
        return (
            int(moment.timestamp()) * _SECOND_NS
            + int(fraction.ljust(9, "0")[:9] or 0)
            - (self.offset_ns)
        )

    def second(self, stamp: str | None, *, after_ns: int, by_ns: int) -> tuple[int, int]:
        """Return when the thing stamped happened: within its second, and within what we know.

        Args:
            stamp: The API's stamp; None where it gives none.
            after_ns: It had not happened yet.
            by_ns: It had happened.
        """
        if stamp is None:
            return min(after_ns, by_ns), by_ns
        begin_ns = self.monotonic_ns(stamp)
        earliest_ns = max(after_ns, begin_ns - self.skew_ns)
        latest_ns = min(by_ns, begin_ns + _SECOND_NS + self.skew_ns)
        if earliest_ns > latest_ns:
            # The clock that stamped differs from ours: only our own knowledge counts.
            return min(after_ns, by_ns), by_ns
        return earliest_ns, latest_ns
