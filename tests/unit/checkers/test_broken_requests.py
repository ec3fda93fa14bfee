"""A store that broke requests off: its receipts, and what is a defect of the pipeline."""

import dataclasses

import pytest

from chaosml import event as facts
from chaosml.verdict import Status
from tests.quality import histories
from tests.quality.recording import MS
from tests.unit.checkers import degraded
from tests.unit.checkers.running import judged, receipt, verdict


def judge(trial, **options):
    given = {"scenario": degraded.scenario(), "plan": degraded.plan(), "control": degraded.control}
    return judged(trial, **{**given, **options})


def said(judgement):
    return " | ".join(ref.says for ref in receipt(judgement).evidence)


def request(trial, uid, **fields):
    start = trial.training.recording.now + MS
    trial.pass_ms(5)
    given = {
        "operation": "PutObject",
        "bucket": trial.training.run_id,
        "key": "checkpoints/step-30/state.npz",
        "uid": uid,
        "status": 503,
        "outcome": "throttled",
        "stored": False,
        "injection": degraded.INJECTION,
    }
    trial.say("object/x", facts.Request(**{**given, **fields}), "gate", since=start)


def add(trial, how="throttle"):
    asked_ns = trial.training.recording.now
    trial.pass_ms(1)
    fact = facts.DisturbanceAdded(
        injection=degraded.INJECTION, task="train", how=how, asked_ns=asked_ns
    )
    trial.say("source/gate", fact)
    trial.say("pod/x", facts.HoldEnded(hold="h1", why="receipt"), "control")


def remove(trial):
    asked_ns = trial.training.recording.now
    trial.pass_ms(1)
    trial.say(
        "source/gate",
        facts.DisturbanceRemoved(injection=degraded.INJECTION, asked_ns=asked_ns),
    )


def resume(trial, step, attempt=1):
    """Start the next attempt at a checkpoint and train to the end."""
    training = trial.training
    uid = training.start(attempt=attempt)
    training.restore(uid, step, training.checkpoint_key(step))
    trial.run(uid, step + 1, degraded.STEPS)
    histories.finish(training, uid)
    return training.close()


def throttled(times=1, *, dies=True, removed=True, **fields):
    """Return a trial whose uploads are refused; the training dies of it and resumes, or storms."""
    trial = degraded.Degraded()
    uid = trial.reach()
    add(trial)
    trial.run(uid, degraded.STEP + 1, degraded.STEP + 5)
    for _ in range(times):
        request(trial, uid, **fields)
    if removed:
        remove(trial)
    if not dies:
        trial.run(uid, degraded.STEP + 6, degraded.STEPS)
        histories.finish(trial.training, uid)
        return trial.training.close()
    trial.training.end(uid, 1, "Failed", "main: Error (exit code 1)")
    trial.pass_ms(50)
    return resume(trial, degraded.STEP)


def test_a_throttle_that_the_target_met_has_a_receipt_with_the_clients_second_try():
    judgement = judge(throttled(times=2, dies=False))
    assert receipt(judgement).took_effect
    assert "2 requests met it, the first PutObject checkpoints/" in said(judgement)
    assert "refused with status 503" in said(judgement)
    assert "tried again" in said(judgement)


def test_an_attempt_that_dies_of_a_refusal_right_after_the_last_one_is_the_faults_outage():
    judgement = judge(throttled())
    assert receipt(judgement).took_effect
    assert verdict(judgement, "mttr").measures["mttr_s"] > 0.05
    assert verdict(judgement, "lost-steps").measures["lost_steps"] == 5
    assert verdict(judgement, "resume").status is Status.PASS


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"times": 0}, "nobody-disturbed"),
        ({"injection": "t1.other"}, "nobody-disturbed"),
        ({"outcome": "client-gone"}, "nobody-disturbed"),
        ({"removed": False}, "toxic-not-removed"),
    ],
)
def test_a_throttle_that_nobody_met_or_nobody_ended_proves_nothing(wrong, why):
    judgement = judge(throttled(dies=False, **wrong))
    assert receipt(judgement).why_invalid == why
    assert judgement.status is Status.UNKNOWN


