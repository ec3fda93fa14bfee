"""The execution of one state: load what the crash left, let the workflow go on, audit.

    recorded prefix ─► load the bucket ─► retries and what follows ─► reap ─► drain ─► audit

The history that it leaves is one of a whole execution: recorded up to the crash, executed
from there on. Checkers see no difference but in the basis of the deaths.
"""

from __future__ import annotations

import dataclasses
import pathlib
import queue
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chaosml import clock
from chaosml.audit import observe
from chaosml.audit.observe import ContentId, Known
from chaosml.errors import ChaosmlError
from chaosml.event import Basis, ExecutionEnded, InjectionArmed, IsolationChecked
from chaosml.history import HARNESS, CloseSource, Entry, HistoryWriter, OpenSource
from chaosml.services.bucket_state import BucketLoader, BucketState
from chaosml.services.client import Services
from chaosml.services.messages import AddPod, Begin, End
from chaosml.services.sources import SOURCES
from chaosml.substrates.embedded.substrate import EmbeddedSubstrate
from chaosml.substrates.protocol import PodView, Submission
from chaosml.substrates.redaction import Redaction
from chaosml.sweep.held_bucket import HeldBucket
from chaosml.sweep.points import State
from chaosml.sweep.prefix import CRASH, Prefix
from chaosml.sweep.recording import Recording
from chaosml.sweep.resumption import ResumingController, Resumption
from chaosml.sweep.splice import Splice
from chaosml.workflow.views import View

__all__ = ["Bench", "StateExecution"]

