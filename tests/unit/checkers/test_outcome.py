"""How a workflow ended, and why."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict


def failed(message="main: Error (exit code 1)", phase="Failed", code=1):
    training, uid = histories.struck()
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 12, training.checkpoint_key(12))
    training.end(second, code, phase, message)
    return training.close(phase)


def test_the_expected_phase_passes():
    scenario = histories.scenario(outcome="Failed")
    judgement = judged(failed(), scenario=scenario)
    assert verdict(judgement, "outcome").status is Status.PASS
    assert verdict(judgement, "outcome", "control/1").status is Status.PASS


@pytest.mark.parametrize(
    ("policy", "phase", "message", "cause", "words"),
    [
        ("OnError", "Failed", "main: Error (exit code 143)", "failed-not-retried", "never Failed"),
        ("OnFailure", "Error", "wait: Error (exit code 64): x", "error-not-retried", "view wait"),
        ("Always", "Error", "pod deleted", "retries-exhausted", "was the last"),
        ("Always", "Failed", "main: Error (exit code 1)", "task-failed", "exit code 1"),
        (None, "Failed", "main: Error (exit code 1)", "task-failed", "exit code 1"),
    ],
)
def test_a_bad_end_is_explained_by_task_message_and_policy(policy, phase, message, cause, words):
    policies = {} if policy is None else {"train": policy}
    found = verdict(judged(failed(message, phase), policies=policies), "outcome")
    assert (found.status, found.cause) == (Status.FAIL, cause)
    assert words in found.message
    assert found.evidence[0].says.startswith("train(1)")


def test_a_later_failure_is_traced_to_the_training_that_passed_for_done():
    training, uid = histories.struck(view="seen")
    training.save(uid, 15)
    training.end(uid, 0, "Succeeded")
    evaluate = training.start("evaluate")
    training.end(evaluate, 2, "Failed", "main: Error (exit code 2)")
    judgement = judged(training.close("Failed"), plan=histories.plan(view="seen"))
    found = verdict(judgement, "outcome")
    assert found.cause == "false-success"
    assert "passed for done at step 15 of 24" in found.message
    assert verdict(judgement, "resume").cause == "training-ended-early"


def test_a_control_that_fails_is_a_failure():
    def control(number):
        training = histories.Training(f"control/{number}")
        uid = training.start()
        training.end(uid, 1, "Failed", "main: Error (exit code 1)")
        return training.close("Failed")

    judgement = judged(histories.resumed(), control=control)
    found = verdict(judgement, "outcome", "control/1")
    assert (found.status, found.cause) == (Status.FAIL, "fails-undisturbed")
    assert "without any fault" in found.advice


@pytest.mark.parametrize("reason", ["deadline", "interrupted"])
def test_a_workflow_that_had_not_ended_is_censored(reason):
    training, uid = histories.struck()
    histories.die(training, uid)
    judgement = judged(training.close(phase=None, reason=reason))
    for expectation in ("outcome", "mttr"):
        found = verdict(judgement, expectation)
        assert (found.status, found.cause) == (Status.UNKNOWN, reason)
    assert verdict(judgement, "mttr", None).status is Status.UNKNOWN
    assert judgement.interrupted is (reason == "interrupted")


def test_a_pod_that_no_node_takes_says_nothing_about_the_pipeline():
    training, uid = histories.struck()
    histories.die(training, uid)
    words = "0/0 nodes are available: no node is there."
    training.phase("train", 1, "Pending", words)
    training.recording.pass_ms(2500)
    judgement = judged(training.close(phase=None, reason="deadline"))
    for expectation in ("outcome", "mttr"):
        found = verdict(judgement, expectation)
        assert (found.status, found.cause) == (Status.UNKNOWN, "waiting-for-capacity")
    message = verdict(judgement, "outcome").message
    assert "train(1) had waited 2.5s for a node" in message
    assert words in message


def test_a_pod_that_found_a_node_in_the_end_did_not_wait_for_one():
    training, uid = histories.struck()
    histories.die(training, uid)
    training.phase("train", 1, "Pending", "0/1 nodes are available: 1 node(s) were unschedulable.")
    training.phase("train", 1, "Running")
    judgement = judged(training.close(phase=None, reason="deadline"))
    assert verdict(judgement, "outcome").cause == "deadline"


def test_a_death_that_nobody_of_us_caused_excuses_the_pipeline():
    training, uid = histories.struck()
    training.save(uid, 15)
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 15, training.checkpoint_key(15))
    training.end(second, 137, "Failed", "main: Error (exit code 137)")
    judgement = judged(training.close("Failed"))
    for expectation in ("outcome", "mttr"):
        found = verdict(judgement, expectation)
        assert (found.status, found.cause) == (Status.UNKNOWN, "infrastructure-death")


def test_a_history_that_breaks_off_is_judged_and_decides_nothing():
    events = histories.resumed()
    for end in range(0, len(events), 7):
        judgement = judged(events[:end])
        assert not [one for one in judgement.verdicts if one.details]
        assert Status.PASS not in {
            one.status for one in judgement.verdicts if one.execution in ("trial/1", "")
        }


@pytest.mark.parametrize("offset", [-(10**12), 10**12, 1000])
def test_lines_without_sense_break_no_checker(offset):
    events = [
        msgspec.structs.replace(
            event, data=msgspec.structs.replace(event.data, step=event.data.step + offset)
        )
        if isinstance(event.data, facts.ClaimStep)
        else event
        for event in histories.resumed()
    ]
    judgement = judged(events)
    assert not [one for one in judgement.verdicts if one.details]
    assert verdict(judgement, "resume").status is not Status.PASS
