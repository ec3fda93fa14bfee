"""From a judgement to what a scorecard shows of it; pure.

Invalid trials prove nothing and count nowhere, except that a failure is one wherever it
was seen.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable

from chaosml.checkers.rate import upper_bound
from chaosml.reports import figures
from chaosml.reports.figures import MTTR_PARTS
from chaosml.scorecard.grade import grade
from chaosml.scorecard.model import Card, Corruption, Count, Coverage, Expectation, Figures
from chaosml.verdict import ExecutionSummary, Judgement, Status, Verdict, worst

__all__ = ["CONFIDENCE", "MEASURES", "card", "started"]

CONFIDENCE = 0.95
MEASURES = ("mttr_s", *MTTR_PARTS, "lost_steps", "waste")
"""Measures of trials that a scorecard shows, in its order."""

_STAMP = re.compile(r"(\d{8}T\d{6}Z)(-\d+)?")


def started(run: str) -> datetime.datetime | None:
    """Return when a run began, by its name; None where the name is no time."""
    found = _STAMP.fullmatch(run)
    if found is None:
        return None
    try:
        naive = datetime.datetime.strptime(found[1], "%Y%m%dT%H%M%SZ")
    except ValueError:
        return None
    return naive.replace(tzinfo=datetime.UTC)


def card(judgement: Judgement, folder: str) -> Card:
    """Return what one run showed.

    Args:
        judgement: Its `verdict.json`.
        folder: Its directory, as people find it.
    """
    trials = [one for one in judgement.executions if one.execution.startswith("trial/")]
    valid = [one for one in trials if one.valid]
    began = started(judgement.run)
    held = _held(judgement, "corruption", valid, Status.FAIL)
    return Card(
        scenario=judgement.scenario,
        pipeline=judgement.pipeline,
        substrate=judgement.substrate,
        run=judgement.run,
        folder=folder,
        started=None if began is None else began.isoformat(),
        status=judgement.status,
        interrupted=judgement.interrupted,
        headline=figures.headline(judgement),
        trials=len(trials),
        invalid=len(trials) - len(valid),
        succeeded=Count(sum(one.phase == "Succeeded" for one in valid), len(valid)),
        resume=_held(judgement, "resume", valid),
        lineage=_held(judgement, "lineage", valid),
        corruption=Corruption(
            hits=held.hits,
            of=held.of,
            bound=upper_bound(held.hits, held.of, CONFIDENCE),
            confidence=CONFIDENCE,
        ),
        expectations=_expectations(judgement),
        figures=_figures(valid),
        coverage=_coverage(judgement, valid),
        grade=grade(judgement),
        causes=_causes(one for one in judgement.verdicts if one.status is Status.FAIL),
        replay=judgement.replay,
        version=judgement.versions.get("chaosml", "unknown"),
    )


def _held(
    judgement: Judgement,
    expectation: str,
    valid: Iterable[ExecutionSummary],
    status: Status = Status.PASS,
) -> Count:
    """Count the valid trials with that verdict, of those in which it was decided."""
    names = {one.execution for one in valid}
    found = [
        one.status
        for one in judgement.verdicts
        if one.expectation == expectation and one.execution in names
    ]
    return Count(found.count(status), len(found) - found.count(Status.UNKNOWN))


def _expectations(judgement: Judgement) -> tuple[Expectation, ...]:
    judged: dict[str, list[Verdict]] = {}
    for verdict in judgement.verdicts:
        judged.setdefault(verdict.expectation, []).append(verdict)
    return tuple(_expectation(name, verdicts) for name, verdicts in judged.items())


def _expectation(name: str, verdicts: list[Verdict]) -> Expectation:
    trials = [one for one in verdicts if one.execution and one.execution.startswith("trial/")]
    counted = [one.status for one in trials or verdicts]
    return Expectation(
        name=name,
        status=worst(one.status for one in verdicts),
        held=counted.count(Status.PASS),
        failed=counted.count(Status.FAIL),
        unknown=counted.count(Status.UNKNOWN),
        causes=_causes(one for one in verdicts if one.status is not Status.PASS),
    )


def _causes(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    named = Counter(one.cause for one in verdicts if one.cause is not None)
    return tuple(sorted(named, key=lambda cause: (-named[cause], cause)))


def _figures(valid: Iterable[ExecutionSummary]) -> dict[str, Figures]:
    found: dict[str, list[float]] = {}
    for trial in valid:
        for name in MEASURES:
            value = trial.measures.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(name, []).append(float(value))
    return {name: Figures(tuple(found[name])) for name in MEASURES if name in found}


def _coverage(judgement: Judgement, valid: Iterable[ExecutionSummary]) -> Coverage:
    coverage = judgement.coverage
    views = {one.observed_view for trial in valid for one in trial.receipts}
    return Coverage(
        cases=coverage.cases,
        shown=tuple(case for case in coverage.cases if coverage.exercised.get(case)),
        missing=dict(coverage.missing),
        places=coverage.places,
        views=tuple(sorted(view for view in views if view is not None)),
    )