def test_a_client_that_storms_while_it_is_throttled_is_caught():
    found = verdict(judge(throttled(times=40, dies=False)), "requests-per-upload")
    assert (found.status, found.cause) == (Status.FAIL, "retry-storm")
    assert found.measures["requests_per_upload"] == 40.0


def test_a_client_that_waits_while_it_is_throttled_is_not():
    limit = degraded.scenario(**{"requests-per-upload": {"at-most": 4}})
    found = verdict(judge(throttled(times=2), scenario=limit), "requests-per-upload")
    assert (found.status, found.measures["requests_per_upload"]) == (Status.PASS, 2.0)


def test_a_training_that_a_throttle_ends_for_good_fails_by_its_name():
    trial = degraded.Degraded()
    uid = trial.reach()
    add(trial)
    trial.run(uid, degraded.STEP + 1, degraded.STEP + 5)
    request(trial, uid)
    remove(trial)
    trial.training.end(uid, 1, "Failed", "main: Error (exit code 1)")
    judgement = judge(trial.training.close("Failed", "No more retries left"))
    found = verdict(judgement, "throughput-recovery")
    assert (found.status, found.cause) == (Status.FAIL, "died-of-broken-requests")
    assert verdict(judgement, "outcome").status is Status.FAIL


@pytest.mark.parametrize(
    ("how", "outcome", "words"),
    [
        ("reset", "reset", "cut off"),
        ("late-error", "late-error", "answered 200 with an error"),
        ("lose-answer", "answer-lost", "stored, and its answer cut off"),
    ],
)
def test_what_else_the_gate_did_to_a_request_is_its_receipt(how, outcome, words):
    trial = degraded.Degraded()
    uid = trial.reach()
    add(trial, how)
    request(trial, uid, outcome=outcome, status=None)
    remove(trial)
    trial.run(uid, degraded.STEP + 1, degraded.STEPS)
    histories.finish(trial.training, uid)
    judgement = judge(trial.training.close())
    assert receipt(judgement).took_effect
    assert words in said(judgement)


def test_operations_that_move_no_object_are_receipts_too():
    trial = degraded.Degraded()
    uid = trial.reach()
    add(trial)
    request(trial, uid, operation="ListObjectsV2", key="", stored=None)
    remove(trial)
    trial.run(uid, degraded.STEP + 1, degraded.STEPS)
    histories.finish(trial.training, uid)
    assert "the first ListObjectsV2: refused" in said(judge(trial.training.close()))


# Where nothing gets through.


def cut(
    *,
    type_="timeout",
    failure="silent",
    still=True,
    fails=None,
    before=0.002,
    after=0.002,
    cut_off=False,
    lost=None,
    service="store",
):
    """Return a trial whose training stands still while nothing gets through.

    Args:
        type_: Of the toxic.
        failure: How the canary fails during it; None: it is answered.
        still: Whether the training waits until the end of the fault.
        fails: Milliseconds after the fault at which the attempt fails; None: it does not.
        before, after: Seconds of the other canaries' answers.
        cut_off: Whether a request that was under way lost its client.
        lost: Position of an event of the log that is missing.
        service: Where the way goes.
    """
    trial = degraded.Degraded(type=type_, toxics={"upstream": {"timeout": 0}}, service=service)
    training = trial.training
    uid = trial.reach()
    trial.canary("before", before)
    trial.add()
    if failure is None:
        trial.canary("during", 0.3)
    else:
        trial.pass_ms(20)
        trial.canary("during", problem="no answer", failure=failure)
    if cut_off:
        request(trial, uid, outcome="client-gone", status=None, injection=None)
    last = degraded.STEP + 5
    trial.run(uid, degraded.STEP + 1, last, 0 if still else 60)
    if still:
        trial.pass_ms(600)
    trial.remove()
    if after is not None:
        trial.canary("after", after)
    if fails is not None:
        trial.pass_ms(fails)
        training.end(uid, 1, "Failed", "main: Error (exit code 1)")
        trial.pass_ms(50)
        return resume(trial, degraded.STEP)
    trial.run(uid, last + 1, degraded.STEPS)
    histories.finish(training, uid)
    events = training.close()
    return [one for one in events if lost is None or one.seq != lost]


