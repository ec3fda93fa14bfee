"""What a caller asks of a sweep and what it gets back."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from chaosml.sweep.result import SweepReport
from chaosml.workflow.views import View

__all__ = ["SweepOptions", "SweepResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """Choices that only a sweep has."""

    point: int | None = None
    """Only the states of this point."""
    sample: int | None = None
    """Only so many points, chosen by the seed."""
    views: tuple[View, ...] = (View.RESTARTED,)
    """What Argo's controller gets to see of the crash. Restarted: the same attempt gets a new
    pod, whatever the retry policy is, so that the store decides and nothing else."""
    kills: int = 0
    """Points at which a real kill is held against the built state."""
    workers: int | None = None
    """Executions side by side; default: three for two processors that this process may use."""
    resume: pathlib.Path | None = None
    """A sweep that was cut short: what it has tested is not tested again."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The report of a sweep and where everything lies."""

    report: SweepReport
    directory: pathlib.Path
