"""Receipts of faults that programs of the user's carry out, and deaths that they cause."""

import msgspec
import pytest

from chaosml import event as facts
from chaosml.plan.model import Case
from chaosml.timeline import build
from chaosml.timeline.strikes import BY_OTHERS, foreign_deaths, strikes
from chaosml.verdict import Status
from tests.quality import histories
from tests.unit.checkers.running import judged, receipt, verdict

STEP = 15


def ended(part, outcome="done", **more):
    return lambda uid, injection: facts.CommandEnded(
        injection=injection, part=part, uid=uid, outcome=outcome, **more
    )


COMMAND = ended("command", exit_code=0)
RECEIPT = ended("receipt", exit_code=0, reported={"took-effect": True, "instances": 1})


def commanded(*said, kills=False, code=None, deleted=False):
    """Return a trial whose held pod a program was to disturb.

    Args:
        said: How the programs ended.
        kills: Whether the target was to die.
        code: With which the target ended early; None: it went on.
        deleted: Whether somebody was seen to delete it.
    """
    training = histories.Training("trial/1")
    training.arm(view=None)
    armed = training.recording.events[-1]
    training.recording.events[-1] = msgspec.structs.replace(
        armed, data=msgspec.structs.replace(armed.data, inject="external", lethal=kills)
    )
    by = training.injection
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, STEP)
    training.say(
        f"hold/{uid}",
        facts.HoldStarted(hold="h1", rule=by, uid=uid, place=f"step {STEP}", step=STEP),
        "control",
    )
    training.recording.pass_ms(1)
    began = facts.InjectionIntended(
        injection=by, action="run-command", target=f"pod/{uid}", owner_pid=1
    )
    training.say(f"injection/{by}", began, "harness")
    for fact in said:
        training.recording.pass_ms(1)
        training.say(f"injection/{by}", fact(uid, by), "harness")
    training.recording.pass_ms(1)
    training.say("hold/h1", facts.HoldEnded(hold="h1", why="receipt"), "control")
    if deleted:
        gone = facts.PodDeletion(uid=uid, how="delete", grace_s=0.0, by="unknown")
        training.say(f"pod/{uid}", gone, "kubelet")
        training.recording.pass_ms(1)
    if code is not None:
        training.end(uid, code, "Failed", f"main: Error (exit code {code})", "seen")
        uid = training.start(attempt=1)
        saved = STEP - STEP % training.every
        training.restore(uid, saved, training.checkpoint_key(saved))
        training.run(uid, saved + 1, training.steps)
    else:
        training.run(uid, STEP + 1, training.steps)
    histories.finish(training, uid)
    return training.close()


def plan():
    whole = histories.plan(view=None)
    (trial,) = whole.trials
    (injection,) = trial.injections
    case = Case(fault="kill", view=None)
    changed = msgspec.structs.replace(injection, inject="external", view=None)
    trial = msgspec.structs.replace(trial, case=case, injections=(changed,))
    return msgspec.structs.replace(whole, trials=(trial,), cases=(case,))


def receipt_of(trial):
    return receipt(judged(trial, plan=plan()))


def test_the_programs_words_are_the_receipt():
    found = receipt_of(commanded(COMMAND, RECEIPT))
    assert found.took_effect, found.detail
    assert "the receipt ended (done): took-effect=True, instances=1" in [
        ref.says for ref in found.evidence
    ]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((), "command-unheard"),
        ((COMMAND,), "receipt-unheard"),
        ((RECEIPT,), "command-unheard"),
        ((ended("command", "failed"), RECEIPT), "command-failed"),
        ((ended("command", "timeout"),), "command-timeout"),
        ((COMMAND, ended("receipt", "nonsense")), "receipt-nonsense"),
        ((COMMAND, ended("receipt", "no-effect")), "receipt-no-effect"),
        ((COMMAND, ended("receipt", "ended")), "receipt-ended"),
    ],
)
def test_without_both_good_endings_it_is_invalid_and_no_pass(said, why):
    judgement = judged(commanded(*said), plan=plan())
    assert receipt(judgement).why_invalid == why
    assert verdict(judgement, "effect").status is Status.UNKNOWN
    assert judgement.status is Status.UNKNOWN


def test_a_death_that_was_meant_is_ours_and_judged():
    trial = commanded(COMMAND, RECEIPT, kills=True, code=137)
    timeline = build(trial, histories.scenario())
    (strike,) = strikes(timeline)
    assert (strike.how, foreign_deaths(timeline)) == (BY_OTHERS, [])
    found = receipt_of(trial)
    assert (found.took_effect, found.observed_view) == (True, "seen")


def test_a_deletion_by_whomever_is_when_it_was_struck():
    trial = commanded(COMMAND, RECEIPT, kills=True, code=137, deleted=True)
    timeline = build(trial, histories.scenario())
    (strike,) = strikes(timeline)
    assert strike.at == strike.pod.deletions[0].at
    assert strike.at.is_before(strike.pod.exited.at)
    assert foreign_deaths(timeline) == []
    assert receipt_of(trial).took_effect


def test_a_death_that_was_not_meant_is_nobodys():
    timeline = build(commanded(COMMAND, RECEIPT, code=137), histories.scenario())
    assert strikes(timeline) == []
    assert len(foreign_deaths(timeline)) == 1


def test_who_was_to_die_and_lived_was_not_struck():
    found = receipt_of(commanded(COMMAND, RECEIPT, kills=True))
    assert (found.took_effect, found.why_invalid) == (False, "target-finished")


def test_a_death_without_a_receipt_proves_nothing():
    found = receipt_of(commanded(COMMAND, kills=True, code=137))
    assert (found.took_effect, found.why_invalid) == (False, "receipt-unheard")
