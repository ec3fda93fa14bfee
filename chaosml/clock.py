"""The only place that reads time or waits.

Events carry `CLOCK_MONOTONIC` in nanoseconds. On one host every process reads
the same clock, which the kernel's boot id identifies; so a stamp made by a pod
or a service with our boot id needs no translation.
"""

from __future__ import annotations

import datetime
import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Deadline", "boot_id", "monotonic_ns", "pause", "utc_now", "wait_until"]

monotonic_ns = time.monotonic_ns


def boot_id() -> str:
    """Return the kernel's boot id: the name of this host's monotonic clock."""
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def utc_now() -> datetime.datetime:
    """Return the wall clock in UTC; for names and people, never for durations."""
    return datetime.datetime.now(datetime.UTC)


def pause(seconds: float) -> None:
    """Let other processes run; only for polls inside a wait with a deadline."""
    time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock by which `what` must have happened."""

    what: str
    seconds: float
    start_ns: int = field(default_factory=time.monotonic_ns)

    @property
    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.seconds - (monotonic_ns() - self.start_ns) / 1e9)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left_s <= 0.0


def wait_until(ready: Callable[[], bool], deadline: Deadline, poll_s: float = 0.01) -> bool:
    """Poll `ready` until it holds (True) or the deadline passes (False)."""
    while not ready():
        if deadline.passed:
            return False
        pause(min(poll_s, deadline.left_s))
    return True
