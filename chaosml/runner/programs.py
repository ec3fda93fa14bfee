"""Programs of the user's, started and ended: with a limit, in a process group of their own.

What a program leaves running is found by a mark in its environment, and so is ended
whatever group or session it has made itself.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from chaosml import clock
from chaosml.faults.program import Program
from chaosml.store.owner import Place
from chaosml.substrates.embedded import procfs
from chaosml.substrates.redaction import Redaction

__all__ = [
    "INJECTION_MARK",
    "Ended",
    "Host",
    "Running",
    "end_stragglers",
    "environment_of",
    "run_program",
]

INJECTION_MARK = "CHAOSML_INJECTION"
"""Carried by whatever a program of an injection starts."""
_GENERAL = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "TMPDIR")
"""What every program gets of the harness's environment."""
_OUTPUT_BYTES_MAX = 65_536
_SAID_BYTES_MAX = 2_000
_TERMINATION_S = 1.0
_END_S = 5.0
_READ_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where the programs of a run are started."""

    folder: pathlib.Path
    """Their working directory: that of the scenario."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Variables by which processes of the run are found."""
    place: Place | None = None
    """The cluster of the run; None if embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    outcome: str
    """`done`, or why not: `not-started`, `failed`, `timeout`, `ended` (by us, too early)."""
    exit_code: int | None = None
    output: bytes = b""
    """What it wrote to stdout, as far as it is kept."""
    whole: bool = True
    """Whether that is all of it."""
    detail: str = ""
    """The end of what it wrote to stderr, or what was wrong; without the values of secrets."""


class _Kept:
    """Reads a stream to its end and keeps the begin, or the end, of it."""

    def __init__(self, stream: IO[bytes], limit: int, *, tail: bool = False) -> None:
        self.content = b""
        self.whole = True
        self._stream, self._limit, self._tail = stream, limit, tail
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # A stream that was closed under it ends like any other.
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._stream.fileno(), _OUTPUT_BYTES_MAX):
                both = self.content + chunk
                self.whole = self.whole and len(both) <= self._limit
                self.content = both[-self._limit :] if self._tail else both[: self._limit]

    def end(self) -> bytes:
        """Return what was kept; who inherited the stream may keep it open for longer."""
        self._thread.join(_READ_S)
        return self.content


class Running:
    """At most one running program, which another thread may end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.stopped = threading.Event()

    def start(
        self, program: Program, environment: Mapping[str, str], folder: pathlib.Path
    ) -> subprocess.Popen[bytes] | None:
        """Start a program; None where it was stopped before.

        Raises:
            OSError: it cannot be started.
            ValueError: its words cannot be those of a program.
        """
        with self._lock:
            if self.stopped.is_set():
                return None
            self._process = subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
            return self._process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask the whole group to end, then kill it."""
        for number, wait_s in ((signal.SIGTERM, _TERMINATION_S), (signal.SIGKILL, _END_S)):
            with self._lock:
                # One that is reaped has no group that would be known to be its own.
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait_s)
                return

    def stop(self) -> None:
        """End what runs, and let nothing more be started."""
        self.stopped.set()
        with self._lock:
            process = self._process
        if process is not None and process.poll() is None:
            self.end(process)


def run_program(
    program: Program,
    environment: Mapping[str, str],
    folder: pathlib.Path,
    *,
    hide: Redaction,
    running: Running | None = None,
) -> Ended:
    """Run a program to its end, or to the end of its time.

    Args:
        program: What.
        environment: All of its environment.
        folder: Its working directory.
        hide: Blots the values of secrets out of what it says.
        running: By which another thread can end it.
    """
    running = running or Running()
    missing = [name for name in program.environment if name not in environment]
    if missing:
        words = f"the environment variable {missing[0]} is not set"
        return Ended(outcome="not-started", detail=words)
    try:
        process = running.start(program, environment, folder)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        return Ended(outcome="not-started", detail=f"{program.argv[0]}: {said}")
    if process is None or process.stdout is None or process.stderr is None:
        return Ended(outcome="ended", detail="the injection was over before it started")
    output = _Kept(process.stdout, _OUTPUT_BYTES_MAX)
    said_to = _Kept(process.stderr, _SAID_BYTES_MAX, tail=True)
    outcome = _await(process, program.timeout_s, running)
    ended = Ended(
        outcome=outcome,
        exit_code=process.returncode,
        output=output.end(),
        whole=output.whole,
        detail=_detail(outcome, program, hide.hide(_text(said_to.end()))),
    )
    for stream in (process.stdout, process.stderr):
        stream.close()
    return ended


def _await(process: subprocess.Popen[bytes], timeout_s: float, running: Running) -> str:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        running.end(process)
        return "timeout"
    if running.stopped.is_set():
        return "ended"
    return "done" if process.returncode == 0 else "failed"


def _detail(outcome: str, program: Program, said: str) -> str:
    if outcome == "timeout":
        return f"no end within {program.timeout_s:g} s" + (f"; it said: {said}" if said else "")
    return said


def _text(raw: bytes) -> str:
    return " ".join(raw.decode(errors="replace").split())[-500:]


def environment_of(names: Sequence[str], host: Host, injection: str) -> dict[str, str]:
    """Return all of a program's environment: little of ours, what was named, and our marks."""
    wanted = (*_GENERAL, *names)
    given = {name: os.environ[name] for name in wanted if name in os.environ}
    return {**given, **host.marks, INJECTION_MARK: injection}


def end_stragglers(marks: Mapping[str, str]) -> None:
    """Kill every process that carries these variables; what does not end in time is left."""

    def gone() -> bool:
        found = [
            process.pid
            for process in procfs.processes()
            if not process.ended and _carries(process.pid, marks)
        ]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return not found

    clock.wait_until(gone, clock.Deadline("end of what a program left running", _END_S))


def _carries(pid: int, marks: Mapping[str, str]) -> bool:
    environment = procfs.read_environment(pid)
    return all(environment.get(name) == value for name, value in marks.items())
