"""`corruption`: whether an artifact that readers could get was torn, mixed, premature or doubled.

An execution is corrupt or it is not; over the valid trials that makes a rate,
always shown with its exact one-sided 95 % bound. Leftovers are counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaosml.checkers.defects import (
    Defect,
    find_false_guard_hits,
    find_half_trained,
    find_incomplete,
    find_mixed,
    find_regressions,
    find_torn,
    hygiene_of,
)
from chaosml.checkers.evidence import Evidence, unknown
from chaosml.checkers.rate import lower_bound, upper_bound
from chaosml.checkers.registrations import find_dangling, find_duplicates, find_premature
from chaosml.checkers.repetitions import find_won
from chaosml.scenario.model import Bound
from chaosml.timeline.analysis import Analysis
from chaosml.verdict import Status, Verdict

__all__ = ["Corruption", "defects_of"]

_NAME = "corruption"
_SHOWN_CONFIDENCE = 0.95
_EVIDENCE_MAX = 12
_MENDED = frozenset({"marker-before-data", "registered-before-promotion"})
"""Defects of an order that was right in the end: they are named after those that stay."""


class Corruption:
    """Judges every execution, then the rate over the valid trials."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return one verdict for each execution and one for the rate.

        Under a bound a corrupt trial is a count and no verdict of its own; a corrupt control is.
        """
        verdicts = {one.name: _judge(evidence, one) for one in evidence.executions}
        rate = _judge_rate(evidence, verdicts)
        if isinstance(evidence.scenario.expect.corruption, Bound):
            kept = [verdicts[control.name] for control in evidence.controls]
        else:
            kept = list(verdicts.values())
        return [*kept, rate]


def defects_of(evidence: Evidence, execution: Analysis) -> list[Defect]:
    """Return every defect that the evidence of an execution shows."""
    sure = not execution.timeline.doubt_of_store()
    whole = sure and not _doubt(execution)
    run_id = evidence.scenario.pipeline.lineage.keys.get("run-id")
    found = [
        *find_half_trained(execution),
        *find_torn(execution, sure=sure),
        *find_duplicates(execution, None if run_id is None else run_id.registry),
        *find_dangling(execution, sure=sure),
        *find_premature(execution, sure=sure),
    ]
    if whole:
        found += find_won(execution, evidence.scenario.pipeline.identity_fields)
    found += find_regressions(execution)
    if whole:
        found += [
            *find_incomplete(execution),
            *find_mixed(execution),
            *find_false_guard_hits(execution),
        ]
    return found


def _doubt(execution: Analysis) -> str:
    timeline = execution.timeline
    training = timeline.pods_of(timeline.training_task)
    return timeline.doubt_of_store() or timeline.doubt_of_logs(training)


def _judge(evidence: Evidence, execution: Analysis) -> Verdict:
    suspected = sorted(defects_of(evidence, execution), key=lambda one: one.cause in _MENDED)
    found = [defect for defect in suspected if defect.sure]
    measures = dict(hygiene_of(execution))
    if suspected and not found:
        first = suspected[0]
        words = f"perhaps {first.cause}, but the order of events is not known: {first.message}"
        return unknown(_NAME, _NAME, execution.name, "order-unknown", words, first.evidence)
    if found:
        first = found[0]
        others = sorted({defect.cause for defect in found} - {first.cause})
        return Verdict(
            checker=_NAME,
            expectation=_NAME,
            execution=execution.name,
            status=Status.FAIL,
            cause=first.cause,
            message=first.message + (f"; also {', '.join(others)}" if others else ""),
            evidence=tuple(ref for defect in found for ref in defect.evidence)[:_EVIDENCE_MAX],
            measures={
                **measures,
                "defects": len(found),
                "causes": ", ".join(sorted({defect.cause for defect in found})),
                "read": sum(defect.read for defect in found),
            },
            advice=first.advice,
        )
    doubt = _doubt(execution) or _undecided(execution)
    if doubt:
        return unknown(_NAME, _NAME, execution.name, _slug(execution), doubt)
    return Verdict(
        checker=_NAME,
        expectation=_NAME,
        execution=execution.name,
        status=Status.PASS,
        message=f"{len(execution.storage.versions)} object versions and "
        f"{len(execution.timeline.entries)} registry entries, none of them corrupt",
        measures={**measures, "defects": 0},
    )


def _undecided(execution: Analysis) -> str:
    """Return what a whole audit cannot decide."""
    audited = execution.timeline.audited
    if audited is not None and not audited.fact.versioned:
        return "the store keeps no versions, so what was there in between is not known"
    for version in execution.storage.versions:
        if version.fact.problem is not None and version.fact.sha256 is None:
            return f"{version.key} could not be read: {version.fact.problem}"
    for artifact in execution.contract.artifacts:
        if artifact.role != "model" or artifact.final_step is None:
            continue
        for version in execution.storage.of(artifact):
            if execution.storage.is_committed(version) and (
                execution.storage.step_of(version) is None
            ):
                return f"{version.key} does not say which step it holds"
    return ""


def _slug(execution: Analysis) -> str:
    if _doubt(execution):
        return "evidence-lost"
    audited = execution.timeline.audited
    return "no-versions" if audited and not audited.fact.versioned else "contents-unknown"


def _judge_rate(evidence: Evidence, verdicts: dict[str, Verdict]) -> Verdict:
    expected = evidence.scenario.expect.corruption
    counted = [trial for trial in evidence.trials if not evidence.is_excluded(trial)]
    valid = [verdicts[trial.name] for trial in counted if evidence.is_valid(trial)]
    corrupt = sum(verdict.status is Status.FAIL for verdict in valid)
    clean = sum(verdict.status is Status.PASS for verdict in valid)
    count = len(counted)
    open_ = count - corrupt - clean
    bound = upper_bound(corrupt, count, _SHOWN_CONFIDENCE)
    words = f"{corrupt} of {count} valid trials corrupt (95 % bound {100 * bound:.1f} %)"
    if open_:
        words += f", {open_} undecided"
    if isinstance(expected, Bound):
        status, cause = _judge_bound(expected, corrupt, open_, count)
    else:
        status, cause = _judge_none(verdicts, count, open_)
    worst = [verdict for verdict in verdicts.values() if verdict.status is Status.FAIL]
    if status is Status.FAIL and worst:
        words += ": " + ", ".join(f"{one.execution} {one.cause}" for one in worst)
    return Verdict(
        checker=_NAME,
        expectation=_NAME,
        execution=None,
        status=status,
        cause=cause or (worst[0].cause if status is Status.FAIL and worst else None),
        message=words,
        evidence=tuple(ref for one in worst for ref in one.evidence[:2])[:_EVIDENCE_MAX],
        measures={
            "corrupt_trials": corrupt,
            "valid_trials": count,
            "undecided_trials": open_,
            "corruption_upper_bound": bound,
            "corrupt_controls": sum(
                verdicts[control.name].status is Status.FAIL for control in evidence.controls
            ),
        },
    )


def _judge_none(verdicts: dict[str, Verdict], count: int, open_: int) -> tuple[Status, str | None]:
    """Judge `none`: a defect in any execution fails, invalid trials and controls included."""
    statuses = {verdict.status for verdict in verdicts.values()}
    if Status.FAIL in statuses:
        return Status.FAIL, None
    if open_ or Status.UNKNOWN in statuses:
        return Status.UNKNOWN, "evidence-lost"
    return (Status.PASS, None) if count else (Status.UNKNOWN, "no-valid-trial")


def _judge_bound(
    expected: Bound, corrupt: int, open_: int, count: int
) -> tuple[Status, str | None]:
    """Judge a bound at its own confidence; undecided trials count for either side."""
    if lower_bound(corrupt, count, expected.confidence) > expected.at_most:
        return Status.FAIL, "rate-above-bound"
    if upper_bound(min(count, corrupt + open_), count, expected.confidence) <= expected.at_most:
        return Status.PASS, None
    return Status.UNKNOWN, "rate-not-supported"
