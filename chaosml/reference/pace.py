"""A minimum time for every step: a training on small data must last long enough to be struck."""

from __future__ import annotations

import time

__all__ = ["Pace"]


class Pace:
    """Keeps the beginnings of steps at least `step_s` apart."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._due = time.monotonic()

    def wait(self) -> None:
        """Wait until the next step may begin."""
        left_s = self._due - time.monotonic()
        # Even a sleep of no time gives the processor away.
        if left_s > 0:
            time.sleep(left_s)
        self._due = time.monotonic() + self._step_s
