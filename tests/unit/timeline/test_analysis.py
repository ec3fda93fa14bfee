"""Surviving lineage, outages and the use of compute."""

import pytest

from chaosml.artifacts.contract import Contract
from chaosml.timeline import build
from chaosml.timeline.analysis import Analysis
from tests.quality import histories


def analysis(events, scenario=None):
    scenario = scenario or histories.scenario()
    contract = Contract.compile(scenario, {"steps": str(histories.STEPS)})
    return Analysis(build(events, scenario), contract, histories.STEPS)


def parts(events):
    lineage = analysis(events).lineage
    assert lineage.gap is None
    return [(part.start, part.stop) for part in lineage.parts]


def test_the_lineage_of_a_control_is_one_part():
    assert parts(histories.control()) == [(0, 24)]


def test_steps_after_the_restored_one_are_not_in_the_lineage():
    assert parts(histories.resumed(save=False)) == [(0, 12), (12, 24)]


def test_a_start_from_zero_leaves_the_first_attempt_out():
    assert parts(histories.restarted_from_zero()) == [(0, 24)]


def test_two_faults_make_three_parts():
    training, uid = histories.struck()
    training.save(uid, 15)
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, 20)
    training.delete(second)
    histories.die(training, second)
    third = training.start(attempt=2)
    training.restore(third, 18, training.checkpoint_key(18))
    training.run(third, 19, 24)
    histories.finish(training, third)
    whole = analysis(training.close())
    assert [(part.start, part.stop) for part in whole.lineage.parts] == [
        (0, 15),
        (15, 18),
        (18, 24),
    ]
    assert [outage.mark for outage in whole.outages] == [15, 20]
    assert [outage.lost_steps for outage in whole.outages] == [0, 2]


def test_a_process_that_does_not_say_what_it_restored_leaves_a_gap():
    training, uid = histories.struck()
    training.save(uid, 15)
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.chain[second] = ("", 15, 0)
    training.run(second, 16, 24)
    histories.finish(training, second)
    lineage = analysis(training.close()).lineage
    assert "does not say what it restored" in lineage.gap


@pytest.mark.parametrize("view", ["gone", "seen", "restarted"])
def test_the_parts_of_a_recovery_sum_up_to_it(view):
    (outage,) = analysis(histories.resumed(view=view)).outages
    assert outage.duration.low_s == pytest.approx(outage.duration.high_s, abs=1e-4)
    assert sum(outage.parts.values()) == pytest.approx(outage.duration.middle_s, abs=1e-4)
    assert min(outage.parts.values()) >= 0
    assert outage.mark_is_exact


def test_held_time_is_no_part_of_a_recovery():
    def recovery_s(held_ms):
        training, uid = histories.struck()
        training.recording.pass_ms(1)
        histories.die(training, uid)
        second = training.start(attempt=1)
        training.restore(second, 12, training.checkpoint_key(12))
        training.hold(second, 13, why="expired")
        training.recording.pass_ms(held_ms)
        training.say("hold/h1", histories.facts.HoldEnded(hold="h1", why="receipt"), "control")
        training.run(second, 13, 24)
        histories.finish(training, second)
        return analysis(training.close()).outages[0].duration.middle_s

    assert recovery_s(3000) == pytest.approx(recovery_s(0), abs=0.01)


def done_by_the_old_attempt(*, loses_a_line=False):
    """Return a trial whose cut off pod finishes beside its replacement, which finds all done."""
    training, old = histories.struck(15)
    deleted = histories.facts.PodDeletion(uid=old, how="cut-off", grace_s=0, by="t1.kill")
    training.say(f"pod/{old}", deleted, "kubelet")
    new = training.start(again=1, node="node-2")
    training.run(old, 16, histories.STEPS)
    training.publish(old, histories.STEPS)
    training.end(old)
    training.claim(new, histories.facts.ClaimReady)
    if loses_a_line:
        training.lines[new] += 1
    training.claim(new, histories.facts.ClaimDone, step=histories.STEPS)
    training.end(new)
    return training.close()


