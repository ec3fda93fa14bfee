"""Facts about processes, from `/proc`, and the two process attributes that only prctl sets."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "Process",
    "become_subreaper",
    "die_with_parent",
    "find_descendants",
    "kill_orphans",
    "processes",
    "read_environment",
    "read_process",
    "reap_children",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Process:
    """A process as its `stat` shows it."""

    pid: int
    parent: int
    group: int
    state: str
    start: int
    """Start time in clock ticks since boot: with the pid it names a process for good."""

    @property
    def ended(self) -> bool:
        """Whether only its exit status is left."""
        return self.state in "ZX"


def become_subreaper() -> None:
    """Let descendants that lose their parent become children of this process.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: signal.Signals) -> None:
    """Get this signal when the thread that started this process ends; survives exec.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


def read_process(pid: int) -> Process | None:
    """Return the process, or None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in parentheses may itself hold parentheses and spaces.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Process(pid, int(fields[1]), int(fields[2]), fields[0].decode(), int(fields[19]))


def processes() -> Iterator[Process]:
    """Yield every process that can be seen."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            process = read_process(int(name))
            if process is not None:
                yield process


def find_descendants(ancestor: int) -> list[Process]:
    """Return the processes below `ancestor`, parents before children."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [ancestor]
    while waiting:
        below = children.pop(waiting.pop(), [])
        found += below
        waiting += [process.pid for process in below]
    return found


def read_environment(pid: int) -> dict[str, str]:
    """Return the environment that a process started with; empty where it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = os.fsdecode(file.read())
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in text.split("\0") if entry)
    return {name: value for name, _, value in pairs}


def kill_orphans(expected: set[int]) -> None:
    """Kill this process's children, with all below them, that are not `expected`."""
    for process in find_descendants(os.getpid()):
        if process.parent == os.getpid() and process.pid not in expected:
            _kill_tree(process.pid)


def _kill_tree(pid: int) -> None:
    for descendant in [pid, *(process.pid for process in find_descendants(pid))]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(descendant, signal.SIGKILL)


def reap_children(*, kill: bool) -> bool:
    """Reap what has ended and, where wanted, kill the rest; return whether anything is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    if kill:
        for process in find_descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    return True
