"""Limits for recoveries, lost steps and compute."""

import pytest

from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict


def limited(**limit):
    return histories.scenario(mttr=limit)


@pytest.mark.parametrize("figure", ["mean", "p95"])
def test_figures_over_all_recoveries_are_judged_once(figure):
    trials = [histories.resumed(1), histories.resumed(2, save=False)]
    met = verdict(judged(*trials, scenario=limited(**{figure: "1s"})), "mttr", None)
    assert met.status is Status.PASS
    assert met.measures["recoveries"] == 2
    broken = verdict(judged(*trials, scenario=limited(**{figure: "1ms"})), "mttr", None)
    assert (broken.status, broken.cause) == (Status.FAIL, "recovery-too-slow")


def test_steps_that_nobody_claims_are_not_none_that_were_lost():
    def silent(number):
        training = histories.Training(f"control/{number}")
        training.end(training.start())
        return training.close()

    training = histories.Training("trial/1")
    training.arm(15)
    uid = training.start()
    training.hold(uid, 15)
    histories.die(training, uid)
    training.end(training.start(attempt=1, node="node-2"))
    found = verdict(judged(training.close(), control=silent), "lost-steps")
    assert (found.status, found.cause) == (Status.UNKNOWN, "no-ledger")


def test_an_outage_without_an_end_is_never_dropped_from_a_mean():
    training, uid = histories.struck(2)
    histories.die(training, uid)
    censored = training.close(phase=None, reason="deadline")
    found = verdict(
        judged(histories.resumed(1), censored, scenario=limited(mean="1s")), "mttr", None
    )
    assert found.status is Status.UNKNOWN
    never = verdict(
        judged(histories.resumed(1), histories.not_retried(2), scenario=limited(mean="1s")),
        "mttr",
        None,
    )
    assert (never.status, never.cause) == (Status.FAIL, "never-recovered")


def test_a_limit_between_the_ends_of_a_duration_is_undecided():
    def slow(number):
        training, uid = histories.struck(number)
        training.save(uid, 15)
        histories.die(training, uid)
        second = training.start(attempt=1)
        training.restore(second, 15, training.checkpoint_key(15))
        early = training.recording.now
        training.recording.pass_ms(2000)
        training.chain[second] = ("", 15, 0)
        batch = histories.digest_of("batch", 16)[:16]
        training.lines[second] += 1
        step = histories.facts.ClaimStep(
            n=training.lines[second], pid=7, step=16, batch=batch, state=training.digest(16)
        )
        training.say(f"pod/{second}", step, f"log/{second}", histories.Basis.CLAIMED, since=early)
        training.run(second, 17, 24)
        histories.finish(training, second)
        return training.close()

    found = verdict(judged(slow(1), scenario=limited(**{"at-most": "1s"})), "mttr")
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-exact-enough")
    assert verdict(judged(slow(1), scenario=limited(**{"at-most": "5s"})), "mttr").status is (
        Status.PASS
    )


def waiting(message="0/2 nodes are available: 2 node(s) were unschedulable."):
    training, uid = histories.struck()
    training.save(uid, 15)
    histories.die(training, uid)
    training.phase("train", 1, "Pending", message)
    training.recording.pass_ms(3000)
    second = training.start(attempt=1)
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, 24)
    histories.finish(training, second)
    return training.close()


def test_waiting_for_capacity_is_not_the_fault_of_the_pipeline():
    scenario = limited(**{"at-most": "1s"})
    found = verdict(judged(waiting(), scenario=scenario), "mttr")
    assert (found.status, found.cause) == (Status.UNKNOWN, "waiting-for-capacity")
    idle = verdict(judged(waiting(""), scenario=scenario), "mttr")
    assert (idle.status, idle.cause) == (Status.FAIL, "recovery-too-slow")


def test_scheduling_can_be_left_out_of_the_limit():
    scenario = limited(**{"at-most": "1s", "excluding": ["scheduling"]})
    assert verdict(judged(waiting(""), scenario=scenario), "mttr").status is Status.PASS


def test_lost_steps_count_from_the_mark_to_the_restored_step():
    found = verdict(judged(histories.resumed(save=False)), "lost-steps")
    assert found.measures["lost_steps"] == 3
    strict = histories.scenario(**{"lost-steps": {"at-most": 2}})
    found = verdict(judged(histories.resumed(save=False), scenario=strict), "lost-steps")
    assert (found.status, found.cause) == (Status.FAIL, "too-many-steps-lost")


def test_expectations_that_are_not_stated_are_measured_and_decide_nothing():
    scenario = histories.scenario(
        **{"mttr": None, "lost-steps": None, "compute-waste": None, "lineage": None}
    )
    judgement = judged(histories.resumed(), scenario=scenario)
    assert {one.expectation for one in judgement.verdicts} == {
        "outcome",
        "resume",
        "corruption",
        "effect",
    }
    measures = judgement.executions[-1].measures
    assert measures["mttr_s"] > 0
    assert measures["lost_steps"] == 0
    assert measures["waste"] > 0


def test_waste_is_compute_over_the_mean_of_the_controls():
    judgement = judged(histories.resumed(save=False))
    found = verdict(judgement, "compute-waste")
    trial, control = judgement.executions[-1].measures, judgement.executions[0].measures
    assert found.measures["waste"] == pytest.approx(trial["cpu_s"] / control["cpu_s"] - 1, abs=1e-4)


def test_a_failed_workflow_compares_with_nothing():
    judgement = judged(histories.not_retried())
    assert verdict(judgement, "compute-waste").status is Status.UNKNOWN
    assert "waste" not in judgement.executions[-1].measures


def left_open(*keys):
    training, uid = histories.struck()
    training.save(uid, 15)
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, 24)
    histories.finish(training, second)
    training.pending += [histories.facts.UploadPending(key=key, upload="u") for key in keys]
    return training.close()


def test_an_upload_that_nobody_ended_is_an_orphan():
    scenario = histories.scenario(**{"orphan-uploads": {"at-most": 0}})
    found = verdict(judged(left_open("checkpoints/a"), scenario=scenario), "orphan-uploads")
    assert (found.status, found.cause) == (Status.FAIL, "orphan-upload")
    assert found.checker == "waste"
    assert found.evidence
    assert "checkpoints/a" in found.message
    judgement = judged(left_open(), scenario=scenario)
    assert verdict(judgement, "orphan-uploads").status is Status.PASS
    assert verdict(judgement, "orphan-uploads", "control/1").status is Status.PASS


def test_as_many_open_uploads_as_allowed_pass():
    scenario = histories.scenario(**{"orphan-uploads": {"at-most": 1}})
    found = verdict(judged(left_open("checkpoints/a"), scenario=scenario), "orphan-uploads")
    assert found.status is Status.PASS
    assert found.measures["orphan_uploads"] == 1
