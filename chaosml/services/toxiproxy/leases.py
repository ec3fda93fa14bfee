"""The leases by which toxics live whose owner may die before it removes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from chaosml import clock

__all__ = ["Leases"]

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Lease:
    ends_ns: int
    timer: asyncio.TimerHandle


class Leases:
    """Owners, each with the time until which it is known to live."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_end: Callable[[str, bool], None]
    ) -> None:
        """Hold no lease yet.

        Args:
            loop: Where leases end.
            on_end: Called with the owner, and whether its time ran out.
        """
        self._loop = loop
        self._on_end = on_end
        self._leases: dict[str, _Lease] = {}

    def __contains__(self, owner: str) -> bool:
        return owner in self._leases

    def renew(self, owner: str, seconds: float) -> None:
        """Have a lease, a new one or one that is held, last so long from now."""
        self._cancel(owner)
        ends_ns = clock.monotonic_ns() + int(seconds * _NS_PER_S)
        timer = self._loop.call_later(seconds, self._expire, owner)
        self._leases[owner] = _Lease(ends_ns, timer)

    def release(self, owner: str) -> bool:
        """End a lease before its time; return whether there was one."""
        held = self._cancel(owner)
        if held:
            self._on_end(owner, False)
        return held

    def left_s(self) -> dict[str, float]:
        """Return how long each lease lasts."""
        now_ns = clock.monotonic_ns()
        return {
            owner: max(0, lease.ends_ns - now_ns) / _NS_PER_S
            for owner, lease in sorted(self._leases.items())
        }

    def close(self) -> None:
        """Forget all leases."""
        for owner in list(self._leases):
            self._cancel(owner)

    def _expire(self, owner: str) -> None:
        self._cancel(owner)
        self._on_end(owner, True)

    def _cancel(self, owner: str) -> bool:
        lease = self._leases.pop(owner, None)
        if lease is not None:
            lease.timer.cancel()
        return lease is not None
