"""Kernel pipes through which bytes pass from socket to socket without being copied to us.

An untouched link moves with `splice`, which takes less than half the processor time of
reading and writing. A pipe is only needed while bytes are in it, so idle connections hold none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass

__all__ = ["PIPE_BYTES", "Pipe", "Pipes"]

PIPE_BYTES = 1 << 20
_SPARE_MAX = 16


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe that never blocks."""

    read_fd: int
    write_fd: int

    def close(self) -> None:
        """Close both ends, whatever is in it."""
        os.close(self.read_fd)
        os.close(self.write_fd)


class Pipes:
    """Makes pipes and keeps some empty ones."""

    def __init__(self) -> None:
        self._spare: list[Pipe] = []

    def take(self) -> Pipe | None:
        """Return an empty pipe, or None where the system gives no more."""
        if self._spare:
            return self._spare.pop()
        if not hasattr(os, "splice"):
            return None
        try:
            pipe = Pipe(*os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return None
        with contextlib.suppress(OSError):
            # What the system allows one user may be used up; a small pipe is as good, but slower.
            fcntl.fcntl(pipe.write_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return pipe

    def give(self, pipe: Pipe) -> None:
        """Take back an empty pipe."""
        if len(self._spare) < _SPARE_MAX:
            self._spare.append(pipe)
        else:
            pipe.close()

    def close(self) -> None:
        """Close the spare ones."""
        while self._spare:
            self._spare.pop().close()