_DRAIN_S = 15.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the executions of states share in one process."""

    substrate: EmbeddedSubstrate
    controller: ResumingController
    services: Services
    loader: BucketLoader
    inbox: queue.SimpleQueue[tuple[object, Any]]
    check: Callable[[], None]
    """Raises `Interrupted` where the work shall end."""
    known: dict[ContentId, Known] = field(default_factory=dict)
    """What audits have read of contents."""


class StateExecution:
    """Executes what follows a crash."""

    def __init__(
        self,
        bench: Bench,
        recording: Recording,
        state: State,
        *,
        view: View,
        submission: Submission,
        bucket: BucketState,
        path: pathlib.Path,
        name: str,
        deadline_s: float,
    ) -> None:
        """Prepare.

        Args:
            bench: Services, substrate and store to use.
            recording: The recorded control.
            state: What the crash left.
            view: What Argo's controller gets to see of the deaths.
            submission: The recorded workflow, with the overlay of the bench.
            bucket: The state of the store.
            path: Where the history is written.
            name: Of the execution: `state/3`.
            deadline_s: Limit for what follows the crash.
        """
        self._bench = bench
        self._recording = recording
        self._state = state
        self._view = view
        self._bucket = bucket
        self._name = name
        self._deadline = clock.Deadline("end of the workflow", deadline_s)
        self._shift_ns = clock.monotonic_ns() - state.at_ns
        self._prefix = Prefix(recording, state, view=view.value, shift_ns=self._shift_ns)
        self._submission = dataclasses.replace(
            submission,
            announce=self._announce,
            incarnations=self._prefix.incarnations(),
            recording=None,
        )
        self._history = HistoryWriter(path, clock.boot_id())
        self._splice = Splice(self._history)

    def run(self) -> str:
        """Execute; return how it ended: `completed` or `deadline`.

        Raises:
            ChaosmlError: the environment failed, or the user interrupted; the history says so.
        """
        reason = "failed"
        try:
            self._begin()
            reason = self._watch()
            self._end()
            return reason
        except ChaosmlError as error:
            self._abandon(str(error))
            raise
        finally:
            subject = f"execution/{self._name}"
            self._history.say(subject, ExecutionEnded(reason=reason, detail=""))
            self._history.close()

    def _begin(self) -> None:
        bench = self._bench
        header = msgspec.structs.replace(
            self._recording.header,
            execution=self._name,
            view=self._view.value,
            deadline_s=self._deadline.seconds,
        )
        self._history.say(f"execution/{self._name}", header)
        for source in SOURCES:
            self._history.open_source(source)
        bench.loader.load(self._bucket)
        begin = Begin(execution=self._name, bucket=self._bucket.bucket, prepared=True)
        bench.services.call(begin)
        self._say_isolation()
        self._say_crash()
        resumption = self._resumption()
        bench.controller.resumption = resumption
        self._splice.begin(self._prefix.emissions())
        entries = bench.substrate.submit(self._submission)
        self._splice.begin(
            self._prefix.phases(resumption.changes, Redaction(self._submission.secrets))
        )
        self._splice.close(self._prefix.log_sources())
        self._splice.go_on()
        self._splice.record(entries)

    def _say_isolation(self) -> None:
        found = self._recording.timeline.isolation
        objects = 0 if found is None else found.fact.objects
        self._history.say(
            f"bucket/{self._bucket.bucket}",
            IsolationChecked(bucket=self._bucket.bucket, objects=objects),
        )

    def _say_crash(self) -> None:
        """Name the crash as an injection, so that its deaths are nobody else's."""
        names = [self._recording.crashes.point(number).name for number in self._state.points]
        tasks = dict.fromkeys(pod.task for pod in self._prefix.crashed if pod.task)
        self._history.say(
            f"injection/{CRASH}",
            InjectionArmed(
                injection=CRASH,
                fault=CRASH,
                inject=CRASH,
                task=next(iter(tasks), ""),
                trigger="; ".join(names),
                exact=True,
                view=self._view.value,
                lethal=True,
            ),
            basis=Basis.INFERRED,
        )

    def _resumption(self) -> Resumption:
        names = [pod.created.fact.pod for pod in self._prefix.ended if pod.created is not None]
        return Resumption(
            course=self._recording.course,
            ended=frozenset(names),
            running=self._prefix.running(),
            view=self._view,
            crashed_ns=self._state.at_ns,
            shift_ns=self._shift_ns,
        )

    def _announce(self, pod: PodView) -> None:
        self._bench.services.call(
            AddPod(uid=pod.uid, task=pod.task, attempt=pod.attempt, node=pod.node)
        )

    def _watch(self) -> str:
        substrate = self._bench.substrate
        while substrate.finished is None:
            if self._deadline.passed:
                return "deadline"
            self._bench.check()
            self._bench.services.check()
            self._take_one(self._wait_s())
            self._splice.record(substrate.tick(clock.monotonic_ns()))
        return "completed"

    def _wait_s(self) -> float:
        wait_s = min(_POLL_S, self._deadline.left_s)
        due_ns = self._bench.substrate.due_ns
        if due_ns is None:
            return wait_s
        return max(0.0, min(wait_s, (due_ns - clock.monotonic_ns()) / 1e9))

    def _take_one(self, wait_s: float) -> bool:
        inbox = self._bench.inbox
        try:
            owner, message = inbox.get(timeout=wait_s) if wait_s else inbox.get(False)
        except queue.Empty:
            return False
        entries: Iterable[Entry] = owner.handle(message)  # type: ignore[attr-defined]
        self._splice.record(entries)
        return True

    def _end(self) -> None:
        """End every pod, take what the services have still to say, read the store."""
        self._splice.record(self._bench.substrate.finish())
        closed = self._bench.services.call(End(), timeout_s=_DRAIN_S).closed or {}
        while self._take_one(0.0):
            pass
        self._splice.record([CloseSource(source, last) for source, last in sorted(closed.items())])
        self._splice.record([OpenSource("audit")])
        last = 0
        reader = HeldBucket(self._bench.loader, self._bucket.bucket)
        for emission in observe(reader, self._recording.contract, known=self._bench.known):
            self._splice.record([emission])
            last = emission.source_seq
        self._splice.record([CloseSource("audit", last)])

    def _abandon(self, why: str) -> None:
        """Leave nothing running; what was not said is lost."""
        self._splice.record(self._bench.substrate.finish())
        for source in self._history.open_sources:
            if source != HARNESS:
                self._history.lose_source(source, f"the execution failed: {why}")
