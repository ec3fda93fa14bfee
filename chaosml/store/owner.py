"""Who runs a run directory: enough to tell its life from its death, and to clean up after it."""

from __future__ import annotations

import os
import pathlib

import msgspec

from chaosml import clock

__all__ = ["Owner", "start_of"]

_STATE, _START = 0, 19
"""Fields of `/proc/PID/stat` behind the command's name: state, start in ticks since boot."""
_DEAD = frozenset("ZXx")


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The process that runs a directory.

    A number alone says little: numbers are given out again. The start time tells
    two processes of one number apart, and the boot id two boots of one host.
    """

    pid: int
    started: int
    """In clock ticks since the host's start, as the kernel counts them."""
    boot: str
    workspace: str
    """Its private temporary folder."""
    run: str
    """The mark that its processes carry."""

    @classmethod
    def here(cls, *, workspace: pathlib.Path, run: str) -> Owner:
        """Return the owner that this process is."""
        pid = os.getpid()
        return cls(
            pid=pid,
            started=start_of(pid) or 0,
            boot=clock.boot_id(),
            workspace=str(workspace),
            run=run,
        )

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; one that nobody has reaped yet does not."""
        return self.boot == clock.boot_id() and start_of(self.pid) == self.started


def start_of(pid: int) -> int | None:
    """Return when a process started; None where there is none or it is dead."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold blanks and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in _DEAD else int(fields[_START])
