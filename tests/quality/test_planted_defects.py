"""Every checker catches its planted defect for the right reason, and is silent on its twin."""

import pytest

from chaosml.checkers.judge import judge, needs_more_controls
from chaosml.timeline import build
from chaosml.verdict import Status
from tests.quality import histories

NO_RNG = {"omit": ("rng",)}


def judged(trial, *, controls=3, scenario=None, plan=None, policies=None, control=None):
    scenario = scenario or histories.scenario()
    control = control or histories.control
    return judge(
        scenario,
        plan or histories.plan(),
        [build(control(number + 1), scenario) for number in range(controls)],
        [build(trial, scenario)],
        run="run",
        pipeline="pipeline.yaml",
        versions={},
        replay="chaosml run",
        policies=policies,
    )


def verdict(judgement, expectation, execution="trial/1"):
    found = [
        one
        for one in judgement.verdicts
        if one.expectation == expectation and one.execution == execution
    ]
    assert len(found) == 1, found
    return found[0]


def assert_fails(judgement, expectation, cause):
    found = verdict(judgement, expectation)
    assert (found.status, found.cause) == (Status.FAIL, cause), found
    assert found.evidence
    assert judgement.status is Status.FAIL


def in_place(trial, **options):
    return judged(
        trial,
        scenario=histories.in_place_scenario(),
        control=histories.in_place_control,
        **options,
    )


@pytest.mark.parametrize("view", ["gone", "seen", "restarted"])
@pytest.mark.parametrize("save", [True, False])
def test_a_trial_that_resumes_exactly_passes_every_expectation(view, save):
    judgement = judged(
        histories.resumed(view=view, save=save), controls=2, plan=histories.plan(view=view)
    )
    assert {one.status for one in judgement.verdicts} == {Status.PASS}
    assert judgement.status is Status.PASS
    assert judgement.coverage.exercised == {f"kill/{view}": 1}
    assert judgement.coverage.missing == {}


def test_two_parts_written_by_one_save_are_no_mixture():
    judgement = in_place(histories.in_place(mixed=False))
    assert verdict(judgement, "corruption").status is Status.PASS
    assert verdict(judgement, "resume").status is Status.PASS


def test_training_without_rng_state_diverges_and_the_missing_component_is_named():
    trial = histories.resumed(diverge=True, **NO_RNG)
    judgement = judged(trial, control=lambda number: histories.control(number, **NO_RNG))
    assert_fails(judgement, "resume", "rng-not-restored")
    found = verdict(judgement, "resume")
    assert found.measures["first_divergent_step"] == 16
    assert "rng" in found.advice


def test_a_divergence_with_every_component_saved_is_a_diverged_trajectory():
    judgement = judged(histories.resumed(diverge=True))
    assert_fails(judgement, "resume", "diverged-trajectory")


def test_two_controls_do_not_convict_a_divergence_and_a_third_is_asked_for():
    scenario = histories.scenario()
    trial = histories.resumed(diverge=True)
    found = verdict(judged(trial, controls=2), "resume")
    assert (found.status, found.cause) == (Status.UNKNOWN, "diverged-trajectory")
    controls = [build(histories.control(number), scenario) for number in (1, 2, 3)]
    assert needs_more_controls(scenario, controls[:2], [build(trial, scenario)])
    assert not needs_more_controls(scenario, controls, [build(trial, scenario)])
    healthy = build(histories.resumed(), scenario)
    assert not needs_more_controls(scenario, controls[:2], [healthy])


def test_a_divergence_on_other_hardware_is_no_defect():
    judgement = judged(histories.resumed(diverge=True, fingerprint={"cpu": "another"}))
    found = verdict(judgement, "resume")
    assert found.status is Status.UNKNOWN
    assert "fingerprints differ in cpu" in found.message


def test_controls_that_disagree_are_judged_by_the_band_of_their_losses():
    grains = ["", "x", "xx"]

    def control(number):
        return histories.control(number, grain=grains[number - 1])

    inside = judged(histories.resumed(grain="x"), control=control)
    assert verdict(inside, "resume").status is Status.PASS
    outside = judged(histories.resumed(grain="x" * 9), control=control)
    assert verdict(outside, "resume").cause == "outside-band"
    exact = judged(
        histories.resumed(grain="x"), control=control, scenario=histories.scenario(resume="exact")
    )
    assert verdict(exact, "resume").cause == "controls-disagree"


def test_a_restarted_pod_that_takes_itself_for_a_first_attempt_restarts_from_zero():
    judgement = judged(histories.restarted_from_zero(), plan=histories.plan(view="restarted"))
    assert_fails(judgement, "resume", "restarted-from-zero")
    assert_fails(judgement, "lost-steps", "too-many-steps-lost")


def test_starting_from_zero_is_right_where_nothing_was_committed():
    trial = histories.restarted_from_zero(step=4)
    judgement = judged(trial, plan=histories.plan(step=4, view="restarted"))
    assert verdict(judgement, "resume").status is Status.PASS


def test_a_restore_older_than_the_last_commit_is_stale():
    assert_fails(judged(histories.stale()), "resume", "stale-restore")


def test_a_step_that_is_applied_twice_is_caught():
    assert_fails(judged(histories.applied_twice()), "resume", "step-applied-twice")


def test_a_step_that_is_left_out_is_caught():
    assert_fails(judged(histories.applied_twice(skip=True)), "resume", "step-skipped")


def test_a_checkpoint_that_holds_the_next_step_is_mislabelled():
    assert_fails(judged(histories.mislabelled()), "resume", "mislabelled-checkpoint")


def test_a_handler_that_saves_before_the_step_is_counted_is_named_although_its_chain_does_not_fit():
    assert_fails(judged(histories.saved_in_handler()), "resume", "mislabelled-checkpoint")


