"""A store that was slow: its receipt, what it did to the step rate, and what is a defect."""

import pytest

from chaosml import event as facts
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers import degraded
from tests.unit.checkers.running import judged, receipt, verdict


def judge(trial, **options):
    given = {"scenario": degraded.scenario(), "plan": degraded.plan(), "control": degraded.control}
    return judged(trial, **{**given, **options})


def measures(judgement):
    return judgement.executions[-1].measures


def test_a_degradation_that_canaries_and_target_felt_has_a_receipt():
    judgement = judge(degraded.degraded())
    found = receipt(judgement)
    assert found.took_effect, found
    assert (found.actual_place, found.observed_view) == ("step 24", None)
    said = [ref.says for ref in found.evidence]
    assert any("canary before: 2.0 ms" in one for one in said)
    assert any("canary during: +308.0 ms" in one for one in said)
    assert any("4 requests of train during the fault" in one for one in said)
    assert judgement.status is Status.PASS, judgement.verdicts
    assert judgement.coverage.exercised == {"late": 1}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"during": (0.003, 0.002, 0.002)}, "effect-not-shown"),
        ({"during": (2.0, 2.1, 2.2)}, "effect-not-shown"),
        ({"after": (0.31, 0.3, 0.33)}, "effect-stayed"),
        ({"before": None}, "no-canary"),
        ({"during": None}, "no-canary"),
        ({"after": None}, "no-canary"),
        ({"before": ()}, "canary-failed"),
        ({"talks": False}, "nobody-disturbed"),
    ],
)
def test_a_degradation_without_its_evidence_proves_nothing(wrong, why):
    judgement = judge(degraded.degraded(**wrong))
    assert receipt(judgement).why_invalid == why
    assert verdict(judgement, "effect").status is Status.UNKNOWN
    assert verdict(judgement, "throughput-recovery").status is Status.UNKNOWN
    assert verdict(judgement, "requests-per-upload").status is Status.UNKNOWN
    assert judgement.status is Status.UNKNOWN


def test_one_bad_sample_of_a_canary_among_three_is_no_reason_to_doubt():
    found = receipt(judge(degraded.degraded(before=(0.9, 0.002, 0.9), after=(0.002, 0.9, 0.9))))
    assert found.took_effect, found


def test_a_toxic_that_was_never_removed_makes_no_receipt():
    events = [one for one in degraded.degraded() if not isinstance(one.data, facts.ToxicRemoved)]
    assert receipt(judge(events)).why_invalid == "toxic-not-removed"


def test_an_injection_without_any_toxic_makes_no_receipt():
    events = [
        one
        for one in degraded.degraded()
        if not isinstance(one.data, facts.ToxicAdded | facts.ToxicRemoved)
    ]
    assert receipt(judge(events)).why_invalid == "no-toxic"


def test_a_canary_that_was_not_through_when_the_fault_ended_shows_nothing():
    trial = degraded.Degraded()
    uid = trial.reach()
    trial.canary("before", 0.002)
    trial.add()
    trial.run(uid, 25, 30, 40)
    trial.remove()
    trial.canary("during", 0.31)
    trial.canary("after", 0.002)
    trial.run(uid, 31, degraded.STEPS)
    histories.finish(trial.training, uid)
    assert receipt(judge(trial.training.close())).why_invalid == "canary-outside"


@pytest.mark.parametrize(("taken_s", "why"), [(0.5, None), (0.1, "effect-not-shown")])
def test_what_bandwidth_costs_a_canary_follows_from_its_size(taken_s, why):
    trial = degraded.Degraded(type="bandwidth", toxics={"upstream": {"rate": 64}})
    uid = trial.reach()
    for when, seconds in (("before", 0.002), ("during", taken_s), ("after", 0.002)):
        if when == "during":
            trial.add()
        if when == "after":
            trial.run(uid, 25, 30, 40)
            trial.remove()
        trial.canary(when, seconds, size=(32_000, 1))
    trial.run(uid, 31, degraded.STEPS)
    histories.finish(trial.training, uid)
    assert receipt(judge(trial.training.close())).why_invalid == why


@pytest.mark.parametrize(("connections", "why"), [(1, None), (0, "nobody-disturbed")])
def test_another_service_must_have_been_talked_to_through_its_relay(connections, why):
    trial = degraded.Degraded(service="tracking")
    uid = trial.reach()
    trial.canary("before", 0.002)
    trial.add()
    trial.canary("during", 0.31)
    for _ in range(connections):
        traffic = facts.ServiceTraffic(
            proxy=degraded.PROXY, connections=1, sent_bytes=10, received_bytes=20
        )
        trial.say(f"proxy/{degraded.PROXY}", traffic, "gate")
    trial.run(uid, 25, 30, 40)
    trial.remove()
    trial.canary("after", 0.002)
    trial.run(uid, 31, degraded.STEPS)
    histories.finish(trial.training, uid)
    assert receipt(judge(trial.training.close())).why_invalid == why