def test_a_replacement_that_finds_the_work_done_has_recovered():
    (outage,) = analysis(done_by_the_old_attempt()).outages
    assert outage.recovered is not None
    assert outage.lost_steps == 0


def test_who_finds_the_work_done_may_have_done_it_where_lines_are_missing():
    (outage,) = analysis(done_by_the_old_attempt(loses_a_line=True)).outages
    assert outage.lost_steps is None


def test_progress_below_the_mark_is_no_recovery():
    (outage,) = analysis(histories.resumed(save=False)).outages
    assert outage.mark == 15
    assert outage.parts["catch_up_s"] > 3 * 0.004


def test_a_lost_log_leaves_the_mark_open_and_the_completion_as_the_proof():
    training, uid = histories.struck()
    training.recording.lose(f"log/{uid}")
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 12, training.checkpoint_key(12))
    training.run(second, 13, 24)
    histories.finish(training, second)
    (outage,) = analysis(training.close()).outages
    assert not outage.mark_is_exact
    assert outage.duration.low_s < outage.duration.high_s


def test_a_strike_after_the_work_was_done_is_no_outage():
    training = histories.Training("trial/1")
    training.arm()
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 24)
    training.claim(uid, histories.facts.ClaimDone, step=24)
    training.delete(uid)
    training.end(uid)
    assert analysis(training.close()).outages == []


def test_a_pod_that_finishes_within_its_grace_period_has_recovered():
    training, uid = histories.struck(step=24)
    training.publish(uid, 24)
    training.claim(uid, histories.facts.ClaimDone, step=24)
    training.end(uid)
    (outage,) = analysis(training.close()).outages
    assert outage.recovered is not None


@pytest.mark.parametrize(
    "events",
    [
        histories.control,
        histories.resumed,
        lambda: histories.resumed(save=False),
        lambda: histories.resumed(view="restarted"),
        histories.restarted_from_zero,
        histories.half_trained,
        histories.not_retried,
        histories.applied_twice,
    ],
)
def test_the_shares_of_compute_sum_up_to_one(events):
    usage = analysis(events()).usage
    assert sum(usage.shares.values()) == pytest.approx(1)
    assert min(usage.shares.values()) >= 0
    assert usage.waste == pytest.approx(1 - usage.shares["useful"])


def test_a_control_wastes_nothing_and_steps_done_again_are_recomputed():
    assert analysis(histories.control()).usage.waste == pytest.approx(0)
    shares = analysis(histories.restarted_from_zero()).usage.shares
    assert shares["recomputed"] > shares["start_up"] > 0
    assert analysis(histories.resumed()).usage.shares["recomputed"] == 0


def test_a_pod_lived_at_least_from_the_first_to_the_last_thing_that_it_did():
    training = histories.Training()
    uid = training.start()
    began = training.recording.now
    training.restore(uid, 0)
    first = training.recording.now
    training.run(uid, 1, histories.STEPS)
    training.recording.pass_ms(1000)
    training.claim(uid, histories.facts.ClaimDone, step=histories.STEPS)
    worked_s = (training.recording.now - first) / 1e9
    training.end(uid, since=began)
    usage = analysis(training.close()).usage
    assert worked_s <= usage.total.low_s < usage.total.high_s


def test_a_pod_without_an_end_leaves_the_use_unknown():
    training = histories.Training("trial/1")
    training.start()
    assert analysis(training.close(phase=None, reason="deadline")).usage is None


def test_the_notice_dates_the_outage_too():
    training = histories.Training("trial/1")
    training.arm()
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    node = "node-1"
    visible = histories.facts.NoticeVisible(
        node=node, notice="t1.kill", action="terminate", deadline_ns=0
    )
    training.say(f"node/{node}", visible, "metadata")
    training.recording.pass_ms(50)
    read = histories.facts.NoticeRead(node=node, notice="t1.kill", uid=uid, first=True)
    training.say(f"node/{node}", read, "metadata")
    training.save(uid, 15)
    training.end(uid, 143)
    second = training.start(attempt=1)
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, 24)
    histories.finish(training, second)
    (outage,) = analysis(training.close()).outages
    assert outage.notice.is_before(outage.began)
    assert outage.lost_steps == 0