def test_checkpoints_that_all_bear_the_name_of_the_next_step_are_mislabelled():
    def control(number):
        return histories.control(number, named_ahead=1)

    judgement = judged(histories.named_ahead(), control=control)
    assert_fails(judgement, "resume", "mislabelled-checkpoint")


@pytest.mark.parametrize(
    ("by", "cause"),
    [(-1, "batch-applied-twice"), (1, "batch-left-out"), (2, "diverged-trajectory")],
)
def test_a_sampler_that_goes_on_at_another_batch_is_told_by_which_one_it_takes(by, cause):
    judgement = judged(histories.shifted_batches(by=by))
    assert_fails(judgement, "resume", cause)
    assert verdict(judgement, "resume").measures["first_divergent_step"] == 16


def test_a_guard_that_trusts_an_object_which_nothing_commits_is_a_false_hit():
    judgement = judged(histories.guarded(), plan=histories.plan(step=histories.STEPS))
    assert_fails(judgement, "corruption", "false-guard-hit")
    healthy = judged(histories.guarded(commits=True), plan=histories.plan(step=histories.STEPS))
    assert verdict(healthy, "corruption").status is Status.PASS


def test_exit_zero_on_a_signal_registers_a_half_trained_model():
    judgement = judged(histories.half_trained(), plan=histories.plan(view="seen"))
    assert_fails(judgement, "corruption", "half-trained-model-registered")
    assert_fails(judgement, "resume", "training-ended-early")
    assert_fails(judgement, "mttr", "never-recovered")
    assert "exited 0" in verdict(judgement, "corruption").message


def test_a_damaged_object_under_its_marker_is_torn():
    assert_fails(judged(histories.torn()), "corruption", "torn-artifact")


def test_a_marker_written_before_its_object_is_caught_although_all_is_there_in_the_end():
    trial = histories.torn(marker_first=True)
    assert_fails(judged(trial), "corruption", "marker-before-data")


def test_parts_of_different_saves_are_a_mixed_checkpoint():
    judgement = in_place(histories.in_place())
    assert_fails(judgement, "corruption", "mixed-checkpoint")
    assert_fails(judgement, "resume", "mixed-checkpoint")
    assert verdict(judgement, "corruption").measures["read"] == 1


def test_a_model_that_is_registered_twice_is_caught():
    assert_fails(judged(histories.registered_again()), "corruption", "duplicate-registration")


def test_an_entry_that_is_written_before_its_model_is_caught_although_all_is_there_in_the_end():
    judgement = judged(histories.registered_early())
    assert_fails(judgement, "corruption", "registered-before-promotion")


def test_an_entry_whose_object_is_not_there_dangles():
    trial = histories.registered_again(
        name="registry/trial-1.json", key="models/model-000000000000.npz", digest="0" * 64
    )
    assert_fails(judged(trial), "corruption", "dangling-registry-entry")


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("OnTransientError", "matches no message of a deleted pod"),
        ("OnFailure", "never Error"),
        ("Never", "no retryStrategy"),
    ],
)
def test_a_deleted_pod_that_is_not_retried_is_explained_by_the_policy(policy, words):
    judgement = judged(histories.not_retried(), policies={"train": policy})
    assert_fails(judgement, "outcome", "pod-deleted-not-retried")
    found = verdict(judgement, "outcome")
    assert words in found.message
    assert "view gone" in found.message
    assert "Always" in found.advice
    assert_fails(judgement, "mttr", "never-recovered")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Max duration limit exceeded", "retries-cut-off"),
        ("Backoff would exceed max duration limit", "retries-cut-off"),
        ("retryStrategy.expression evaluated to false", "excluded-by-expression"),
        ("No more retries left", "retries-exhausted"),
    ],
)
def test_a_task_that_is_given_up_is_explained_by_what_the_orchestrator_says_of_it(message, cause):
    training, uid = histories.struck()
    histories.die(training, uid)
    training.phase("train", None, "Error", message)
    judgement = judged(training.close("Error", "child failed"), policies={"train": "Always"})
    assert_fails(judgement, "outcome", cause)
    assert message in verdict(judgement, "outcome").message


def test_a_pod_that_is_killed_when_its_grace_is_over_had_too_little_of_it():
    training, uid = histories.struck()
    training.end(uid, 137, "Failed", "main: Error (exit code 137)", "seen")
    second = training.start(attempt=1, node="node-2")
    training.restore(second, 12, training.checkpoint_key(12))
    training.run(second, 13, histories.STEPS)
    histories.finish(training, second)
    strict = histories.scenario(**{"lost-steps": {"at-most": 0}})
    judgement = judged(training.close(), scenario=strict, plan=histories.plan(view="seen"))
    assert_fails(judgement, "lost-steps", "grace-ran-out")


def test_a_recovery_beyond_the_limit_fails():
    judgement = judged(histories.resumed(), scenario=histories.scenario(mttr={"at-most": "10ms"}))
    assert_fails(judgement, "mttr", "recovery-too-slow")


def test_more_waste_than_stated_fails():
    scenario = histories.scenario(**{"compute-waste": {"at-most": "5%"}})
    found = verdict(judged(histories.resumed(save=False), scenario=scenario), "compute-waste")
    assert (found.status, found.cause) == (Status.FAIL, "too-much-waste")
    assert found.measures["recomputed_share"] > 0


def test_a_corruption_in_a_control_fails_the_run():
    def control(number):
        return histories.half_trained(number) if number == 2 else histories.control(number)

    judgement = judged(histories.resumed(), control=control)
    assert verdict(judgement, "corruption", None).status is Status.FAIL
