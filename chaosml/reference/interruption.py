"""Being asked to end: SIGTERM, or an interruption notice.

The handler only takes a note. Nothing is saved, logged or locked inside it, since
it runs between any two instructions: the state there may be half of one step and
half of the next, and a lock may be held by the code that was interrupted. The
training loop looks at the note at its step boundary.
"""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["Interruption", "finish_regardless"]


class Interruption:
    """Whether somebody asked this process to end, and why."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def request(self, reason: str) -> None:
        """Take a note; the first reason stays."""
        if self.reason is None:
            self.reason = reason

    def listen(self) -> None:
        """Take SIGTERM as such a request from now on."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.request("SIGTERM")


def finish_regardless() -> None:
    """Let SIGTERM pass: the work of this step is shorter than any grace period."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
