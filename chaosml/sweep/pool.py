"""Workers that execute states side by side, each with a store and pods of its own."""

from __future__ import annotations

import contextlib
import io
import pathlib
import queue
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml.errors import HarnessError
from chaosml.runner.interruption import Interruption
from chaosml.sweep.nursery import Nursery, log_of
from chaosml.sweep.result import StateResult
from chaosml.sweep.worker import Assignment, Task
from chaosml.verdict import Status

__all__ = ["Pool"]

_END_S = 20.0
_LOG_CHARACTERS = 600
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class _Left:
    """A worker has ended; `why` is empty where it had nothing more to do."""

    why: str


class Pool:
    """Hands states to workers and takes their results, in the order in which they come."""

    def __init__(self, nursery: Nursery, assignment: Assignment) -> None:
        """Prepare.

        Args:
            nursery: Has the workers.
            assignment: What they are told.
        """
        self._nursery = nursery
        self._assignment = assignment
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
        self._stopped = False

    def run(self, tasks: Sequence[Task]) -> Iterator[StateResult]:
        """Yield a result for every state; one whose worker died is UNKNOWN.

        Raises:
            Interrupted: the user wants no more; every worker has ended.
            HarnessError: no worker is left, and states are.
        """
        if not tasks:
            return
        self._tasks.extend(tasks)
        count = self._assignment.count
        self._nursery.begin(self._assignment)
        threads = [
            threading.Thread(target=self._serve, args=(number,), name=f"worker-{number}")
            for number in range(1, count + 1)
        ]
        with Interruption(self._inbox) as interruption:
            for thread in threads:
                thread.start()
            complete = False
            try:
                yield from self._results(len(tasks), count, interruption)
                complete = True
            finally:
                if not complete:
                    self._nursery.terminate()
                self._end(threads)

    def _results(
        self, wanted: int, workers: int, interruption: Interruption
    ) -> Iterator[StateResult]:
        while wanted:
            interruption.check()
            try:
                _, message = self._inbox.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            match message:
                case StateResult():
                    wanted -= 1
                    yield message
                case _Left(why):
                    workers -= 1
                    if wanted and not workers:
                        raise HarnessError(f"no worker is left for {wanted} states: {why}")

    def _serve(self, number: int) -> None:
        """Live with one worker from its start to its end; runs in a thread of its own."""
        try:
            with self._nursery.connections[number - 1].makefile("rwb") as connection:
                why = self._drive(number, connection)
        except OSError as error:
            why = f"worker {number}: {error}"
        self._inbox.put((self, _Left(why)))

    def _drive(self, number: int, connection: io.BufferedRWPair) -> str:
        """Hand out tasks until there are no more; return why the worker ended before."""
        while (task := self._take()) is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.write(msgspec.json.encode(task) + b"\n")
                connection.flush()
            line = _answer(connection)
            if not line:
                why = self._explain(number)
                self._inbox.put((self, _lost(task, why)))
                return why
            self._inbox.put((self, msgspec.json.decode(line, type=StateResult)))
        self._nursery.connections[number - 1].shutdown(socket.SHUT_WR)
        # It ends everything that it started before its connection closes.
        _answer(connection)
        return ""

    def _take(self) -> Task | None:
        with self._lock:
            return None if self._stopped or not self._tasks else self._tasks.popleft()

    def _explain(self, number: int) -> str:
        path = log_of(pathlib.Path(self._assignment.directory), number)
        try:
            said = path.read_text(errors="replace").strip()
        except OSError:
            said = ""
        return said[-_LOG_CHARACTERS:] or f"worker {number} ended and said nothing"

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        with self._lock:
            self._stopped = True
            self._tasks.clear()
        for thread in threads:
            thread.join(_END_S)
        self._nursery.end()


def _answer(connection: io.BufferedRWPair) -> bytes:
    """Return the next line; nothing at the end, however it came."""
    try:
        return connection.readline()
    except ConnectionError:
        return b""


def _lost(task: Task, why: str) -> StateResult:
    return StateResult(
        state=task.state,
        view=task.view,
        status=Status.UNKNOWN,
        problem=f"could not be executed: {why}",
    )
