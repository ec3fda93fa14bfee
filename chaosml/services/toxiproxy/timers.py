"""Timers that fire within a tenth of a millisecond, on a timerfd of the kernel.

An event loop's own timers are rounded up to the next millisecond by epoll, which is as much
as a fault may be wrong. Where there is no timerfd they serve nevertheless.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import heapq
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

from chaosml import clock

__all__ = ["Timer", "Timers"]

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_FLAGS = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


@dataclass(slots=True)
class Timer:
    """One call in the future; without a callback it is cancelled or has fired."""

    at_ns: int
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        """Do not call."""
        self.callback = None


class Timers:
    """All timers of an event loop, on one descriptor."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[int, int, Timer]] = []
        self._numbers = itertools.count()
        self._armed_ns: int | None = None
        self._fallback: asyncio.TimerHandle | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._create()
        if self._fd >= 0:
            loop.add_reader(self._fd, self._on_expiry)

    def _create(self) -> int:
        create = getattr(self._libc, "timerfd_create", None)
        return -1 if create is None else int(create(_CLOCK_MONOTONIC, _FLAGS))

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` at a time of the monotonic clock, at once where that is over."""
        timer = Timer(at_ns, callback)
        heapq.heappush(self._heap, (at_ns, next(self._numbers), timer))
        self._arm()
        return timer

    def _arm(self) -> None:
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        if not self._heap or self._heap[0][0] == self._armed_ns:
            return
        self._armed_ns = at_ns = self._heap[0][0]
        if self._fd < 0:
            if self._fallback is not None:
                self._fallback.cancel()
            delay_s = max(0, at_ns - clock.monotonic_ns()) / 1e9
            self._fallback = self._loop.call_later(delay_s, self._fire)
            return
        # A time of zero would disarm; one that is over fires at once.
        seconds, nanoseconds = divmod(max(1, at_ns), 1_000_000_000)
        spec = _Itimerspec(_Timespec(0, 0), _Timespec(seconds, nanoseconds))
        self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None)

    def _on_expiry(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)
        self._fire()

    def _fire(self) -> None:
        self._armed_ns = None
        now_ns = clock.monotonic_ns()
        while self._heap and self._heap[0][0] <= now_ns:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
        self._arm()

    def close(self) -> None:
        """Fire nothing more."""
        self._heap.clear()
        if self._fallback is not None:
            self._fallback.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
