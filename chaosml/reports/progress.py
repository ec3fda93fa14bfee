"""What a run tells while it goes on, to whoever shows it."""

from __future__ import annotations

import pathlib
from typing import Protocol

from chaosml.event import Event
from chaosml.plan.model import Plan
from chaosml.scenario.model import Scenario
from chaosml.verdict import ExecutionSummary, Judgement

__all__ = ["Progress", "Silence"]


class Progress(Protocol):
    """Is told of the life of a run, from the main thread; must return at once and never raise."""

    def run_started(self, scenario: Scenario, plan: Plan, directory: pathlib.Path) -> None:
        """The run directory exists; `plan` is what will happen."""

    def execution_started(self, execution: str, case: str | None, deadline_s: float) -> None:
        """`control/1` or `trial/3` begins; it ends after `deadline_s` at the latest."""

    def event(self, execution: str, event: Event) -> None:
        """An event was written to the history."""

    def waiting(self, what: str, left_s: float) -> None:
        """The run waits for `what`, at most `left_s` more seconds; called about twice a second."""

    def execution_ended(self, execution: str, summary: ExecutionSummary | None) -> None:
        """The execution is over; `summary` is what its own history says (None: it broke)."""

    def judged(self, judgement: Judgement, directory: pathlib.Path) -> None:
        """The verdicts are there and the reports are written."""

    def notice(self, message: str) -> None:
        """Something a person should know, such as the healing of an earlier run."""

    def close(self) -> None:
        """Nothing follows; the terminal must be usable again."""


class Silence:
    """Shows nothing."""

    def run_started(self, scenario: Scenario, plan: Plan, directory: pathlib.Path) -> None:
        """Show nothing."""

    def execution_started(self, execution: str, case: str | None, deadline_s: float) -> None:
        """Show nothing."""

    def event(self, execution: str, event: Event) -> None:
        """Show nothing."""

    def waiting(self, what: str, left_s: float) -> None:
        """Show nothing."""

    def execution_ended(self, execution: str, summary: ExecutionSummary | None) -> None:
        """Show nothing."""

    def judged(self, judgement: Judgement, directory: pathlib.Path) -> None:
        """Show nothing."""

    def notice(self, message: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""
