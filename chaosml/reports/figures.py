"""What every report shows of a judgement, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chaosml.reports.wording import count, duration, printable, ratio, share, steps
from chaosml.verdict import (
    EventRef,
    ExecutionSummary,
    Judgement,
    Measure,
    Status,
    Verdict,
    worst,
)

__all__ = [
    "INTERRUPTED",
    "INVALID",
    "MTTR_PARTS",
    "NONE",
    "Expectation",
    "Finding",
    "Row",
    "Writer",
    "coverage_words",
    "expectations",
    "findings",
    "headline",
    "invalid_executions",
    "number",
    "rows",
    "verdict_name",
]

INVALID = "INVALID"
"""Shown for a trial without a receipt, which proves nothing."""
INTERRUPTED = "INTERRUPTED"
"""Shown for a run that was cut short: what was not executed cannot have held."""
MTTR_PARTS = {
    "detect_s": "detect",
    "reschedule_s": "reschedule",
    "start_s": "start",
    "restore_s": "restore",
    "catch_up_s": "catch up",
}
"""The parts that a time to recovery is made of, in their order."""

NONE = "–"  # noqa: RUF001 - a dash as people set it
"""Shown for what does not apply or was not measured."""

Writer = Callable[[float], str]
"""Writes a figure as a person reads it."""

_WORST: Mapping[str, Writer] = {
    "mttr_s": duration,
    "lost_steps": steps,
    "waste": share,
    "throughput_recovery_s": duration,
    "requests_per_upload": ratio,
    "orphan_uploads": steps,
}
"""Measures of verdicts whose largest says how near to its limit an expectation came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One execution, ready to be put into a table."""

    execution: str
    case: str
    place: str
    view: str
    result: str
    wall: str
    mttr: str
    parts: Mapping[str, str]
    """By the names of `MTTR_PARTS`' values; empty where nothing was recovered."""
    lost_steps: str
    waste: str
    status: str
    """`PASS`, `FAIL`, `UNKNOWN` or `INVALID`."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation over the whole run."""

    name: str
    status: Status
    words: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause for which one expectation failed or stays unknown, wherever it was found."""

    expectation: str
    cause: str
    status: Status
    verdicts: tuple[Verdict, ...]

    @property
    def lead(self) -> Verdict:
        """The verdict that says it best: of one execution rather than of the run, with evidence."""
        return max(self.verdicts, key=lambda one: (one.execution is not None, bool(one.evidence)))

    @property
    def executions(self) -> tuple[str, ...]:
        """Where it was found; empty for a finding about the whole run only."""
        return tuple(one.execution for one in self.verdicts if one.execution is not None)

    @property
    def evidence(self) -> tuple[EventRef, ...]:
        """The events that the lead cites, each once."""
        return tuple(dict.fromkeys(self.lead.evidence))


def rows(judgement: Judgement) -> list[Row]:
    """Return a row for every execution, in the judgement's order."""
    return [_row(judgement, execution) for execution in judgement.executions]


def _row(judgement: Judgement, execution: ExecutionSummary) -> Row:
    receipts = execution.receipts
    measures = execution.measures
    places = [one.actual_place or f"not at {one.planned_place}" for one in receipts]
    views = [one.observed_view for one in receipts if one.observed_view is not None]
    return Row(
        execution=execution.execution,
        case=printable(execution.case or NONE),
        place=printable(", ".join(dict.fromkeys(places))) or NONE,
        view=printable(", ".join(dict.fromkeys(views))) or NONE,
        result=printable(execution.phase or "did not end"),
        wall=duration(execution.wall_s),
        mttr=_measure(measures, "mttr_s", duration),
        parts={
            name: _measure(measures, key, duration)
            for key, name in MTTR_PARTS.items()
            if key in measures
        },
        lost_steps=_measure(measures, "lost_steps", steps),
        waste=_measure(measures, "waste", share),
        status=_status(judgement, execution),
    )


def _measure(measures: Mapping[str, Measure], name: str, write: Writer) -> str:
    value = number(measures, name)
    return NONE if value is None else write(value)


