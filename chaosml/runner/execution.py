"""One execution: a pipeline from an empty bucket to the audit, undisturbed or struck.

    begin ─► arm ─► submit ─► loop until the workflow has ended ─► heal ─► reap ─► drain ─► audit

The loop is one thread and the only writer of the history. Whatever happens, the
faults are healed, the pods are dead and the history is closed when `run` returns.
"""

from __future__ import annotations

import dataclasses
import pathlib
import queue
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from chaosml import clock
from chaosml.artifacts.contract import Contract
from chaosml.audit import audit
from chaosml.errors import ChaosmlError, HarnessError, Interrupted
from chaosml.event import (
    Event,
    ExecutionEnded,
    ExecutionStarted,
    Fact,
    InjectionInvalid,
    IsolationChecked,
    TaskPhase,
)
from chaosml.faults.catalogue import FaultKind
from chaosml.history import HARNESS, CloseSource, Entry, HistoryWriter, OpenSource
from chaosml.plan.model import PlannedInjection
from chaosml.reports.progress import Progress
from chaosml.runner.commands import Commands
from chaosml.runner.injections import Injections
from chaosml.runner.interruption import Interruption
from chaosml.runner.programs import Host
from chaosml.runner.ways import Ways
from chaosml.services.client import Services
from chaosml.services.messages import AddPod, Answer, Begin, End, Order
from chaosml.services.sources import SOURCES
from chaosml.substrates.protocol import PodView, Submission, Substrate

__all__ = ["Execution", "Setup"]

