"""Ctrl-C and SIGTERM as a request that the loop sees, so that healing is never cut in two."""

from __future__ import annotations

import queue
import signal
from types import FrameType, TracebackType
from typing import Any

from chaosml.errors import Interrupted

__all__ = ["Interruption", "Wake"]


class Wake:
    """A message that only wakes the loop."""


class Interruption:
    """While entered, SIGINT and SIGTERM set a flag and wake the loop."""

    def __init__(self, inbox: queue.SimpleQueue[tuple[object, Any]]) -> None:
        self._inbox = inbox
        self._signal: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:  # Not the main thread: its owner handles signals.
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # SimpleQueue.put is reentrant, which a handler needs.
        self._signal = number
        self._inbox.put((self, Wake()))

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    def check(self) -> None:
        """Raise if a signal has come.

        Raises:
            Interrupted: SIGINT or SIGTERM was received.
        """
        if self._signal is not None:
            raise Interrupted(f"interrupted by {signal.Signals(self._signal).name}")

    def handle(self, message: object) -> tuple[()]:
        """Nothing to record: the message only wakes the loop."""
        return ()