@pytest.mark.parametrize(
    ("type_", "failure"),
    [("timeout", "silent"), ("down", "refused"), ("reset_peer", "reset"), ("reset_peer", "cut")],
)
def test_a_cut_that_canary_and_target_met_has_a_receipt(type_, failure):
    judgement = judge(cut(type_=type_, failure=failure))
    assert receipt(judgement).took_effect, receipt(judgement)
    for words in ("canary before", f"canary during: {failure}", "canary after", "stood still for"):
        assert words in said(judgement)


@pytest.mark.parametrize("service", ["store", "tracking"])
def test_an_attempt_that_fails_when_the_cut_is_over_failed_of_it(service):
    judgement = judge(cut(still=False, fails=20, service=service))
    assert receipt(judgement).took_effect
    assert "attempt 0 of train exited 1" in said(judgement)
    assert verdict(judgement, "mttr").measures["mttr_s"] > 0.05


def test_an_attempt_that_fails_long_after_the_cut_did_not_fail_of_it():
    judgement = judge(cut(still=False, fails=6000))
    assert receipt(judgement).why_invalid == "nobody-disturbed"


def test_a_request_that_lost_its_client_to_the_cut_is_evidence():
    assert "was cut off" in said(judge(cut(still=False, cut_off=True)))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"still": False}, "nobody-disturbed"),
        ({"failure": None}, "effect-not-shown"),
        ({"failure": "refused"}, "effect-not-shown"),
        ({"type_": "down", "failure": "silent"}, "effect-not-shown"),
        ({"after": None}, "no-canary"),
    ],
)
def test_a_cut_without_its_evidence_proves_nothing(wrong, why):
    judgement = judge(cut(**wrong))
    assert receipt(judgement).why_invalid == why, receipt(judgement)
    assert judgement.status is Status.UNKNOWN


def test_a_pause_in_a_log_that_lacks_lines_is_no_evidence():
    whole = cut()
    lost = next(
        one.seq
        for one in whole
        if isinstance(one.data, facts.ClaimStep) and one.data.step == degraded.STEP + 3
    )
    found = receipt(judge(cut(lost=lost)))
    assert not found.took_effect


def test_the_failure_of_a_pod_that_started_after_the_cut_is_not_the_cuts():
    from chaosml.timeline import build
    from chaosml.timeline.degradation import find_degradations

    timeline = build(cut(fails=20), degraded.scenario())
    (found,) = find_degradations(timeline)
    first, second = timeline.pods_of("train")
    assert found.saw_failure_of(first)
    failed = dataclasses.replace(second, exited=first.exited)
    assert not found.saw_failure_of(failed)


# Less evidence may make a verdict unknown, never turn it around.

TRIALS = {
    "throttled to death": throttled,
    "storm": lambda: throttled(times=12, dies=False),
    "nobody throttled": lambda: throttled(times=0, dies=False),
    "cut, waited": cut,
    "cut, failed": lambda: cut(still=False, fails=20),
    "cut, nobody met it": lambda: cut(still=False),
}
_MANY = facts.ClaimStep | facts.ClaimCheckpoint | facts.Request | facts.ArtifactObserved
OPPOSITE = {Status.PASS: Status.FAIL, Status.FAIL: Status.PASS}


def statuses(events):
    found = judge(events)
    assert not [one for one in found.verdicts if one.details]
    shown = {(one.expectation, one.execution): one.status for one in found.verdicts}
    return {**shown, "run": found.status}


@pytest.mark.parametrize("name", TRIALS)
def test_losing_any_line_turns_no_verdict_around(name):
    events = TRIALS[name]()
    whole = statuses(events)
    lines = [one.seq for one in events if not isinstance(one.data, _MANY)]
    others = [one.seq for one in events if isinstance(one.data, _MANY)]
    sources = [{one.seq for one in events if one.source == source} for source in sources_of(events)]
    for lost in [*({seq} for seq in lines), *({seq} for seq in others[::30]), *sources]:
        found = statuses([one for one in events if one.seq not in lost])
        turned = {key: now for key, now in found.items() if OPPOSITE.get(whole.get(key)) is now}
        assert turned == {}, lost


def sources_of(events):
    return sorted({one.source for one in events})
