"""Receipts of faults that need not kill, and of drains that others do."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.plan.model import Case
from chaosml.timeline import build
from chaosml.timeline.strikes import strikes
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, receipt, verdict


def survived(inject, *said, code=0, trial="trial/1"):
    """Return a trial whose held pod was touched and went on; `said` is what was seen of it."""
    training = histories.Training(trial)
    training.arm(view=None)
    armed = training.recording.events[-1]
    training.recording.events[-1] = msgspec.structs.replace(
        armed, data=msgspec.structs.replace(armed.data, inject=inject, lethal=False)
    )
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    training.say(
        f"hold/{uid}",
        facts.HoldStarted(hold="h1", rule=training.injection, uid=uid, place="step 15", step=15),
        "control",
    )
    training.recording.pass_ms(1)
    for fact in said:
        training.say(f"pod/{uid}", fact(uid, training.injection), "kubelet")
        training.recording.pass_ms(1)
    training.say("hold/h1", facts.HoldEnded(hold="h1", why="receipt"), "control")
    if code:
        training.end(uid, code, "Failed", f"main: Error (exit code {code})", "seen")
        uid = training.start(attempt=1)
        saved = 15 - 15 % training.every
        training.restore(uid, saved, training.checkpoint_key(saved))
        training.run(uid, saved + 1, training.steps)
    else:
        training.run(uid, 16, training.steps)
    histories.finish(training, uid)
    return training.close()


def paused(uid, by):
    return facts.PodPaused(uid=uid, by=by, processes=2)


def resumed(uid, by):
    return facts.PodResumed(uid=uid, by=by)


def usr1(uid, by):
    return facts.PodSignalled(uid=uid, signal="SIGUSR1", by=by)


def plan(inject):
    whole = histories.plan(view=None)
    (trial,) = whole.trials
    (injection,) = trial.injections
    case = Case(fault="kill", view=None)
    changed = msgspec.structs.replace(injection, inject=inject, view=None)
    trial = msgspec.structs.replace(trial, case=case, injections=(changed,))
    return msgspec.structs.replace(whole, trials=(trial,), cases=(case,))


def test_a_hang_is_shown_by_processes_in_state_t_and_needs_no_death():
    judgement = judged(survived("container.pause", paused, resumed), plan=plan("container.pause"))
    found = receipt(judgement)
    assert found.took_effect, found
    assert found.observed_view is None
    said = [ref.says for ref in found.evidence]
    assert any("2 processes of pod" in one and "state T" in one for one in said)
    assert any("told to go on" in one for one in said)
    assert verdict(judgement, "effect").status is Status.PASS
    assert verdict(judgement, "resume").status is Status.PASS
    assert judgement.coverage.missing == {}


def test_a_hang_that_nobody_saw_proves_nothing():
    judgement = judged(survived("container.pause"), plan=plan("container.pause"))
    assert receipt(judgement).why_invalid == "no-strike"
    assert verdict(judgement, "effect").status is Status.UNKNOWN
    assert judgement.status is Status.UNKNOWN


def test_a_program_that_was_ended_as_it_hung_was_struck_when_the_hang_began():
    timeline = build(survived("container.pause", paused, code=137), histories.scenario())
    (strike,) = strikes(timeline)
    assert strike.how == "pause"
    assert strike.at == strike.pod.paused[0].at


def test_a_program_that_went_on_was_not_struck():
    scenario = histories.scenario()
    assert strikes(build(survived("container.pause", paused, resumed), scenario)) == []
    assert strikes(build(survived("container.kill", usr1), scenario)) == []


def test_a_signal_that_is_survived_has_its_receipt():
    judgement = judged(survived("container.kill", usr1), plan=plan("container.kill"))
    assert receipt(judgement).took_effect
    assert verdict(judgement, "effect").status is Status.PASS


def test_a_signal_that_was_to_be_survived_and_killed_is_invalid():
    judgement = judged(survived("container.kill", usr1, code=138), plan=plan("container.kill"))
    assert receipt(judgement).why_invalid == "not-survived"


def drained(by, closed_by, how="evict", **options):
    """Return a trial whose pod somebody evicted; `closed_by` closed its node, if not None."""
    training, uid = histories.struck()
    events = training.recording.events
    for index, event in enumerate(events):
        fact = event.data
        if isinstance(fact, facts.InjectionArmed):
            fact = msgspec.structs.replace(fact, inject="node.drain", options=options)
        if isinstance(fact, facts.PodDeletion):
            fact = msgspec.structs.replace(fact, how=how)
        events[index] = msgspec.structs.replace(event, data=fact)
    if closed_by is not None:
        change = facts.NodeChanged(node="node-1", state="cordoned", by=closed_by)
        training.say("node/node-1", change, "kubelet")
    training.save(uid, 15)
    histories.die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, training.steps)
    histories.finish(training, second)
    return training.close()


@pytest.mark.parametrize(
    ("closed_by", "options", "why"),
    [
        ("t1.kill", {}, None),
        (None, {}, "not-cordoned"),
        ("nth", {}, "not-cordoned"),
        ("nth", {"reaction": "external"}, None),
        ("t1.kill", {"reaction": "external"}, "not-cordoned"),
    ],
)
def test_a_drain_needs_a_cordon_by_whoever_was_to_drain(closed_by, options, why):
    found = receipt(judged(drained("t1.kill", closed_by, **options)))
    assert found.why_invalid == why
    if options and why is None:
        assert any(ref.says == "node node-1 cordoned by nth" for ref in found.evidence)


def test_trainings_in_different_images_are_not_held_against_one_another_bit_by_bit():
    plain = histories.resumed(diverge=True)
    other = [
        msgspec.structs.replace(
            event, data=msgspec.structs.replace(event.data, image_id="sha256:9")
        )
        if isinstance(event.data, facts.PodCreated)
        else event
        for event in plain
    ]
    same = verdict(judged(plain, controls=3), "resume")
    assert same.status is Status.FAIL
    found = verdict(judged(other, controls=3), "resume")
    assert found.status is Status.UNKNOWN
    assert "fingerprints differ in image" in found.message
