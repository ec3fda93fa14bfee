"""Steps that leave more than one execution leaves are caught; those that do not, pass."""

from __future__ import annotations

import pytest

from chaosml.scenario.model import Artifact
from chaosml.verdict import Status
from tests.quality import histories, repeated
from tests.quality.test_planted_defects import assert_fails, in_place, judged, verdict

NO_MEAN = histories.scenario(mttr={"at-most": "5s"})
"""Nobody's work is interrupted, so there is no recovery to take a mean of."""


def rerun(view="gone", **options):
    plan = repeated.plan("task.rerun", "register", view)
    return judged(repeated.rerun(view=view, **options), plan=plan, scenario=NO_MEAN)


def evaluated_again(**options):
    pipeline = NO_MEAN.pipeline.model_copy(update={"identity_fields": ("created",)})
    plan = repeated.plan("task.rerun", "evaluate", "gone")
    return judged(
        repeated.rerun_of_dataset(**options),
        plan=plan,
        scenario=NO_MEAN.model_copy(update={"pipeline": pipeline}),
    )


ZOMBIE = repeated.plan("task.zombie", "train", "gone")


@pytest.mark.parametrize("view", ["gone", "restarted"])
def test_a_registration_that_finds_its_entry_passes_however_often_it_runs(view):
    judgement = rerun(view)
    assert {one.status for one in judgement.verdicts} == {Status.PASS}, judgement.verdicts
    assert judgement.coverage.exercised == {f"kill/{view}": 1}
    (receipt,) = judgement.executions[-1].receipts
    second = "0-2" if view == "restarted" else "1-1"
    assert [ref.says for ref in receipt.evidence] == [
        "pod trial-1-register-0-1 exited 0",
        "the object of pod trial-1-register-0-1 went before anybody looked",
        f"register executed again by pod trial-1-register-{second}",
    ]


@pytest.mark.parametrize("view", ["gone", "restarted"])
def test_a_registry_that_counts_its_entries_registers_twice(view):
    assert_fails(rerun(view, again="registry/v2.json"), "corruption", "duplicate-registration")


def test_a_step_that_fails_has_no_success_to_be_missed():
    judgement = rerun(code=1)
    found = verdict(judgement, "effect")
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-succeeded")
    assert judgement.status is Status.UNKNOWN


def test_a_step_that_nobody_executed_again_proves_nothing():
    assert verdict(rerun(repeats=False), "effect").cause == "not-executed-again"


def test_a_document_may_differ_in_what_names_the_attempt():
    judgement = evaluated_again()
    assert {one.status for one in judgement.verdicts} == {Status.PASS}, judgement.verdicts


def test_a_document_that_says_something_else_the_second_time_is_caught():
    judgement = evaluated_again(fields={"accuracy": 0.96})
    assert_fails(judgement, "corruption", "rerun-changed-artifact")
    assert "metrics.json" in verdict(judgement, "corruption").message


def test_a_dataset_under_the_time_of_its_making_is_a_second_version():
    made = Artifact(role="dataset", key=r"data/(?P<made>\d+)\.json", format="json")
    artifacts = (*NO_MEAN.pipeline.artifacts, made)
    pipeline = NO_MEAN.pipeline.model_copy(update={"artifacts": artifacts})
    scenario = NO_MEAN.model_copy(update={"pipeline": pipeline})
    plan = repeated.plan("task.rerun", "evaluate", "gone")
    twice = repeated.rerun_of_dataset(keys=("data/1.json", "data/2.json"), role="dataset")
    judgement = judged(twice, plan=plan, scenario=scenario)
    assert_fails(judgement, "corruption", "rerun-added-dataset")
    assert "data/2.json beside data/1.json" in verdict(judgement, "corruption").message


def test_a_fenced_old_attempt_changes_nothing():
    judgement = judged(repeated.late_writer(fenced=True), plan=ZOMBIE)
    assert {one.status for one in judgement.verdicts} == {Status.PASS}, judgement.verdicts
    # What the old attempt does after the cut is no progress that was lost.
    assert verdict(judgement, "lost-steps").measures["lost_steps"] == 3


def test_an_old_attempt_that_writes_over_its_replacement_is_caught():
    judgement = in_place(repeated.late_writer(fenced=False), plan=ZOMBIE)
    assert_fails(judgement, "corruption", "zombie-overwrote")
    assert "zombie-overwrote" in verdict(judgement, "corruption").measures["causes"]


def test_an_old_attempt_that_writes_nothing_proves_nothing():
    judgement = judged(repeated.late_writer(fenced=True, writes=False), plan=ZOMBIE)
    assert verdict(judgement, "effect").cause == "wrote-nothing"
    assert judgement.status is Status.UNKNOWN
