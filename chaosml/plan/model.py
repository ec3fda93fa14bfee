"""What a run will do, fixed before anything starts: `plan.json`.

Two plans from the same scenario and seed are byte-equal.
"""

from __future__ import annotations

import msgspec

__all__ = ["Case", "Option", "Place", "Plan", "PlannedInjection", "PlannedTrial"]

Option = str | int | float | bool | None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a strike happens, in the pipeline's own terms.

    `kind` is one of
    `step`: the probe says step `step`;
    `event`: the probe says `event` (and `name`, `step`, `phase` where given), the `nth` time;
    `object`: the gate sees `operation` on a key that matches `key`, `when` before or after;
    `after`: `after_s` seconds after the attempt's start (approximate);
    `pod`: the attempt's pod is `running` (approximate).
    """

    kind: str
    step: int | None = None
    event: str | None = None
    phase: str | None = None
    name: str | None = None
    when: str | None = None
    operation: str | None = None
    key: str | None = None
    nth: int = 1
    after_s: float | None = None

    @property
    def exact(self) -> bool:
        """Whether the place is armed where it happens."""
        return self.kind in {"step", "event", "object"}

    @property
    def words(self) -> str:
        """The place as people and `HoldStarted.place` say it."""
        again = f" (time {self.nth})" if self.nth > 1 else ""
        match self.kind:
            case "step":
                return f"step {self.step}"
            case "event":
                parts = [self.event, self.phase, self.name]
                step = None if self.step is None else f"of step {self.step}"
                return " ".join(part for part in [*parts, step] if part) + again
            case "object":
                return f"{self.when} {self.operation} {self.key}{again}"
            case "after":
                return f"{self.after_s:g}s after start"
            case _:
                return "pod running"


class PlannedInjection(msgspec.Struct, frozen=True, kw_only=True):
    """One application of a fault."""

    injection: str
    """`t3.reclaim`: unique in the run."""
    fault: str
    inject: str
    task: str
    attempt: int
    place: Place
    view: str | None
    options: dict[str, Option] = {}
    settled: bool = False
    hold_s: float = 5.0
    follows: str | None = None
    """The injection before it: then the target is the pod that replaces its target, of whatever
    attempt, and the place is armed once that one has ended."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `faults` under one view."""

    fault: str
    view: str | None

    @property
    def name(self) -> str:
        """The case as reports show it."""
        return self.fault if self.view is None else f"{self.fault}/{self.view}"


class PlannedTrial(msgspec.Struct, frozen=True, kw_only=True):
    """One disturbed execution."""

    trial: int
    case: Case
    injections: tuple[PlannedInjection, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Controls, trials and what they leave uncovered."""

    seed: int
    controls: int
    controls_max: int
    """Controls that may be added while executions disagree."""
    trials: tuple[PlannedTrial, ...]
    cases: tuple[Case, ...]
    """Every legal case of the scenario."""
    undealt: tuple[Case, ...]
    """Cases for which there were too few trials: missing coverage."""
