"""The grade: gates first, then a score; what is undecided is never passed."""

import judgements
import msgspec
import pytest
import runs

from chaosml.scorecard.grade import grade
from chaosml.verdict import Coverage, Status


def failing(expectation, **changes):
    return runs.without(
        runs.perfect(), expectation, "trial/2", **({"status": Status.FAIL} | changes)
    )


def test_a_run_in_which_everything_held_and_all_cases_were_shown_is_an_a():
    made = grade(runs.perfect())
    assert (made.letter, made.score, made.caps) == ("A", 1.0, ())
    assert made.earned == dict.fromkeys(("outcome", "resume", "corruption", "lineage"), 1.0)


@pytest.mark.parametrize(
    ("expectation", "why"),
    [
        ("corruption", "an artifact was corrupt"),
        ("resume", "a workflow succeeded with another state than the undisturbed one"),
        ("lineage", "an artifact cannot be traced"),
    ],
)
def test_a_broken_gate_caps_the_grade_at_d_however_good_the_rest_is(expectation, why):
    judgement = runs.perfect()
    extra = [judgements.verdict(f"extra-{number}", "trial/1") for number in range(40)]
    judgement = runs.renamed(judgement, verdicts=(*judgement.verdicts, *extra))
    judgement = runs.without(judgement, expectation, "trial/2", status=Status.FAIL)
    made = grade(judgement)
    assert made.score > 0.95
    assert made.letter == "D"
    assert made.caps == (f"at most D: {why}",)


def test_a_run_that_broke_one_of_many_expectations_is_a_c_at_best():
    judgement = runs.perfect()
    extra = [judgements.verdict(f"extra-{number}", "trial/1") for number in range(40)]
    judgement = runs.renamed(judgement, verdicts=(*judgement.verdicts, *extra))
    made = grade(runs.without(judgement, "outcome", "trial/2", status=Status.FAIL))
    assert made.score > 0.95
    assert (made.letter, made.caps) == ("C", ("at most C: broken: outcome",))


def test_an_expectation_that_failed_once_earns_nothing():
    made = grade(failing("outcome"))
    assert made.earned["outcome"] == 0.0
    assert (made.letter, made.score) == ("C", 0.75)


def test_a_loud_failure_to_resume_is_no_silent_divergence():
    judgement = failing("resume")
    executions = [
        msgspec.structs.replace(one, phase="Failed") if one.execution == "trial/2" else one
        for one in judgement.executions
    ]
    made = grade(runs.renamed(judgement, executions=tuple(executions)))
    assert made.letter == "C"
    assert made.caps == ()


def test_a_failure_in_a_control_or_an_invalid_trial_counts_as_one():
    judgement = runs.without(runs.perfect(), "corruption", "control/1", status=Status.FAIL)
    assert grade(judgement).letter == "D"
    judgement = failing("corruption")
    executions = [
        msgspec.structs.replace(one, valid=one.execution != "trial/2")
        for one in judgement.executions
    ]
    assert grade(runs.renamed(judgement, executions=tuple(executions))).letter == "D"


def test_what_is_undecided_earns_only_the_share_that_was_decided():
    made = grade(failing("outcome", status=Status.UNKNOWN))
    assert made.earned["outcome"] == pytest.approx(5 / 6)
    assert made.letter == "A"


def test_a_rate_that_is_not_proved_earns_nothing_although_each_trial_held():
    judgement = runs.perfect()
    whole = judgements.verdict("corruption", None, Status.UNKNOWN)
    made = grade(runs.renamed(judgement, verdicts=(*judgement.verdicts, whole)))
    assert made.earned["corruption"] == 0.0


def test_a_gate_that_no_valid_trial_decided_caps_at_c():
    judgement = runs.perfect()
    kept = tuple(one for one in judgement.verdicts if one.expectation != "lineage")
    made = grade(runs.renamed(judgement, verdicts=kept))
    assert (made.letter, made.score) == ("C", 1.0)
    assert made.caps == ("at most C: no valid trial decided lineage",)


@pytest.mark.parametrize(("shown", "letter"), [(4, "A"), (3, "B"), (1, "C")])
def test_cases_that_were_not_shown_cap_the_grade(shown, letter):
    cases = ("a", "b", "c", "d")
    coverage = Coverage(
        cases=cases, exercised=dict.fromkeys(cases[:shown], 1), missing={}, places=()
    )
    assert grade(runs.perfect(coverage=coverage)).letter == letter


def test_an_interrupted_run_is_a_c_at_best():
    assert grade(runs.perfect(interrupted=True)).letter == "C"


def test_a_run_without_a_valid_trial_has_no_grade():
    judgement = runs.perfect()
    executions = tuple(
        msgspec.structs.replace(one, valid=not one.execution.startswith("trial/"))
        for one in judgement.executions
    )
    made = grade(runs.renamed(judgement, executions=executions))
    assert (made.letter, made.score) == (None, None)
    assert grade(runs.renamed(judgement, verdicts=(), executions=())).letter is None
