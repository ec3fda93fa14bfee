"""Run directories as `chaosml run` leaves them, and scorecards of judgements."""

import datetime

import judgements
import msgspec

from chaosml.reports import verdict_json
from chaosml.scorecard.assembly import assemble
from chaosml.scorecard.reading import read_runs
from chaosml.verdict import Status

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)
FRESH, OLDER, OLD = "20261124T221500Z", "20261123T221500Z", "20261001T000000Z"


def write(reports, judgement, run=FRESH):
    """Write a judgement as the run of its scenario; return the folder."""
    folder = reports / "spot" / run
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_bytes(verdict_json.render(renamed(judgement, run=run)))
    return folder


def renamed(judgement, **changes):
    return msgspec.structs.replace(judgement, **changes)


def scorecard_of(reports, **options):
    return assemble(read_runs([reports]), now=NOW, **options)


def perfect(trials=6, **changes):
    """A run in which every gate was decided and held in every trial, and all cases shown."""
    executions = [judgements.control(1), judgements.control(2)]
    executions += [judgements.trial(number, "drained") for number in range(1, trials + 1)]
    verdicts = [
        judgements.verdict(name, one.execution)
        for name in ("outcome", "resume", "corruption", "lineage")
        for one in executions
    ]
    return judgements.judgement(Status.PASS, executions, verdicts, **changes)


def without(judgement, expectation, execution, **changes):
    """Replace the verdict about one execution; None: about the whole run."""
    verdicts = [
        msgspec.structs.replace(one, **changes)
        if (one.expectation, one.execution) == (expectation, execution)
        else one
        for one in judgement.verdicts
    ]
    return renamed(judgement, verdicts=tuple(verdicts))


def with_measures(judgement, measures):
    """Give the trials measures, in their order."""
    left = list(measures)
    executions = [
        msgspec.structs.replace(one, measures=left.pop(0))
        if one.execution.startswith("trial/")
        else one
        for one in judgement.executions
    ]
    return renamed(judgement, executions=tuple(executions))
