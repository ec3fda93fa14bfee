"""Processes that a dead run left behind: found by our marks in their environment, and killed.

Only processes of our own user that carry the mark of a run, and whose owner has ended:
its process id belongs to nobody, or to a process that started at another time.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.services.lifeline import OWNER_MARK, RUN_MARK
from chaosml.store.owner import start_of
from chaosml.substrates.embedded import procfs

__all__ = ["Leftover", "leftovers", "marks", "reap"]

_OWNER_START_MARK = "CHAOSML_OWNER_START"
_REAP_S = 10.0


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process of a run whose owner has ended."""

    pid: int
    run: str
    owner: int


def marks(run: str) -> dict[str, str]:
    """Return the variables by which processes of this process's run are found."""
    owner = os.getpid()
    return {
        RUN_MARK: run,
        OWNER_MARK: str(owner),
        _OWNER_START_MARK: str(start_of(owner)),
    }


def leftovers(run: str | None = None) -> list[Leftover]:
    """Return what dead runs left, or only that of `run`."""
    found = []
    for process in procfs.processes():
        if process.ended or process.pid == os.getpid():
            continue
        leftover = _recognise(process, procfs.read_environment(process.pid))
        if leftover is not None and run in (None, leftover.run):
            found.append(leftover)
    return found


def reap(run: str | None = None) -> list[Leftover]:
    """Kill what dead runs left, or only that of `run`; return what was found.

    Raises:
        SubstrateError: some of it is still there after several seconds.
    """
    killed: dict[int, Leftover] = {}

    def gone() -> bool:
        found = leftovers(run)
        for leftover in found:
            killed[leftover.pid] = leftover
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(leftover.pid, signal.SIGKILL)
        return not found

    if not clock.wait_until(gone, clock.Deadline("end of what a dead run left", _REAP_S)):
        pids = ", ".join(str(leftover.pid) for leftover in leftovers(run))
        raise SubstrateError(f"processes of a dead run do not end: {pids}; kill them by hand")
    return list(killed.values())


def _recognise(process: procfs.Process, environment: Mapping[str, str]) -> Leftover | None:
    run, owner = environment.get(RUN_MARK), environment.get(OWNER_MARK, "")
    if run is None or not owner.isdigit() or not _is_ours(process.pid):
        return None
    marked = environment.get(_OWNER_START_MARK)
    start = start_of(int(owner))
    # Without the mark, an owner that is younger than what it owns is somebody else.
    if start is not None and (str(start) == marked if marked else start <= process.start):
        return None
    return Leftover(process.pid, run, int(owner))


def _is_ours(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.getuid()
    except OSError:
        return False
