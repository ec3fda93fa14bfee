"""Classes of corruption, their healthy twins, and the rate over trials."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, verdict


def replaced(events, matches, **fields):
    return [
        msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, **fields))
        if matches(event.data)
        else event
        for event in events
    ]


def is_artifact(prefix):
    return lambda fact: isinstance(fact, facts.ArtifactObserved) and fact.key.startswith(prefix)


def cause_of(events, **options):
    found = verdict(judged(events, **options), "corruption")
    return found.status, found.cause


def test_a_half_trained_model_is_published_even_where_nobody_registers_it():
    training, uid = histories.struck(view="seen")
    training.save(uid, 15)
    training.publish(uid, 15)
    training.end(uid, 0, "Succeeded")
    assert cause_of(training.close()) == (Status.FAIL, "half-trained-model-published")


def test_an_object_that_is_not_what_its_marker_says_is_torn():
    events = replaced(histories.resumed(), is_artifact("checkpoints/step-6/state"), sha256="f" * 64)
    assert cause_of(events) == (Status.FAIL, "torn-artifact")


def test_a_marker_without_its_object_is_caught():
    events = histories.resumed()
    kept = [event for event in events if not is_artifact("checkpoints/step-6/state")(event.data)]
    renumbered, number = [], 0
    for event in kept:
        if event.source == "audit":
            number += 1
            event = msgspec.structs.replace(event, source_seq=number)
        if isinstance(event.data, facts.SourceClosed) and event.data.source == "audit":
            event = msgspec.structs.replace(
                event, data=facts.SourceClosed(source="audit", last=number)
            )
        renumbered.append(event)
    assert cause_of(renumbered) == (Status.FAIL, "marker-without-data")
    assert cause_of(kept)[0] is Status.UNKNOWN


def test_a_part_without_the_others_is_torn_once_nobody_completes_it():
    options = {
        "scenario": histories.in_place_scenario(),
        "control": histories.in_place_control,
    }
    found = verdict(judged(histories.alone(), **options), "corruption")
    assert (found.status, found.cause) == (Status.FAIL, "torn-artifact")
    assert "without checkpoints/meta.json" in found.message
    whole = verdict(judged(histories.in_place(mixed=False), **options), "corruption")
    assert whole.status is Status.PASS


def test_an_object_that_could_not_be_read_leaves_it_open():
    events = replaced(
        histories.resumed(),
        is_artifact("checkpoints/step-6/state"),
        problem="access denied",
        sha256=None,
    )
    assert cause_of(events) == (Status.UNKNOWN, "contents-unknown")


def test_a_damaged_object_that_no_marker_commits_is_a_leftover():
    training, uid = histories.struck()
    key = f"checkpoints/step-15/state-{'a' * 12}.npz"
    training.put(uid, key, role="checkpoint", sha256="a" * 64, step=15, problem="truncated")
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.restore(second, 12, training.checkpoint_key(12))
    training.run(second, 13, 24)
    histories.finish(training, second)
    found = verdict(judged(training.close()), "corruption")
    assert found.status is Status.PASS
    assert found.measures["uncommitted_objects"] == 1


def test_a_canonical_checkpoint_that_goes_back_is_a_regression():
    training = histories.InPlace("trial/1")
    training.arm()
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    training.hold(uid)
    histories.die(training, uid, "restarted")
    second = training.start(again=1)
    training.restore(second, 0)
    training.run(second, 1, 24)
    training.publish(second, 24)
    training.end(second)
    judgement = judged(
        training.close(),
        scenario=histories.in_place_scenario(),
        control=histories.in_place_control,
    )
    assert verdict(judgement, "corruption").cause == "regressed-to-older-step"


def test_a_mixture_within_a_live_save_is_none():
    found = verdict(
        judged(
            histories.in_place(mixed=False),
            scenario=histories.in_place_scenario(),
            control=histories.in_place_control,
        ),
        "corruption",
    )
    assert found.status is Status.PASS


def test_parts_that_two_pods_write_at_once_leave_the_order_open():
    training = histories.InPlace("trial/1")
    training.arm()
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    training.hold(uid)
    zombie_start = training.recording.now
    second = training.start(attempt=1)
    training.load(second, 12)
    training.run(second, 13, 24)
    request = facts.Request(
        operation="PutObject",
        bucket="b",
        key="checkpoints/weights.npz",
        uid=uid,
        status=200,
        stored=True,
        version="zombie",
    )
    training.say("object", request, "gate", since=zombie_start)
    histories.die(training, uid)
    training.publish(second, 24)
    training.end(second)
    judgement = judged(
        training.close(),
        scenario=histories.in_place_scenario(),
        control=histories.in_place_control,
    )
    assert verdict(judgement, "corruption").cause == "order-unknown"


def test_an_attempt_that_takes_missing_work_for_done_hit_a_false_guard():
    training, uid = histories.struck()
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.claim(second, facts.ClaimReady)
    training.claim(second, facts.ClaimDone, step=24)
    training.end(second)
    assert cause_of(training.close()) == (Status.FAIL, "false-guard-hit")


def test_a_guard_that_finds_the_final_model_is_right():
    training, uid = histories.struck(step=24)
    training.publish(uid, 24)
    histories.die(training, uid)
    second = training.start(attempt=1)
    training.claim(second, facts.ClaimReady)
    training.claim(second, facts.ClaimDone, step=24)
    training.end(second)
    training.evaluate()
    training.register()
    judgement = judged(training.close(), plan=histories.plan(step=24))
    assert {one.status for one in judgement.verdicts} == {Status.PASS}, [
        one for one in judgement.verdicts if one.status is not Status.PASS
    ]


def test_a_store_without_versions_hides_what_was_there_in_between():
    status = cause_of(histories.resumed(versioned=False))
    assert status == (Status.UNKNOWN, "no-versions")


def test_a_registry_entry_with_another_digest_than_its_object_is_caught():
    trial = histories.registered_again(name="registry/trial-1.json", digest="0" * 64)
    assert cause_of(trial)[1] in {"registry-digest-mismatch", "duplicate-registration"}


def bounded(at_most, confidence="95%"):
    return histories.scenario(corruption={"at-most": at_most, "confidence": confidence})


def test_the_rate_is_shown_with_its_bound():
    found = verdict(judged(*[histories.resumed(n) for n in range(1, 6)]), "corruption", None)
    assert "0 of 5 valid trials corrupt (95 % bound 45.1 %)" in found.message


@pytest.mark.parametrize(
    ("corrupt", "at_most", "status"),
    [
        (0, "50%", Status.PASS),
        (0, "40%", Status.UNKNOWN),
        (1, "50%", Status.UNKNOWN),
        (5, "50%", Status.FAIL),
    ],
)
def test_a_bound_is_judged_at_its_confidence(corrupt, at_most, status):
    trials = [
        histories.half_trained(number) if number <= corrupt else histories.resumed(number)
        for number in range(1, 6)
    ]
    judgement = judged(*trials, scenario=bounded(at_most))
    assert verdict(judgement, "corruption", None).status is status
    assert not [
        one
        for one in judgement.verdicts
        if one.expectation == "corruption" and (one.execution or "").startswith("trial")
    ]


def test_trials_that_lost_evidence_count_for_either_side_of_a_bound():
    lossy = [
        event for event in histories.resumed(1) if not isinstance(event.data, facts.HoldStarted)
    ]
    trials = [lossy, *[histories.resumed(number) for number in range(2, 6)]]
    found = verdict(judged(*trials, scenario=bounded("50%")), "corruption", None)
    assert found.measures["undecided_trials"] == 1
    assert found.status is Status.UNKNOWN
