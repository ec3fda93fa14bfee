"""What reports show of a judgement: rows, findings, expectations, the headline."""

import judgements
import pytest

from chaosml.reports import figures
from chaosml.verdict import Coverage, EventRef, Status


def test_a_trial_without_a_receipt_is_shown_invalid_and_a_failed_one_failed():
    shown = {row.execution: row.status for row in figures.rows(judgements.failed())}
    assert shown == {
        "control/1": "PASS",
        "control/2": "PASS",
        "trial/1": "UNKNOWN",
        "trial/2": "FAIL",
        "trial/3": "FAIL",
        "trial/4": "INVALID",
    }


def test_an_invalid_trial_that_broke_something_is_shown_failed():
    trial = judgements.trial(1, "drained", valid=False)
    torn = judgements.verdict("corruption", "trial/1", Status.FAIL, cause="torn")
    judged = judgements.judgement(Status.FAIL, [trial], [torn])
    assert figures.rows(judged)[0].status == "FAIL"


def test_an_execution_that_nobody_judged_is_not_shown_as_passed():
    judged = judgements.judgement(Status.UNKNOWN, [judgements.control()], [])
    assert figures.rows(judged)[0].status == "UNKNOWN"


def test_what_was_not_measured_is_a_dash_and_not_a_zero():
    trial = judgements.trial(1, "drained", measures={"attempts": 1, "mttr_s": None, "waste": True})
    row = figures.rows(judgements.judgement(Status.PASS, [trial], []))[0]
    assert (row.mttr, row.lost_steps, row.waste, dict(row.parts)) == (
        *[figures.NONE] * 3,
        {},
    )


def test_a_strike_at_another_place_says_so():
    receipt = judgements.receipt(1, "drained", actual_place=None)
    trial = judgements.trial(1, "drained", receipts=(receipt,))
    assert figures.rows(judgements.judgement(Status.PASS, [trial], []))[0].place == "not at step 61"


def test_a_cause_is_named_once_for_all_executions_that_show_it():
    found = figures.findings(judgements.failed())
    named = [(one.expectation, one.cause, one.executions) for one in found]
    assert named == [
        ("outcome", "pod-deleted-not-retried", ("trial/2",)),
        ("corruption", "half-trained-model-registered", ("trial/3", "trial/2")),
        ("effect", "target-finished", ("trial/4",)),
        ("lineage", "checker-raised", ("trial/1",)),
    ]


def test_the_verdict_that_cites_events_speaks_for_its_cause():
    bare = judgements.verdict("resume", "trial/1", Status.FAIL, "bare", cause="c")
    cited = judgements.verdict(
        "resume",
        "trial/2",
        Status.FAIL,
        "cited",
        cause="c",
        evidence=(EventRef("trial/2", 1, "x"),),
    )
    whole = judgements.verdict("resume", None, Status.FAIL, "whole", cause="c")
    judged = judgements.judgement(Status.FAIL, [], [whole, bare, cited])
    (finding,) = figures.findings(judged)
    assert finding.lead is cited


def test_failures_come_before_what_is_unknown():
    unknown = judgements.verdict("outcome", "trial/1", Status.UNKNOWN, cause="lost")
    failed = judgements.verdict("resume", "trial/1", Status.FAIL, cause="diverged")
    found = figures.findings(judgements.judgement(Status.FAIL, [], [unknown, failed]))
    assert [one.cause for one in found] == ["diverged", "lost"]


def test_a_verdict_over_the_whole_run_speaks_for_its_expectation():
    words = {one.name: one.words for one in figures.expectations(judgements.passed())}
    assert words["corruption"] == "0 of 2 valid trials corrupt (95 % bound 77.6 %)"
    assert words["outcome"] == "held in 4 of 4 executions"


def test_an_expectation_shows_how_near_to_its_limit_it_came():
    verdicts = [
        judgements.verdict("lost-steps", f"trial/{number}", measures={"lost_steps": lost})
        for number, lost in enumerate((3, 17, 0), start=1)
    ]
    (one,) = figures.expectations(judgements.judgement(Status.PASS, [], verdicts))
    assert one.words == "held in 3 of 3 executions; at most 17"


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (judgements.passed(), "every expectation held in 2 controls and 2 trials"),
        (
            judgements.passed(
                coverage=Coverage(cases=("a",), exercised={}, missing={"a": "undealt"}, places=())
            ),
            "every expectation held in 2 controls and 2 trials; 1 case not shown",
        ),
        (
            judgements.failed(),
            "outcome: pod-deleted-not-retried; corruption: half-trained-model-registered "
            "in 2 controls and 4 trials",
        ),
        (
            judgements.passed(interrupted=True),
            "stopped after 2 controls and 2 trials; what was recorded until then is judged below",
        ),
        (
            judgements.judgement(Status.UNKNOWN, [], []),
            "nothing is proved by 0 controls and 0 trials: nothing was judged",
        ),
        (
            judgements.judgement(
                Status.UNKNOWN, [judgements.trial(1, "drained", valid=False, receipts=())], []
            ),
            "nothing is proved by 0 controls and 1 trial: invalid: trial/1 (no receipt)",
        ),
    ],
)
def test_the_headline_says_what_was_found_and_in_how_much(judged, words):
    assert figures.headline(judged) == words