_TELL_S = 0.5
_DRAIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that makes one execution what it is."""

    header: ExecutionStarted
    submission: Submission
    injections: Sequence[tuple[PlannedInjection, FaultKind, Any]]
    history: pathlib.Path
    contract: Contract

    @property
    def bucket(self) -> str:
        """The bucket of this execution alone."""
        return self.header.isolation["bucket"]


class _Ending:
    """Ends an execution whatever happened in it; what fails then hides nothing of that."""

    def __init__(self, close: Callable[[str, str], list[Exception]]) -> None:
        self._close = close
        self.reason = "failed"

    def __enter__(self) -> _Ending:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Interrupted):
            self.reason = "interrupted"
        problems = self._close(self.reason, "" if error is None else str(error))
        # A full disk fails every part in the same words: once is enough.
        told = list(dict.fromkeys(map(str, problems)))
        if error is not None:
            for words in told:
                if words != str(error):
                    error.add_note(words)
        elif problems:
            raise HarnessError(
                "the execution could not be ended in order: " + "; ".join(told)
            ) from problems[0]


class Execution:
    """Runs one `Setup` on a prepared substrate with running services."""

    def __init__(
        self,
        setup: Setup,
        *,
        substrate: Substrate,
        services: Services,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        interruption: Interruption,
        progress: Progress,
        ways: Ways | None = None,
        host: Host | None = None,
    ) -> None:
        self._setup = setup
        self._host = host
        self._commands = Commands(inbox, host, self.say)
        self._ways = ways or Ways()
        self._substrate = substrate
        self._services = services
        self._inbox = inbox
        self._interruption = interruption
        self._progress = progress
        self._injections = Injections(self, setup.injections)
        self._deadline = clock.Deadline("end of the workflow", setup.header.deadline_s)
        self._recording: deque[Event] = deque()
        self._busy = False
        self._now = "the first pod"
        self._told_ns = 0
        self._history = HistoryWriter(setup.history, clock.boot_id())

    @property
    def ways(self) -> Ways:
        """The proxied ways to services."""
        return self._ways

    @property
    def commands(self) -> Commands:
        """The programs of injections."""
        return self._commands

    @property
    def known(self) -> Mapping[str, str]:
        """What of the execution fills the words of programs."""
        place = None if self._host is None else self._host.place
        return {
            "bucket": self._setup.bucket,
            "context": "" if place is None else place.context,
            "namespace": "default" if place is None else place.namespace,
            "run": self._setup.header.run,
            "store": self._services.endpoints.store_url,
            "workflow": self._setup.header.workflow,
        }

    @property
    def substrate(self) -> Substrate:
        """The substrate that injections act on."""
        return self._substrate

    def run(self) -> None:
        """Execute, heal, audit.

        Raises:
            Interrupted: after healing, where the user asked for it.
            HarnessError: the environment failed; the history says so and is closed.
        """
        with _Ending(self.close) as ending:
            self._begin()
            ending.reason = self._watch()

    def close(self, reason: str, detail: str) -> list[Exception]:
        """End everything and the history; return what could not be done."""
        problems = self._end(audited=reason in {"completed", "deadline"})
        try:
            self.say(
                f"execution/{self._setup.header.execution}",
                ExecutionEnded(reason=reason, detail=detail),
            )
            self._history.close()
        except HarnessError as error:
            problems.append(error)
        return problems

    def _begin(self) -> None:
        header, setup = self._setup.header, self._setup
        self.say(f"execution/{header.execution}", header)
        for source in SOURCES:
            self._history.open_source(source)
        begin = Begin(execution=header.execution, bucket=setup.bucket, seed=header.seed)
        found = self.call(begin).objects or 0
        self.say(f"bucket/{setup.bucket}", IsolationChecked(bucket=setup.bucket, objects=found))
        if found:
            self._refuse_leftovers(found)
        self._injections.arm()
        submission = dataclasses.replace(setup.submission, announce=self.announce)
        self.record(self._substrate.submit(submission))

    def _refuse_leftovers(self, found: int) -> None:
        for plan, _, _ in self._setup.injections:
            self.say(
                f"injection/{plan.injection}",
                InjectionInvalid(
                    injection=plan.injection,
                    why="not-empty",
                    detail=f"bucket {self._setup.bucket} held {found} objects at the start",
                ),
            )

    def announce(self, pod: PodView) -> None:
        """Make a pod known to the services before its process starts."""
        self.call(AddPod(uid=pod.uid, task=pod.task, attempt=pod.attempt, node=pod.node))

    def _watch(self) -> str:
        while self._substrate.finished is None or self._injections.outlast:
            if self._deadline.passed:
                return "deadline"
            self._interruption.check()
            self._services.check()
            self._take_one(self._wait_s())
            now_ns = clock.monotonic_ns()
            self.record(self._substrate.tick(now_ns))
            self._injections.tick(now_ns)
            self._tell(now_ns)
        return "completed"

    def _wait_s(self) -> float:
        """Seconds until something is due, at most until the next word of progress."""
        times = [self._substrate.due_ns, self._injections.due_ns]
        due_ns = min((time for time in times if time is not None), default=None)
        wait_s = min(_TELL_S, self._deadline.left_s)
        if due_ns is None:
            return wait_s
        return max(0.0, min(wait_s, (due_ns - clock.monotonic_ns()) / 1e9))

    def _take_one(self, wait_s: float) -> bool:
        """Take one message of a substrate, service or signal; False if none came in time."""
        try:
            owner, message = self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get(False)
        except queue.Empty:
            return False
        entries: Iterable[Entry] = owner.handle(message)  # type: ignore[attr-defined]
        self.record(list(entries))
        return True

    def _tell(self, now_ns: int) -> None:
        if now_ns - self._told_ns >= _TELL_S * 1e9:
            self._told_ns = now_ns
            what = self._injections.waiting_for or self._now
            self._progress.waiting(what, self._deadline.left_s)

    def call(self, order: Order) -> Answer:
        """Ask the services."""
        return self._services.call(order)

    def say(self, subject: str, fact: Fact) -> None:
        """Write a fact of the harness."""
        self._react(self._history.say(subject, fact))

    def record(self, entries: Sequence[Entry]) -> None:
        """Write what a source says and let the injections react to it."""
        for entry in entries:
            event = self._history.record(entry)
            if event is not None:
                self._react(event)

    def _react(self, event: Event) -> None:
        """Let injections see events one after the other, also those that they cause themselves."""
        self._recording.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._recording:
                current = self._recording.popleft()
                if isinstance(current.data, TaskPhase):
                    self._now = _word(current.data)
                self._progress.event(self._setup.header.execution, current)
                self._injections.take(current)
        finally:
            self._busy = False

    def _end(self, *, audited: bool) -> list[Exception]:
        """Heal, end every pod, drain the services, read the store; each even if another fails."""
        problems: list[Exception] = []
        reading = (self._audit,) if audited else ()
        for part in (self._heal, self._reap, self._drain, *reading, self._lose_the_rest):
            try:
                part()
            except (ChaosmlError, ExceptionGroup) as error:
                problems.append(error)
        return problems

    def _heal(self) -> None:
        try:
            self._injections.finish()
        finally:
            self._commands.close()

    def _reap(self) -> None:
        self.record(self._substrate.finish())

    def _drain(self) -> None:
        """Take what the services have still to say about this execution, then close them."""
        closed = None
        if self._services.alive:
            closed = self._services.call(End(), timeout_s=_DRAIN_S).closed
        while self._take_one(0.0):
            pass
        self.record([CloseSource(source, last) for source, last in sorted((closed or {}).items())])
        self._services.check()

    def _lose_the_rest(self) -> None:
        for source in self._history.open_sources:
            if source != HARNESS:
                self._history.lose_source(source, "the execution ended without its last word")

    def _audit(self) -> None:
        self.record([OpenSource("audit")])
        last = 0
        for emission in audit(
            self._services.endpoints.store_url, self._setup.bucket, self._setup.contract
        ):
            self.record([emission])
            last = emission.source_seq
        self.record([CloseSource("audit", last)])


def _word(fact: TaskPhase) -> str:
    """Say where a task stands; the message of an earlier death stays on a pod that runs again."""
    waits = fact.phase == "Pending" or fact.message.startswith("Backoff")
    return f"{fact.display_name} ({fact.message if waits and fact.message else fact.phase})"