def number(measures: Mapping[str, Measure], name: str) -> float | None:
    """Return a measure that is a number; None where it was not measured."""
    value = measures.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _status(judgement: Judgement, execution: ExecutionSummary) -> str:
    own = worst(
        verdict.status for verdict in judgement.verdicts if verdict.execution == execution.execution
    )
    if own is not Status.FAIL and not execution.valid:
        return INVALID
    return own.value


def invalid_executions(judgement: Judgement) -> dict[str, str]:
    """Return the executions that prove nothing about their fault, each with the reason."""
    found = {}
    for execution in judgement.executions:
        if not execution.valid:
            reasons = [one.why_invalid for one in execution.receipts if one.why_invalid]
            found[execution.execution] = printable(", ".join(reasons)) or "no receipt"
    return found


def expectations(judgement: Judgement) -> list[Expectation]:
    """Return every expectation that was judged, in the order in which it first appears."""
    judged: dict[str, list[Verdict]] = {}
    for verdict in judgement.verdicts:
        judged.setdefault(verdict.expectation, []).append(verdict)
    return [
        Expectation(name, worst(one.status for one in verdicts), _words(verdicts))
        for name, verdicts in judged.items()
    ]


def _words(verdicts: list[Verdict]) -> str:
    whole = [verdict for verdict in verdicts if verdict.execution is None]
    if whole:
        return printable(max(whole, key=lambda one: one.status.severity).message)
    held = sum(verdict.status is Status.PASS for verdict in verdicts)
    words = f"held in {held} of {count(len(verdicts), 'execution')}"
    open_ = sum(verdict.status is Status.UNKNOWN for verdict in verdicts)
    words += f", unknown in {open_}" if open_ else ""
    for name, write in _WORST.items():
        measured = [value for one in verdicts if (value := number(one.measures, name)) is not None]
        if measured:
            words += f"; at most {write(max(measured))}"
    return words


def findings(judgement: Judgement) -> list[Finding]:
    """Return what failed and then what stays unknown, each cause once for each expectation."""
    grouped: dict[tuple[str, str, Status], list[Verdict]] = {}
    for verdict in judgement.verdicts:
        if verdict.status is not Status.PASS:
            key = (verdict.expectation, verdict.cause or "no-cause-known", verdict.status)
            grouped.setdefault(key, []).append(verdict)
    found = [
        Finding(printable(expectation), printable(cause), status, tuple(verdicts))
        for (expectation, cause, status), verdicts in grouped.items()
    ]
    return sorted(found, key=lambda finding: -finding.status.severity)


def verdict_name(judgement: Judgement) -> str:
    """Return the verdict in one word."""
    return INTERRUPTED if judgement.interrupted else judgement.status.value


def headline(judgement: Judgement) -> str:
    """Return the judgement in one sentence."""
    controls, trials = _split(judgement)
    ran = f"{count(controls, 'control')} and {count(trials, 'trial')}"
    if judgement.interrupted:
        return f"stopped after {ran}; what was recorded until then is judged below"
    if judgement.status is Status.PASS:
        missing = len(judgement.coverage.missing)
        words = f"every expectation held in {ran}"
        return words + (f"; {count(missing, 'case')} not shown" if missing else "")
    named = _named(judgement)
    if judgement.status is Status.FAIL:
        return f"{named} in {ran}"
    return f"nothing is proved by {ran}: {named}"


def _split(judgement: Judgement) -> tuple[int, int]:
    controls = sum(one.execution.startswith("control/") for one in judgement.executions)
    return controls, len(judgement.executions) - controls


def _named(judgement: Judgement) -> str:
    named: dict[str, list[str]] = {}
    for finding in findings(judgement):
        if finding.status is judgement.status:
            named.setdefault(finding.expectation, []).append(finding.cause)
    if named:
        return "; ".join(f"{name}: {', '.join(causes)}" for name, causes in named.items())
    invalid = invalid_executions(judgement)
    if invalid:
        return "invalid: " + ", ".join(f"{name} ({why})" for name, why in invalid.items())
    return "nothing was judged"


def coverage_words(judgement: Judgement) -> str:
    """Return how many of the legal cases valid trials showed."""
    coverage = judgement.coverage
    shown = sum(case in coverage.exercised for case in coverage.cases)
    return f"{shown} of {count(len(coverage.cases), 'case')} shown"
