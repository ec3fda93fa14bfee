"""Where a run stands, from what the runner tells: the words that every live display shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from chaosml import clock
from chaosml.event import (
    ClaimStep,
    Event,
    HoldStarted,
    InjectionApplied,
    InjectionInvalid,
    NoticeVisible,
    PodGone,
    TaskPhase,
)
from chaosml.plan.model import Plan
from chaosml.reports.wording import duration, printable, share, steps
from chaosml.verdict import ExecutionSummary
from chaosml.workflow.views import View

__all__ = ["Course", "describe_end", "describe_event", "describe_strike"]

_EVENT_WIDTH_MAX = 240
_MINUTE_S = 60
_END_MEASURES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "mttr_s": ("MTTR", duration),
    "lost_steps": ("lost steps", steps),
    "stall_s": ("longest stall", duration),
    "throughput_recovery_s": ("rate back after", duration),
    "waste": ("waste", share),
}
_ENDED = frozenset({"Succeeded", "Failed", "Error", "Skipped", "Omitted"})


@dataclass(slots=True)
class Course:
    """The execution that runs and what was last heard of it."""

    total: int = 0
    number: int = 0
    execution: str = ""
    case: str | None = None
    task: str = ""
    step: int | None = None
    waiting_for: str = ""
    left_s: float = 0.0
    _started_ns: int = field(default_factory=clock.monotonic_ns)

    def plan(self, plan: Plan) -> None:
        """Take note of what will happen."""
        self.total = plan.controls + len(plan.trials)

    def begin(self, execution: str, case: str | None, deadline_s: float) -> None:
        """An execution starts; one that was not planned makes the run longer."""
        self.number += 1
        self.total = max(self.total, self.number)
        self.execution, self.case = execution, case
        self.task, self.step = "", None
        self.waiting_for, self.left_s = "the first pod", deadline_s
        self._started_ns = clock.monotonic_ns()

    def take(self, event: Event) -> None:
        """Learn task and step from an event."""
        fact = event.data
        if isinstance(fact, TaskPhase) and fact.task and fact.attempt is not None:
            if fact.phase not in _ENDED and self.task != fact.task:
                self.task, self.step = fact.task, None
        elif isinstance(fact, ClaimStep):
            self.step = fact.step

    def wait(self, what: str, left_s: float) -> None:
        """Take note of what the run waits for."""
        self.waiting_for, self.left_s = what, left_s

    @property
    def title(self) -> str:
        """Which execution this is: `[3/6] trial/1, noticed`."""
        what = "undisturbed" if self.case is None else self.case
        return printable(f"[{self.number}/{self.total}] {self.execution}, {what}")

    @property
    def position(self) -> str:
        """Where the pipeline stands: `train at step 61`; empty before the first task."""
        if not self.task:
            return ""
        at = "" if self.step is None else f" at step {self.step}"
        return printable(f"{self.task}{at}")

    @property
    def patience(self) -> str:
        """What is being waited for, since when, and for how long at the most."""
        gone_s = (clock.monotonic_ns() - self._started_ns) / 1e9
        return printable(
            f"waiting for {self.waiting_for}; {_whole(gone_s)} gone, "
            f"at most {_whole(self.left_s)} left"
        )


def _whole(seconds: float) -> str:
    """Return a duration that changes once a second at the most."""
    return f"{seconds:.0f} s" if seconds < _MINUTE_S else duration(seconds)


def describe_strike(event: Event) -> str | None:
    """Return what a fault just did, for people; None for every other event."""
    match event.data:
        case HoldStarted(place=place):
            return printable(f"held at {place}")
        case InjectionApplied(injection=injection, action=action, target=target):
            return printable(f"{injection}: {action} {target}")
        case InjectionInvalid(injection=injection, why=why):
            return printable(f"{injection} is INVALID: {why}")
        case NoticeVisible(node=node):
            return printable(f"notice visible on {node}")
        case PodGone(view=view) if view != View.SEEN:
            # `seen` is also how a pod ends that nobody disturbed.
            return f"pod gone, seen as {printable(view)}"
    return None


def describe_event(event: Event) -> str:
    """Return an event as one line: kind, subject, and what it says."""
    facts = msgspec.to_builtins(event.data)
    kind = facts.pop("kind")
    words = " ".join(f"{name}={value}" for name, value in facts.items())
    line = printable(f"{event.seq} {event.source} {kind} {event.subject} {words}")
    return line if len(line) <= _EVENT_WIDTH_MAX else line[: _EVENT_WIDTH_MAX - 1] + "…"


def describe_end(execution: str, summary: ExecutionSummary | None) -> str:
    """Return how an execution ended, with its figures."""
    if summary is None:
        return printable(f"{execution}: broke off")
    words = [summary.phase or "did not end", duration(summary.wall_s)]
    words += [
        f"struck at {receipt.actual_place}" if receipt.why_invalid is None else receipt.why_invalid
        for receipt in summary.receipts
    ]
    for name, (label, write) in _END_MEASURES.items():
        value = summary.measures.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            words.append(f"{label} {write(value)}")
    verdict = "" if summary.valid else "INVALID, "
    return printable(f"{execution}: {verdict}{', '.join(words)}")
