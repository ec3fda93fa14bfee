"""Receipts: what others saw of an injection; and the cases that a PASS covers."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.plan.model import Case
from chaosml.verdict import Status
from tests.quality import histories
from tests.quality.recording import MS
from tests.unit.checkers.running import judged, receipt, verdict


def assert_invalid(judgement, why):
    assert receipt(judgement).why_invalid == why, receipt(judgement)
    found = verdict(judgement, "effect")
    assert (found.status, found.cause) == (Status.UNKNOWN, why)
    assert judgement.status is Status.UNKNOWN
    assert not judgement.executions[-1].valid
    assert judgement.coverage.exercised == {}
    assert why in judgement.coverage.missing["kill/gone"]


def replaced(events, kind, **fields):
    return [
        msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, **fields))
        if isinstance(event.data, kind)
        else event
        for event in events
    ]


def test_a_strike_at_its_place_has_a_receipt_with_its_evidence():
    found = receipt(judged(histories.resumed()))
    assert found.took_effect
    assert (found.planned_place, found.actual_place) == ("step 15", "step 15")
    assert (found.planned_view, found.observed_view) == ("gone", "gone")
    said = [ref.says for ref in found.evidence]
    assert said[0] == "held at step 15"
    assert any("exited 143" in one for one in said)


def test_a_target_that_finished_before_the_strike_proves_nothing():
    training = histories.Training("trial/1")
    training.arm(step=30)
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, histories.STEPS)
    histories.finish(training, uid)
    judgement = judged(training.close(), plan=histories.plan(step=30))
    assert_invalid(judgement, "target-finished")
    assert verdict(judgement, "resume").status is Status.PASS


def test_a_hold_that_expired_proves_nothing():
    training = histories.Training("trial/1")
    training.arm()
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    training.hold(uid, 15, why="expired")
    training.run(uid, 16, histories.STEPS)
    histories.finish(training, uid)
    assert_invalid(judged(training.close()), "hold-expired")


def test_a_hold_at_another_step_is_the_wrong_place():
    events = replaced(histories.resumed(), facts.HoldStarted, step=16, place="step 16")
    assert_invalid(judged(events), "wrong-place")


def test_what_the_harness_itself_calls_invalid_is_invalid():
    training, uid = histories.struck()
    invalid = facts.InjectionInvalid(injection="t1.kill", why="hold-expired", detail="5 s")
    training.say("injection/t1.kill", invalid)
    training.save(uid, 15)
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, histories.STEPS)
    histories.finish(training, second)
    assert_invalid(judged(training.close()), "hold-expired")


def test_a_bucket_that_was_not_empty_proves_nothing():
    events = replaced(histories.resumed(), facts.IsolationChecked, objects=3)
    assert_invalid(judged(events), "not-empty")


def test_a_death_by_somebody_else_is_no_receipt():
    events = replaced(histories.resumed(), facts.PodDeletion, by="somebody")
    events = replaced(events, facts.PodSignalled, by="somebody")
    assert receipt(judged(events)).why_invalid == "target-finished"


def test_an_injection_that_was_planned_and_never_armed_is_invalid():
    events = [
        event for event in histories.control() if not isinstance(event.data, facts.InjectionArmed)
    ]
    events = replaced(events, facts.ExecutionStarted, execution="trial/1")
    assert_invalid(judged(events), "never-armed")


def test_a_planned_trial_without_a_history_did_not_run():
    judgement = judged(histories.resumed(), plan=histories.plan(trials=2))
    found = verdict(judgement, "effect", "trial/2")
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-run")
    assert judgement.status is Status.UNKNOWN


@pytest.mark.parametrize("view", ["gone", "seen", "restarted"])
def test_the_view_is_the_one_that_the_workflow_shows(view):
    assert receipt(judged(histories.resumed(view=view))).observed_view == view


def test_a_task_without_its_outputs_shows_a_failed_wait():
    events = replaced(histories.resumed(), facts.PodGone, view="gone")
    events = [
        msgspec.structs.replace(
            event,
            data=msgspec.structs.replace(event.data, message="wait: Error (exit code 64): x"),
        )
        if isinstance(event.data, facts.TaskPhase) and event.data.message == "pod deleted"
        else event
        for event in events
    ]
    assert receipt(judged(events)).observed_view == "wait-failed"


def test_a_trial_counts_for_the_view_that_was_observed():
    judgement = judged(histories.resumed(view="seen"))
    assert verdict(judgement, "effect").status is Status.PASS
    assert judgement.coverage.exercised == {"kill/seen": 1}
    assert judgement.coverage.missing == {"kill/gone": "trial/1 showed kill/seen instead"}


def test_cases_that_were_not_dealt_are_missing():
    case = Case(fault="kill", view="restarted")
    plan = histories.plan()
    plan = msgspec.structs.replace(plan, cases=(*plan.cases, case), undealt=(case,))
    judgement = judged(histories.resumed(), plan=plan)
    assert "too few trials" in judgement.coverage.missing["kill/restarted"]
    assert judgement.status is Status.PASS


NODE = "node-1"


def reclaim(
    read=True, withdraw=True, stop=False, cordon=None, lethal=True, exit_code=143, to_the_second=0
):
    """Return a trial with a notice at step 15; the end of the pod may be known roughly only."""
    training = histories.Training("trial/1")
    armed = facts.InjectionArmed(
        injection="t1.kill",
        fault="kill",
        inject="spot.reclaim",
        task="train",
        trigger="step 15",
        exact=True,
        view="seen" if lethal else None,
        lethal=lethal,
        step=15,
        options={"notice": 4.0, "reaction": "none"},
    )
    training.say("injection/t1.kill", armed)
    uid = training.start(node=NODE)
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    training.say(
        "hold/h1",
        facts.HoldStarted(hold="h1", rule="t1.kill", uid=uid, place="step 15", step=15),
        "control",
    )
    notice = {"node": NODE, "notice": "t1.kill"}
    training.say("n", facts.NoticeVisible(**notice, action="terminate", deadline_ns=0), "metadata")
    training.say("hold/h1", facts.HoldEnded(hold="h1", why="receipt"), "control")
    if cordon is not None:
        if cordon:
            changed = facts.NodeChanged(node=NODE, state="cordoned", by="t1.kill")
            training.say(f"node/{NODE}", changed, "kubelet")
        evicted = facts.PodDeletion(uid=uid, how="evict", grace_s=30, by="t1.kill")
        training.say(f"pod/{uid}", evicted, "kubelet")
    if read:
        training.say("n", facts.NoticeRead(**notice, uid=uid, first=True), "metadata")
    if lethal:
        training.save(uid, 15)
        training.end(uid, exit_code, since=training.recording.now - to_the_second * MS)
    if stop:
        stopped = facts.NodeChanged(node=NODE, state="stopped", by="t1.kill")
        training.say(f"node/{NODE}", stopped, "kubelet")
    if withdraw:
        training.say("n", facts.NoticeWithdrawn(**notice), "metadata")
    last, begin = uid, 16
    if lethal:
        last = training.start(attempt=1, node="node-2")
        training.restore(last, 15, training.checkpoint_key(15))
    training.run(last, begin, histories.STEPS)
    histories.finish(training, last)
    return training.close()


def reclaimed(view="seen", **options):
    return judged(reclaim(**options), plan=histories.plan(view=view, notice=4.0))


def test_a_pod_that_reads_the_notice_and_goes_has_its_receipt():
    judgement = reclaimed()
    assert receipt(judgement).took_effect
    assert any("read the notice" in ref.says for ref in receipt(judgement).evidence)
    assert judgement.status is Status.PASS


def test_a_pod_that_has_read_the_notice_lived_then_however_roughly_its_end_is_known():
    judgement = reclaimed(to_the_second=1000)
    assert receipt(judgement).took_effect
    assert judgement.coverage.exercised == {"kill/seen": 1}


def test_a_pod_that_dies_without_having_read_the_notice_was_not_struck():
    assert not receipt(reclaimed(read=False)).took_effect


def test_a_drain_needs_its_cordon():
    assert receipt(reclaimed(cordon=True)).took_effect
    assert receipt(reclaimed(cordon=False)).why_invalid == "not-cordoned"


def test_a_false_alarm_needs_a_withdrawn_notice_and_a_living_node():
    judgement = reclaimed(view=None, lethal=False)
    assert receipt(judgement).took_effect
    assert verdict(judgement, "mttr").message == "the fault interrupted no work"
    assert judgement.coverage.exercised == {"kill": 1}
    kept = reclaimed(view=None, lethal=False, withdraw=False)
    assert receipt(kept).why_invalid == "notice-not-withdrawn"
    stopped = reclaimed(view=None, lethal=False, stop=True)
    assert receipt(stopped).why_invalid == "node-died"


def test_a_control_that_did_not_start_empty_is_doubtful():
    def control(number):
        return replaced(histories.control(number), facts.IsolationChecked, objects=1)

    judgement = judged(histories.resumed(), control=control)
    assert verdict(judgement, "effect", "control/1").cause == "not-empty"
    assert judgement.status is Status.UNKNOWN
