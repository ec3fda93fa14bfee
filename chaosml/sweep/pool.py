"""Workers that execute states side by side, each with a store and pods of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml.errors import HarnessError
from chaosml.runner.interruption import Interruption
from chaosml.services.lifeline import OWNER_MARK, RUN_MARK
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

    def __init__(self, assignment: Assignment, *, count: int, logs: pathlib.Path) -> None:
        """Prepare.

        Args:
            assignment: What every worker is told; each gets a workspace of its own below.
            count: How many workers.
            logs: Folder for what they print.
        """
        self._assignment = assignment
        self._count = count
        self._logs = logs
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
        self._stopped = False

    def run(self, tasks: Sequence[Task]) -> Iterator[StateResult]:
        """Yield a result for every state; one whose worker died is UNKNOWN.

        Raises:
            Interrupted: the user wants no more; every worker has ended.
            HarnessError: no worker is left, and states are.
        """
        self._tasks.extend(tasks)
        count = min(self._count, len(tasks))
        threads = [
            threading.Thread(target=self._serve, args=(number,), name=f"worker-{number}")
            for number in range(1, count + 1)
        ]
        with Interruption(self._inbox) as interruption:
            for thread in threads:
                thread.start()
            try:
                yield from self._results(len(tasks), count, interruption)
            finally:
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
        why = ""
        try:
            with open(self._logs / f"worker-{number}.log", "ab") as log:
                why = self._drive(number, log.fileno())
        except OSError as error:
            why = f"worker {number}: {error}"
        self._inbox.put((self, _Left(why)))

    def _drive(self, number: int, log: int) -> str:
        process = self._start(log)
        assert process.stdin is not None
        assert process.stdout is not None
        workspace = f"{self._assignment.workspace}/w{number}"
        told = msgspec.structs.replace(self._assignment, workspace=workspace)
        why = ""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(told) + b"\n")
            while (task := self._take()) is not None:
                process.stdin.write(msgspec.json.encode(task) + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    why = self._explain(number, process)
                    self._inbox.put((self, _lost(task, why)))
                    break
                self._inbox.put((self, msgspec.json.decode(line, type=StateResult)))
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()
        process.stdout.close()
        return why

    def _start(self, log: int) -> subprocess.Popen[bytes]:
        marks = {RUN_MARK: self._assignment.mark, OWNER_MARK: str(self._assignment.owner_pid)}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "chaosml.sweep.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | marks,
            # Ctrl-C is for the sweep, which ends its workers in order.
            start_new_session=True,
        )
        with self._lock:
            self._processes.append(process)
            if self._stopped:
                process.terminate()
        return process

    def _take(self) -> Task | None:
        with self._lock:
            return None if self._stopped or not self._tasks else self._tasks.popleft()

    def _explain(self, number: int, process: subprocess.Popen[bytes]) -> str:
        code = process.wait()
        try:
            said = (self._logs / f"worker-{number}.log").read_text(errors="replace").strip()
        except OSError:
            said = ""
        words = f"worker {number} ended with {code}"
        return f"{words}: {said[-_LOG_CHARACTERS:]}" if said else words

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        with self._lock:
            self._stopped = True
            self._tasks.clear()
            running = list(self._processes)
        if any(thread.is_alive() for thread in threads):
            for process in running:
                if process.poll() is None:
                    process.terminate()
        for thread in threads:
            thread.join(_END_S)
        for process in running:
            if process.poll() is None:
                process.kill()


def _lost(task: Task, why: str) -> StateResult:
    return StateResult(
        state=task.state,
        view=task.view,
        status=Status.UNKNOWN,
        problem=f"could not be executed: {why}",
    )
