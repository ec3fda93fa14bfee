"""Histories of tasks that were executed again, or by two attempts at once."""

from __future__ import annotations

from chaosml import event as facts
from chaosml.plan.model import Case, Place, Plan, PlannedInjection, PlannedTrial
from tests.quality.histories import finish
from tests.quality.recording import STEPS, InPlace, Training, digest_of

__all__ = ["late_writer", "plan", "rerun", "rerun_of_dataset"]


def plan(inject, task, view):
    """Return a plan with one trial of one injection at a running pod."""
    case = Case(fault="kill", view=view)
    injection = PlannedInjection(
        injection="t1.kill",
        fault="kill",
        inject=inject,
        task=task,
        attempt=0,
        place=Place(kind="pod"),
        view=view,
    )
    return Plan(
        seed=7,
        controls=2,
        controls_max=3,
        trials=(PlannedTrial(trial=1, case=case, injections=(injection,)),),
        cases=(case,),
        undealt=(),
    )


def arm(training, inject, task, view, lethal):
    training.say(
        f"injection/{training.injection}",
        facts.InjectionArmed(
            injection=training.injection,
            fault="kill",
            inject=inject,
            task=task,
            trigger="pod running",
            exact=False,
            view=view,
            lethal=lethal,
        ),
    )


def apply(training, action, uid):
    training.say(
        f"injection/{training.injection}",
        facts.InjectionApplied(
            injection=training.injection, action=action, target=f"pod/{uid}", step=None
        ),
    )


def strike(training, uid, how):
    fact = facts.PodDeletion(uid=uid, how=how, grace_s=0.0, by=training.injection)
    training.say(f"pod/{uid}", fact, "kubelet")


def forget(training, uid, view, code=0):
    """Let a pod end well, and nobody see it."""
    if code == 0:
        training.end(uid, 0, "Error", "pod deleted", view)
        strike(training, uid, "forgotten")
    else:
        training.end(uid, code)


def rerun(*, view="gone", again="registry/trial-1.json", code=0, repeats=True):
    """Return a trial whose registering step is executed again and writes the entry `again`."""
    training = Training("trial/1")
    arm(training, "task.rerun", "register", view, lethal=False)
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, STEPS)
    training.publish(uid, STEPS)
    training.claim(uid, facts.ClaimDone, step=STEPS)
    training.end(uid)
    training.evaluate()
    first = training.start("register")
    apply(training, "lose-success", first)
    training.enter(first, "registry/trial-1.json")
    forget(training, first, view, code)
    if not repeats:
        return training.close()
    attempt, incarnation = (0, 1) if view == "restarted" else (1, 0)
    second = training.start("register", attempt=attempt, again=incarnation)
    if again == "registry/trial-1.json":
        training.refuse(second, again)
    else:
        training.enter(second, again)
    training.end(second)
    return training.close()


def rerun_of_dataset(*, keys=("metrics.json", "metrics.json"), fields=None, role="metrics"):
    """Return a trial whose evaluation is executed again and writes a document with `fields`.

    The first execution writes the first key, the second one the second.
    """
    training = Training("trial/1")
    arm(training, "task.rerun", "evaluate", "gone", lethal=False)
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, STEPS)
    training.publish(uid, STEPS)
    training.claim(uid, facts.ClaimDone, step=STEPS)
    training.end(uid)
    usual = {"labels.run_id": training.run_id, "accuracy": 0.97, "created": "1"}
    first = training.start("evaluate")
    apply(training, "lose-success", first)
    training.put(first, keys[0], role=role, sha256=digest_of("m", 1), fields=usual)
    forget(training, first, "gone")
    second = training.start("evaluate", attempt=1)
    written = {**usual, "created": "2", **(fields or {})}
    if role != "metrics":
        training.put(second, "metrics.json", role="metrics", sha256=digest_of("m"), fields=usual)
    training.put(second, keys[1], role=role, sha256=digest_of("m", 2), fields=written)
    training.end(second)
    training.register()
    return training.close()


def late_writer(*, fenced, writes=True, kind=None):
    """Return a trial whose first pod is cut off at step 15 and goes on when the second is done.

    With `fenced` its writes are refused, since what it writes is there; else it writes over it.
    """
    training = (kind or (Training if fenced else InPlace))("trial/1")
    arm(training, "task.zombie", "train", "gone", lethal=True)
    old = training.start()
    training.restore(old, 0)
    training.run(old, 1, 15)
    strike(training, old, "cut-off")
    training.say(f"pod/{old}", facts.PodGone(uid=old, view="gone"), "kubelet")
    training.phase("train", 0, "Error", "pod deleted")
    new = training.start(attempt=1, node="node-2")
    if fenced:
        training.restore(new, 12, training.checkpoint_key(12))
    else:
        training.load(new, 12)
    training.run(new, 13, STEPS)
    if fenced:
        finish(training, new)
    else:
        training.publish(new, STEPS)
        training.claim(new, facts.ClaimDone, step=STEPS)
        training.end(new)
    for step in range(16, 19):
        training.step(old, step)
    if writes and fenced:
        training.refuse(old, training.checkpoint_key(18))
    elif writes:
        training.save(old, 18)
    killed = facts.PodSignalled(uid=old, signal="SIGKILL", by=training.injection)
    training.say(f"pod/{old}", killed, "kubelet")
    training.say(f"pod/{old}", facts.PodExited(uid=old, exit_code=137), "kubelet")
    training.recording.close(f"log/{old}")
    del training.recording.numbers[f"log/{old}"]
    return training.close()
