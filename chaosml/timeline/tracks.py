"""The claims of one pod while the history streams past.

The first rank speaks for the attempt: in data-parallel training every rank does
the same steps, and the first one writes the checkpoints. A process starts a new
segment, and so does every restore.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaosml import event as facts
from chaosml.event import Event
from chaosml.timeline.ledger import Segment, StepLedger
from chaosml.timeline.model import Claims
from chaosml.timeline.moment import Moment, Seen

__all__ = ["Track"]

_LEAD = 0


@dataclass(slots=True)
class _OpenSegment:
    """A segment that may still grow."""

    pid: int
    first_row: int
    began: Moment
    ended: Moment
    restore: Seen[facts.ClaimRestore] | None = None

    def freeze(self, last_row: int) -> Segment:
        """Return the finished segment."""
        restore = None if self.restore is None else self.restore.fact
        return Segment(
            pid=self.pid,
            restore_step=None if restore is None else restore.step,
            restore_key=None if restore is None else restore.key,
            restore_digest=None if restore is None else restore.digest,
            restored=None if self.restore is None else self.restore.at,
            began=self.began,
            ended=self.ended,
            first_row=self.first_row,
            last_row=last_row,
        )


class Track:
    """Takes the claims of a pod in the order of its log."""

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self._ledger = StepLedger()
        self._closed: list[Segment] = []
        self._open: _OpenSegment | None = None
        self._next: dict[tuple[int, int], int] = {}
        self._pid = -1
        self._expected = 1
        self._lines_lost = False
        self._ready: list[Seen[facts.ClaimReady]] = []
        self._checkpoints: list[Seen[facts.ClaimCheckpoint]] = []
        self._publishes: list[Seen[facts.ClaimPublish]] = []
        self._registers: list[Seen[facts.ClaimRegister]] = []
        self._done: list[Seen[facts.ClaimDone]] = []

    def take_step(self, event: Event, claim: facts.ClaimStep) -> None:
        """Take a completed step; most of a history is these."""
        if claim.pid == self._pid and claim.n == self._expected and claim.rank == _LEAD:
            self._expected += 1
        elif not self._follow(claim.pid, claim.rank, claim.n, event):
            return
        self._ledger.append(event, claim)

    def take(self, event: Event) -> None:
        """Take any other claim."""
        claim = event.data
        if not isinstance(
            claim,
            facts.ClaimReady
            | facts.ClaimRestore
            | facts.ClaimCheckpoint
            | facts.ClaimPublish
            | facts.ClaimRegister
            | facts.ClaimDone
            | facts.ClaimPoint,
        ):
            return
        if not self._follow(claim.pid, claim.rank, claim.n, event):
            return
        at, number = _moment(event), event.source_seq
        match claim:
            case facts.ClaimReady():
                self._ready.append(Seen(claim, at, number))
            case facts.ClaimRestore():
                self._restore(Seen(claim, at, number))
            case facts.ClaimCheckpoint():
                self._checkpoints.append(Seen(claim, at, number))
            case facts.ClaimPublish():
                self._publishes.append(Seen(claim, at, number))
            case facts.ClaimRegister():
                self._registers.append(Seen(claim, at, number))
            case facts.ClaimDone():
                self._done.append(Seen(claim, at, number))

    def _follow(self, pid: int, rank: int, n: int, event: Event) -> bool:
        """Check the probe's own number; return whether the line is of the lead.

        Number 1 is a new process even if the pid is known: `exec` keeps the pid.
        """
        expected = self._next.get((pid, rank), 1)
        if pid == self._pid and rank == _LEAD:
            expected = self._expected
        if n not in (1, expected):
            self._lines_lost = True
        if rank != _LEAD:
            self._next[(pid, rank)] = n + 1
            return False
        if pid != self._pid or (n == 1 and expected != 1):
            self._next[(self._pid, _LEAD)] = self._expected
            self._begin(pid, _moment(event))
        self._expected = n + 1
        if self._open is not None:
            self._open.ended = _moment(event)
        return True

    def _begin(self, pid: int, at: Moment) -> None:
        self._close()
        self._pid = pid
        self._open = _OpenSegment(pid=pid, first_row=len(self._ledger), began=at, ended=at)

    def _restore(self, restore: Seen[facts.ClaimRestore]) -> None:
        current = self._open
        if current is None:
            return
        if current.restore is not None or len(self._ledger) > current.first_row:
            self._begin(self._pid, restore.at)
            current = self._open
        if current is not None:
            current.restore = restore

    def _close(self) -> None:
        if self._open is None:
            return
        last_row = len(self._ledger)
        segment = self._open.freeze(last_row)
        if last_row > segment.first_row:
            last = self._ledger.moment(last_row - 1)
            if last.earliest_ns > segment.ended.earliest_ns:
                self._open.ended = last
                segment = self._open.freeze(last_row)
        self._closed.append(segment)

    def freeze(self) -> Claims:
        """Return what the pod said."""
        self._close()
        self._open = None
        return Claims(
            uid=self.uid,
            ledger=self._ledger,
            segments=tuple(self._closed),
            ready=tuple(self._ready),
            checkpoints=tuple(self._checkpoints),
            publishes=tuple(self._publishes),
            registers=tuple(self._registers),
            done=tuple(self._done),
            lines_lost=self._lines_lost,
        )


def _moment(event: Event) -> Moment:
    return Moment(event.earliest_ns, event.latest_ns, event.seq)