def test_the_rate_that_comes_back_with_the_store_passes_and_is_shown_in_figures():
    judgement = judge(degraded.degraded())
    found = verdict(judgement, "throughput-recovery")
    assert found.status is Status.PASS, found
    shown = measures(judgement)
    assert shown["steps_per_s_during"] < 0.5 * shown["steps_per_s_control"]
    assert shown["throughput_recovery_s"] < 0.05
    assert shown["stall_s"] > 0.3  # the canary's time passes between two steps
    assert shown["requests_per_upload"] == 1.0


def test_a_rate_that_never_comes_back_fails():
    found = verdict(judge(degraded.degraded(later_ms=10.0)), "throughput-recovery")
    assert (found.status, found.cause) == (Status.FAIL, "never-recovered")
    assert "the limit is 0.1s" in found.message


def test_a_rate_that_was_not_seen_to_come_back_within_the_limit_is_unknown():
    limit = degraded.scenario(**{"throughput-recovery": {"at-most": "60s"}})
    found = verdict(judge(degraded.degraded(later_ms=10.0), scenario=limit), "throughput-recovery")
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-measured")


def test_a_rate_that_comes_back_too_late_fails():
    trial = degraded.Degraded()
    uid = trial.reach()
    trial.canary("before", 0.002)
    trial.add()
    trial.canary("during", 0.31)
    trial.run(uid, 25, 30, 40)
    trial.remove()
    trial.canary("after", 0.002)
    trial.run(uid, 31, 50, 40)
    trial.run(uid, 51, degraded.STEPS)
    histories.finish(trial.training, uid)
    found = verdict(judge(trial.training.close()), "throughput-recovery")
    assert (found.status, found.cause) == (Status.FAIL, "rate-back-too-late")


def test_a_training_that_ends_before_the_store_is_fast_again_leaves_it_unknown():
    trial = degraded.Degraded()
    uid = trial.reach()
    trial.canary("before", 0.002)
    trial.add()
    trial.canary("during", 0.31)
    trial.run(uid, 25, degraded.STEPS, 10)
    trial.remove()
    trial.canary("after", 0.002)
    histories.finish(trial.training, uid)
    found = verdict(judge(trial.training.close()), "throughput-recovery")
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-measured")


def test_without_controls_there_is_no_rate_to_compare_with():
    found = verdict(judge(degraded.degraded(), controls=0), "throughput-recovery")
    assert (found.status, found.cause) == (Status.UNKNOWN, "not-measured")


def test_lost_events_make_the_rate_unknown_and_nothing_else():
    events = [one for one in degraded.degraded() if one.seq != 60]
    found = verdict(judge(events), "throughput-recovery")
    assert (found.status, found.cause) == (Status.UNKNOWN, "evidence-lost")


def test_an_attempt_that_dies_of_the_slow_store_is_an_outage_of_the_injection():
    judgement = judge(degraded.died())
    assert receipt(judgement).took_effect
    lost = verdict(judgement, "lost-steps")
    assert lost.measures["lost_steps"] == 4
    assert verdict(judgement, "mttr").measures["mttr_s"] > 0.05
    strict = degraded.scenario(**{"lost-steps": {"at-most": 0}})
    found = verdict(judge(degraded.died(), scenario=strict), "lost-steps")
    assert (found.status, found.cause) == (Status.FAIL, "too-many-steps-lost")


def test_a_training_that_outlives_the_slow_store_has_no_outage():
    judgement = judge(degraded.degraded())
    assert verdict(judgement, "mttr").message == "the fault interrupted no work"


def test_an_attempt_that_dies_for_good_fails_by_its_name():
    found = verdict(judge(degraded.died(resumes=False)), "throughput-recovery")
    assert (found.status, found.cause) == (Status.FAIL, "died-of-slow-service")


def test_many_requests_for_each_upload_are_a_retry_storm():
    found = verdict(judge(degraded.stormy()), "requests-per-upload")
    assert (found.status, found.cause) == (Status.FAIL, "retry-storm")
    assert found.measures["requests_per_upload"] == 3.0


def test_a_scenario_without_these_limits_gets_no_such_verdicts():
    free = degraded.scenario(**{"throughput-recovery": None, "requests-per-upload": None})
    judgement = judge(degraded.degraded(), scenario=free)
    assert {one.checker for one in judgement.verdicts}.isdisjoint({"throughput"})
