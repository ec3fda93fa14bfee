"""Trainings without a probe: what their requests and objects alone convict them of."""

from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict

CONTROL = histories.silent(histories.control)


def resume_of(trial, controls=3, control=CONTROL, **options):
    return verdict(judged(trial, controls=controls, control=control, **options), "resume")


def test_the_same_final_state_and_a_restore_that_was_seen_are_exact():
    found = resume_of(histories.silent(histories.resumed)())
    assert found.status is Status.PASS
    assert "no steps are claimed, so only the end is compared" in found.message
    assert found.measures["restores"] == 1


def test_whoever_saves_an_earlier_step_without_reading_one_began_from_zero():
    found = resume_of(histories.silent(histories.restarted_from_zero)())
    assert (found.status, found.cause) == (Status.FAIL, "restarted-from-zero")
    assert found.measures == {"saved_step": 6, "committed_step": 12}
    assert len(found.evidence) == 2


def test_whoever_reads_only_an_older_checkpoint_than_the_last_restored_a_stale_one():
    found = resume_of(histories.silent(histories.stale)(step=16))
    assert (found.status, found.cause) == (Status.FAIL, "stale-restore")


def test_another_final_state_than_that_of_three_controls_is_a_defect():
    found = resume_of(histories.silent(histories.resumed)(diverge=True))
    assert (found.status, found.cause) == (Status.FAIL, "diverged-trajectory")


def test_a_ledger_cannot_be_expected_of_a_training_that_claims_no_steps():
    found = resume_of(
        histories.silent(histories.resumed)(), scenario=histories.scenario(resume="ledger")
    )
    assert (found.status, found.cause) == (Status.UNKNOWN, "no-ledger")


def test_another_final_state_needs_three_controls():
    found = resume_of(histories.silent(histories.resumed)(diverge=True), controls=2)
    assert found.status is Status.UNKNOWN


def test_a_training_that_claims_steps_when_undisturbed_and_none_when_struck_is_unknown():
    found = resume_of(histories.silent(histories.resumed)(), control=histories.control)
    assert (found.status, found.cause) == (Status.UNKNOWN, "no-ledger")
