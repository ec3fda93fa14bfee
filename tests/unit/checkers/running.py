"""Judging a synthetic trial in one line."""

from chaosml.checkers.judge import judge
from chaosml.timeline import build
from tests.quality import histories


def judged(*trials, controls=2, scenario=None, plan=None, control=None, **options):
    """Judge trials against healthy controls."""
    scenario = scenario or histories.scenario()
    record = control or histories.control
    return judge(
        scenario,
        plan or histories.plan(trials=len(trials)),
        [build(record(number + 1), scenario) for number in range(controls)],
        [build(trial, scenario) for trial in trials],
        run="run",
        pipeline="pipeline.yaml",
        versions={"chaosml": "0"},
        replay="chaosml run",
        **options,
    )


def verdict(judgement, expectation, execution="trial/1"):
    """Return the only verdict about an expectation and an execution."""
    (found,) = [
        one
        for one in judgement.verdicts
        if one.expectation == expectation and one.execution == execution
    ]
    return found


def receipt(judgement, execution="trial/1"):
    """Return the only receipt of an execution."""
    (summary,) = [one for one in judgement.executions if one.execution == execution]
    (found,) = summary.receipts
    return found
