"""What counts as caught, and how the matrix shows it."""

import io
import json
import pathlib

import msgspec
import pytest
from rich.console import Console

from chaosml.selftest import matrix
from chaosml.selftest.catalogue import DEFECTS, OUT_OF_REACH
from chaosml.selftest.findings import Catch, assess, succeeded
from chaosml.selftest.running import Ended, Job
from chaosml.verdict import Coverage, Judgement, Status, Verdict, worst

NO_RNG = next(defect for defect in DEFECTS if defect.name == "no-rng")
LOST_RUN_ID = next(defect for defect in DEFECTS if defect.name == "lost-run-id")


def verdict(checker, status=Status.PASS, cause=None, message="said so"):
    return Verdict(
        checker=checker,
        expectation=checker,
        execution="trial/1",
        status=status,
        cause=cause,
        message=message,
    )


def judged(*verdicts):
    found = (verdict("effect"), *verdicts)
    return Judgement(
        scenario="x",
        run="r",
        pipeline="workflow.yaml",
        substrate="embedded",
        seed=7,
        status=worst(one.status for one in found),
        verdicts=found,
        executions=(),
        coverage=Coverage(cases=(), exercised={}, missing={}, places=()),
        versions={},
        fingerprint={},
        replay="chaosml run",
    )


def ended(judgement, defect=NO_RNG):
    name = "healthy-3" if defect is None else defect.name
    scenario = pathlib.Path("/reports/selftest/now") / name / "scenario.yaml"
    job = Job(name=name, scenario=scenario, seed=3, defect=defect)
    printed = scenario.with_name("output.txt")
    return Ended(job=job, judgement=judgement, printed=printed, took_s=1.0)


def catch(*verdicts, defect=NO_RNG):
    return assess(ended(judged(*verdicts), defect)).catch


RIGHT = verdict("resume", Status.FAIL, "rng-not-restored")


def test_the_right_checker_with_the_right_cause_catches_whatever_else_fails():
    assert catch(RIGHT) is Catch.CAUGHT
    assert catch(verdict("outcome", Status.FAIL, "task-failed"), RIGHT) is Catch.CAUGHT


@pytest.mark.parametrize(
    "found",
    [
        verdict("resume", Status.FAIL, "diverged-trajectory"),
        verdict("corruption", Status.FAIL, "rng-not-restored"),
    ],
)
def test_another_cause_or_another_checker_is_caught_wrongly(found):
    assert catch(found) is Catch.WRONGLY


def test_unknown_is_no_catch_even_with_the_right_cause():
    assert catch(verdict("resume", Status.UNKNOWN, "rng-not-restored")) is Catch.MISSED
    assert catch(verdict("resume")) is Catch.MISSED


def test_a_fault_that_did_not_strike_shows_nothing_whatever_fails():
    idle = verdict("effect", Status.UNKNOWN, "never-reached", "INVALID: never reached")
    assert catch(RIGHT, idle) is Catch.INVALID


def test_a_run_without_a_verdict_shows_nothing_and_says_where_to_look():
    finding = assess(ended(None))
    assert finding.catch is Catch.INVALID
    assert "output.txt" in finding.words


def test_where_a_cause_is_common_its_words_must_tell_the_defect():
    message = "11 of 12 lineage cells hold; run-id in registry: missing in registry/v1.json"
    broken = verdict("lineage", Status.FAIL, "lineage-broken", message)
    assert catch(broken, defect=LOST_RUN_ID) is Catch.CAUGHT
    other = msgspec.structs.replace(broken, message="git-commit everywhere: places differ")
    assert catch(other, defect=LOST_RUN_ID) is Catch.WRONGLY


def test_the_healthy_pipeline_must_pass_everything():
    assert catch(verdict("resume"), defect=None) is Catch.SILENT
    assert catch(RIGHT, defect=None) is Catch.FALSE_ALARM
    assert catch(verdict("resume", Status.UNKNOWN, "no-band"), defect=None) is Catch.FALSE_ALARM


def findings(*pairs):
    return [assess(ended(judged(*found), defect)) for defect, found in pairs]


GOOD = findings((NO_RNG, [RIGHT]), (None, [verdict("resume")]))
BAD = findings((NO_RNG, [verdict("resume", Status.UNKNOWN, "no-band")]), (None, [RIGHT]))


def text_of(found):
    console = Console(file=io.StringIO(), width=140)
    return matrix.text_of(found, OUT_OF_REACH, console)


def test_the_matrix_ends_with_the_whole_in_one_line():
    assert succeeded(GOOD)
    assert text_of(GOOD).splitlines()[-1] == (
        "PASS  1 of 1 defects caught by the right checker; the healthy pipeline passed 1 of 1 seeds"
    )
    assert not succeeded(BAD)
    assert text_of(BAD).splitlines()[-1] == (
        "FAIL  0 of 1 defects caught by the right checker; the healthy pipeline passed 0 of 1 seeds"
    )


def test_the_row_of_a_defect_marks_the_checker_that_names_it():
    row = next(line for line in text_of(GOOD).splitlines() if line.startswith("no-rng"))
    assert row.split() == ["no-rng", "X", "rng-not-restored"]


def test_a_miss_is_shown_with_the_command_that_runs_it_again():
    shown = text_of(BAD)
    assert "missed: no-rng: UNKNOWN resume: no-band" in shown
    assert "replay chaosml run /reports/selftest/now/no-rng/scenario.yaml --seed 3" in shown
    assert "false alarm: healthy-3: FAIL resume: rng-not-restored" in shown


def test_what_stays_uncaught_is_listed_everywhere_with_its_reason():
    for shown in (text_of(GOOD), matrix.markdown_of(GOOD, OUT_OF_REACH)):
        for one in OUT_OF_REACH:
            assert one.name in shown
    document = json.loads(matrix.json_of(GOOD, OUT_OF_REACH))
    assert [one["why"] for one in document["not_caught"]] == [one.why for one in OUT_OF_REACH]
    assert document["passed"] is True
    (entry,) = document["defects"]
    assert entry["checkers"] == {"effect": "PASS", "resume": "FAIL"}
    assert (entry["result"], entry["cause"]) == ("caught", "rng-not-restored")


def test_the_markdown_has_a_row_for_each_defect():
    lines = matrix.markdown_of(BAD, OUT_OF_REACH).splitlines()
    assert sum(line.startswith("| no-rng | ") for line in lines) == 1
    assert lines[2].endswith("| resume: rng-not-restored | missed |")
