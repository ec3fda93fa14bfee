"""The reports of all threads in one queue, each known by the execution that it belongs to."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass

from chaosml.substrates.kubernetes.logs import LogEnded, LogLines
from chaosml.substrates.kubernetes.observer import Report
from chaosml.substrates.kubernetes.watches import Change, Failed

__all__ = ["Deed", "Mailbox"]


@dataclass(frozen=True, slots=True)
class Deed:
    """What a thread has done, to be noted by whoever drives the substrate."""

    note: Callable[[], None]


_AnyReport = Report | LogLines | LogEnded | Deed


@dataclass(frozen=True, slots=True)
class _Stamped:
    """A report with the number of its execution; None belongs to all."""

    execution: int | None
    report: _AnyReport


class Mailbox:
    """Takes reports in any thread; a late one of an execution before is dropped."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._reports: queue.SimpleQueue[_Stamped] = queue.SimpleQueue()
        self._execution = 0

    def begin(self) -> None:
        """Begin the next execution."""
        self._execution += 1

    def putter(self, *, always: bool = False) -> Callable[[_AnyReport], None]:
        """Return what takes the reports of a thread of this execution, or of all of them."""
        execution = None if always else self._execution

        def put(report: _AnyReport) -> None:
            self._reports.put(_Stamped(execution, report))
            self._wake()

        return put

    def deliverer(self, of: str, *, always: bool = False) -> Callable[[Change | Failed], None]:
        """Return what takes the changes that a watch sees."""
        put = self.putter(always=always)
        return lambda what: put(Report(of, what))

    def take(self, wait_s: float = 0.0) -> _AnyReport | None:
        """Return the next report of this execution; None where none comes in time."""
        while True:
            try:
                one = self._reports.get(timeout=wait_s) if wait_s else self._reports.get(False)
            except queue.Empty:
                return None
            if one.execution in (None, self._execution):
                return one.report
