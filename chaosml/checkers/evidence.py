"""What every checker is given, and the little that all of them say the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chaosml.artifacts.contract import Contract
from chaosml.plan.model import Plan
from chaosml.scenario.model import Scenario
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Moment
from chaosml.timeline.sources import ARGO, AUDIT, CONTROL, GATE, HARNESS, KUBELET, METADATA
from chaosml.timeline.strikes import foreign_deaths
from chaosml.verdict import EventRef, Receipt, Status, Verdict

__all__ = [
    "WAITING_FOR_CAPACITY",
    "Checker",
    "Evidence",
    "any_doubt",
    "cite",
    "infrastructure_doubt",
    "is_control",
    "unknown",
]


WAITING_FOR_CAPACITY = "waiting-for-capacity"
"""The cause where a pipeline was not slow or stuck, but had no node to run on."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A whole run, ready to be judged."""

    scenario: Scenario
    plan: Plan
    contract: Contract
    controls: tuple[Analysis, ...]
    trials: tuple[Analysis, ...]
    receipts: Mapping[str, tuple[Receipt, ...]]
    """By execution."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """Retry policy by task, for words only; absent where the caller did not say."""

    @property
    def executions(self) -> tuple[Analysis, ...]:
        """Controls first."""
        return (*self.controls, *self.trials)

    def is_valid(self, trial: Analysis) -> bool:
        """Whether every injection of the trial took effect as planned."""
        receipts = self.receipts.get(trial.name, ())
        return bool(receipts) and all(
            receipt.took_effect and receipt.why_invalid is None for receipt in receipts
        )

    def is_excluded(self, trial: Analysis) -> bool:
        """Whether the trial is known to prove nothing, so that no figure may count it.

        One that seems invalid only because lines are missing counts, as undecided.
        """
        return not self.is_valid(trial) and not any_doubt(trial)


class Checker(Protocol):
    """Decides some expectations from evidence alone: pure, and without any clock."""

    @property
    def name(self) -> str:
        """The name in reports."""

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return a verdict for each expectation that the scenario states, execution by execution.

        That something is absent may be concluded only where the sources prove absence; what
        cannot be known is UNKNOWN, never PASS.
        """


def is_control(analysis: Analysis) -> bool:
    """Whether the execution was undisturbed."""
    return analysis.name.startswith("control/")


def any_doubt(analysis: Analysis) -> str:
    """Return why anything of an execution may be missing; empty where every source is whole."""
    timeline = analysis.timeline
    training = timeline.pods_of(timeline.training_task)
    expected = (ARGO, KUBELET, CONTROL, GATE, METADATA, AUDIT)
    return (
        timeline.doubt(*sorted({*expected, *timeline.sources} - {HARNESS}))
        or timeline.doubt_of_store()
        or timeline.doubt_of_logs(training)
    )


def cite(analysis: Analysis, moment: Moment | None, says: str) -> tuple[EventRef, ...]:
    """Return the event at `moment` as evidence, or nothing where it was not seen."""
    if moment is None:
        return ()
    return (EventRef(analysis.name, moment.seq, says),)


def unknown(
    checker: str,
    expectation: str,
    execution: str | None,
    cause: str,
    message: str,
    evidence: Iterable[EventRef] = (),
) -> Verdict:
    """Return a verdict that says why it cannot be decided."""
    return Verdict(
        checker=checker,
        expectation=expectation,
        execution=execution,
        status=Status.UNKNOWN,
        cause=cause,
        message=message,
        evidence=tuple(evidence),
    )


def infrastructure_doubt(analysis: Analysis) -> str:
    """Return which pods died without us or the pipeline, so that failing proves nothing."""
    return "; ".join(f"pod {pod.uid}: {why}" for pod, why in foreign_deaths(analysis.timeline))
