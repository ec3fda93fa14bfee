"""What a checker concludes, and how conclusions combine.

Worst wins: FAIL, then UNKNOWN, then PASS. A run without conclusions is UNKNOWN:
nothing passes by default.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Protocol

import msgspec

__all__ = [
    "Concluded",
    "Coverage",
    "EventRef",
    "ExecutionSummary",
    "Judgement",
    "Measure",
    "Receipt",
    "Status",
    "Verdict",
    "exit_code",
    "worst",
]


class Status(enum.Enum):
    """Whether an expectation held."""

    PASS = "PASS"
    UNKNOWN = "UNKNOWN"
    FAIL = "FAIL"

    @property
    def severity(self) -> int:
        """Rank for `worst`: the higher wins."""
        return {"PASS": 0, "UNKNOWN": 1, "FAIL": 2}[self.value]


Measure = str | int | float | bool | None


class EventRef(msgspec.Struct, frozen=True, order=True):
    """An event cited as evidence: line `seq` of an execution's history."""

    execution: str
    """`control/1`, `trial/3`: also the folder below the run directory, in the plural."""
    seq: int
    says: str
    """The event in a few words, for people."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One conclusion of one checker about one execution, or about the whole run."""

    checker: str
    """`outcome`, `resume`, `corruption`, `recovery`, `throughput`, `waste`, `lineage`, `effect`."""
    expectation: str
    """The key under `expect:` that it decides, such as `lost-steps`; `effect` is implied."""
    execution: str | None
    """`control/1`, `trial/3`; None for a verdict over the whole run."""
    status: Status
    cause: str | None = None
    """A stable slug for the kind of defect or doubt, such as `half-trained-model-registered`."""
    message: str
    """One sentence for a person: what was found, with its figures."""
    evidence: tuple[EventRef, ...] = ()
    measures: dict[str, Measure] = {}
    """Figures by name; units last in the name (`mttr_s`, `lost_steps`)."""
    advice: str | None = None
    """What to change in the pipeline, when the cause says it."""
    details: str | None = None
    """The traceback of a checker that raised; otherwise None."""


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status of a whole; without any part it is UNKNOWN."""
    return max(statuses, key=lambda status: status.severity, default=Status.UNKNOWN)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Independent evidence about one injection: that it took effect, where, under which view."""

    injection: str
    fault: str
    inject: str
    planned_place: str
    actual_place: str | None
    """None: no hold or strike was seen."""
    planned_view: str | None
    observed_view: str | None
    took_effect: bool
    why_invalid: str | None = None
    """A slug where the injection proves nothing: `target-finished`, `hold-expired`, …"""
    detail: str = ""
    evidence: tuple[EventRef, ...] = ()


class ExecutionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One control or trial in figures."""

    execution: str
    case: str | None
    phase: str | None
    """Of the workflow; None where it did not end."""
    message: str
    wall_s: float
    valid: bool
    """False: an injection has no receipt, so the trial vetoes a PASS."""
    receipts: tuple[Receipt, ...] = ()
    measures: dict[str, Measure] = {}
    """Figures by name: `mttr_s`, `detect_s`, `reschedule_s`, `start_s`, `restore_s`,
    `catch_up_s`, `lost_steps`, `waste`, `attempts`, …; absent where not measured."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What a PASS quantifies over."""

    cases: tuple[str, ...]
    """Every legal case, `fault/view`."""
    exercised: dict[str, int]
    """Valid trials by the case that was observed."""
    missing: dict[str, str]
    """Case to the reason why no valid trial showed it."""
    places: tuple[str, ...]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is concluded from a run directory: `verdict.json`.

    `replay` is the command that runs the same plan again.
    """

    schema: int = 1
    scenario: str
    run: str
    pipeline: str
    substrate: str
    seed: int
    status: Status
    """Worst of the verdicts and of the validity: INVALID trials make a PASS UNKNOWN."""
    interrupted: bool = False
    verdicts: tuple[Verdict, ...]
    executions: tuple[ExecutionSummary, ...]
    coverage: Coverage
    versions: dict[str, str]
    fingerprint: dict[str, str]
    replay: str


class Concluded(Protocol):
    """What has come to an end: a run that was judged, or a sweep."""

    @property
    def status(self) -> Status:
        """The worst of its verdicts."""

    @property
    def interrupted(self) -> bool:
        """Whether it was cut short."""


def exit_code(concluded: Concluded, *, tolerate_unknown: bool = False) -> int:
    """Return the exit status of the command: 0 pass, 1 fail, 3 unknown or invalid, 130."""
    if concluded.interrupted:
        return 130
    match concluded.status:
        case Status.FAIL:
            return 1
        case Status.UNKNOWN:
            return 0 if tolerate_unknown else 3
        case Status.PASS:
            return 0
