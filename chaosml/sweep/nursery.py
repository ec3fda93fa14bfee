"""The process out of which a sweep's workers are forked, with everything loaded that they need.

    sweep ── nursery ─┬─ worker 1 ── services, kubelet
                      └─ worker 2 ── services, kubelet

Starting an interpreter and loading moto for each of them cost more than some of the states.
The nursery is forked itself, first of all: the sweep has one thread then, and holds nothing.
While the controls run it loads what only workers need.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import signal
import socket
import subprocess
import sys
from types import FrameType, TracebackType

import msgspec

from chaosml.errors import ChaosmlError, HarnessError
from chaosml.services.forked import ForkedProcess
from chaosml.services.lifeline import end_with_parent
from chaosml.sweep.worker import Assignment, Material, serve

__all__ = ["Nursery", "log_of"]

_END_S = 20.0
_ASSIGNMENT_BYTES_MAX = 1 << 20


def log_of(directory: pathlib.Path, number: int) -> pathlib.Path:
    """Return where a worker's words are."""
    return directory / f"worker-{number}.log"


class Nursery:
    """Forks workers once it is told for what; ends them with itself."""

    def __init__(self, count: int) -> None:
        """Fork it.

        Args:
            count: How many workers there can be.

        Raises:
            HarnessError: no process can be had.
        """
        self._begun = False
        pairs = [socket.socketpair() for _ in range(count + 1)]
        (self._order, order), *workers = pairs
        self.connections = [ours for ours, _ in workers]
        """One to each worker, the first to worker 1; at its end once the worker has ended."""
        theirs = [order, *(end for _, end in workers)]
        owner = os.getpid()
        try:
            self._process = ForkedProcess(
                lambda: _main(owner, *theirs),
                output=sys.stderr.fileno() if _has_descriptor() else 2,
                keep={end.fileno() for end in theirs},
            )
        except OSError as error:
            raise HarnessError(f"cannot start the process for the workers: {error}") from error
        finally:
            for end in theirs:
                end.close()

    def __enter__(self) -> Nursery:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it and every worker."""
        self.end()

    def begin(self, assignment: Assignment) -> None:
        """Let it fork workers.

        Raises:
            HarnessError: it has ended.
        """
        self._begun = True
        try:
            self._order.sendall(msgspec.json.encode(assignment) + b"\n")
        except OSError as error:
            raise HarnessError(f"the process for the workers has ended: {error}") from error

    def terminate(self) -> None:
        """Ask every worker to end in order."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)

    def end(self) -> None:
        """End it and every worker; safe to call twice."""
        if not self._begun:
            self.terminate()
        for connection in (self._order, *self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        if not self._has_ended():
            self.terminate()
        if not self._has_ended():
            # Its workers are told by the kernel.
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _has_ended(self) -> bool:
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return False
        return True


def _main(owner: int, order: socket.socket, *connections: socket.socket) -> int:
    """Live the life of the nursery."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not end_with_parent(owner, signal.SIGTERM):
        return 1
    _load()
    with order.makefile("rb") as orders:
        line = orders.readline(_ASSIGNMENT_BYTES_MAX)
    if not line:
        return 0
    assignment = msgspec.json.decode(line, type=Assignment)
    try:
        material = Material.load(assignment)
    except ChaosmlError as error:
        _write(log_of(pathlib.Path(assignment.directory), 1), f"{error}\n")
        return error.exit_code
    # What is there now is shared with every worker; the collector need not touch it.
    gc.collect()
    gc.freeze()
    return _Children(assignment, material, connections).rear()


def _load() -> None:
    """Load what only workers need."""
    from chaosml.services import process
    from chaosml.services.store_inside import application
    from chaosml.substrates.embedded.interpreters import fingerprint

    assert process
    application()
    fingerprint(pathlib.Path(sys.executable))


class _Children:
    """The workers, from their forks to their ends."""

    def __init__(
        self, assignment: Assignment, material: Material, connections: tuple[socket.socket, ...]
    ) -> None:
        self._assignment = assignment
        self._material = material
        self._connections = connections
        self._running: dict[int, tuple[int, ForkedProcess]] = {}

    def rear(self) -> int:
        """Fork the workers, wait for their ends and let each end be known."""
        signal.signal(signal.SIGTERM, self._pass_on)
        for number in range(1, self._assignment.count + 1):
            process = self._fork(number)
            self._running[process.pid] = number, process
        for connection in self._connections[self._assignment.count :]:
            connection.close()
        while self._running:
            pid, status = os.wait()
            number, _ = self._running.pop(pid)
            self._note_end(number, os.waitstatus_to_exitcode(status))
        return 0

    def _fork(self, number: int) -> ForkedProcess:
        connection = self._connections[number - 1]
        nursery = os.getpid()
        with open(self._log(number), "ab") as log:
            return ForkedProcess(
                lambda: self._live(number, nursery),
                output=log.fileno(),
                keep={connection.fileno()},
            )

    def _live(self, number: int, nursery: int) -> int:
        """Be a worker."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not end_with_parent(nursery, signal.SIGTERM):
            return 1
        with self._connections[number - 1].makefile("rwb") as connection:
            return serve(
                self._material,
                connection,
                workspace=pathlib.Path(self._assignment.workspace) / f"w{number}",
                mark=self._assignment.mark,
            )

    def _note_end(self, number: int, code: int) -> None:
        """Say how a worker ended, then close what is left of its connection."""
        if code:
            _write(self._log(number), f"worker {number} ended with {code}\n")
        self._connections[number - 1].close()

    def _log(self, number: int) -> pathlib.Path:
        return log_of(pathlib.Path(self._assignment.directory), number)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        for pid in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return False
    return True


def _write(path: pathlib.Path, words: str) -> None:
    # What cannot be said is missing in an explanation, no more.
    with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as file:
        file.write(words)
