"""Who runs a run directory: enough to tell its life from its death, and to clean up after it."""

from __future__ import annotations

import os
import pathlib

import msgspec

from chaosml import clock

__all__ = ["Owner", "Place", "Process", "start_of"]

_STATE, _START = 0, 19
"""Fields of `/proc/PID/stat` behind the command's name: state, start in ticks since boot."""
_DEAD = frozenset("ZXx")


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process of one host.

    A number alone says little: numbers are given out again. The start time tells
    two processes of one number apart, the boot id two boots and two hosts, and the
    pid namespace two containers of one host.
    """

    pid: int
    started: int
    """In clock ticks since the host's start, as the kernel counts them."""
    boot: str
    numbering: int = 0
    """The pid namespace that `pid` counts in; 0 where it is not known."""

    @classmethod
    def current(cls) -> Process:
        """Return this process."""
        pid = os.getpid()
        return Process(
            pid=pid, started=start_of(pid) or 0, boot=clock.boot_id(), numbering=_numbering()
        )

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs; one that nobody has reaped yet does not."""
        return self.boot == clock.boot_id() and start_of(self.pid) == self.started

    @property
    def is_provably_dead(self) -> bool:
        """Whether it ran here, as far as numbers mean the same, and is gone."""
        ran_here = self.boot == clock.boot_id() and self.numbering == _numbering() != 0
        return ran_here and start_of(self.pid) != self.started


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in which cluster a run happens."""

    on: str
    """`kind` or `cluster`."""
    context: str
    namespace: str
    cluster: str | None = None
    """Name of the kind cluster."""

    def __str__(self) -> str:
        return f"namespace {self.namespace} of context {self.context}"


class Owner(Process, frozen=True, kw_only=True):
    """The process that runs a directory, and where it left its traces."""

    workspace: str
    """Its private temporary folder."""
    run: str
    """The mark that its processes and objects carry."""
    place: Place | None = None
    """Where it runs, unless embedded."""

    @classmethod
    def here(cls, *, workspace: pathlib.Path, run: str, place: Place | None = None) -> Owner:
        """Return the owner that this process is."""
        process = Process.current()
        return cls(
            pid=process.pid,
            started=process.started,
            boot=process.boot,
            numbering=process.numbering,
            workspace=str(workspace),
            run=run,
            place=place,
        )


def _numbering() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def start_of(pid: int) -> int | None:
    """Return when a process started; None where there is none or it is dead."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may hold blanks and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[_STATE] in _DEAD else int(fields[_START])
