"""Histories as real executions leave them: healthy ones, and one planted defect each."""

from __future__ import annotations

import functools
from unittest import mock

from chaosml import event as facts
from chaosml.event import Basis
from chaosml.plan.model import Case, Place, Plan, PlannedInjection, PlannedTrial
from chaosml.scenario.model import Scenario
from tests.quality.recording import EVERY, STEPS, InPlace, Training, digest_of

__all__ = ["EVERY", "STEPS", "Basis", "InPlace", "Training", "digest_of", "facts"]

CHECKPOINT = r"checkpoints/step-(?P<step>\d+)/state-(?P<digest>[0-9a-f]{12})\.npz"


def scenario(**expect):
    """Return the scenario of the resilient pipeline; keywords replace its expectations."""
    return Scenario.model_validate(
        {
            "apiVersion": "chaosml.dev/v1",
            "kind": "Scenario",
            "metadata": {"name": "synthetic"},
            "pipeline": {
                "workflow": "pipeline.yaml",
                "parameters": {"steps": str(STEPS)},
                "isolate": {"run-id": "run-id", "bucket": "bucket"},
                "training-task": "train",
                "artifacts": [
                    {
                        "role": "checkpoint",
                        "key": CHECKPOINT,
                        "format": "npz",
                        "commit": "marker-last",
                        "marker": "checkpoints/step-{step}/manifest.json",
                    },
                    {
                        "role": "model",
                        "key": r"models/model-(?P<digest>[0-9a-f]{12})\.npz",
                        "format": "npz",
                        "commit": "marker-last",
                        "marker": "models/manifest.json",
                        "final-step": "{{parameters.steps}}",
                    },
                    {"role": "metrics", "key": r"metrics\.json", "format": "json"},
                ],
                "registry": r"registry/.+\.json",
            },
            "faults": [
                {
                    "name": "kill",
                    "inject": "pod.delete",
                    "target": {"task": "train"},
                    "when": {"step": 15},
                }
            ],
            "expect": {
                "mttr": {"at-most": "5s", "mean": "5s"},
                "lost-steps": {"at-most": EVERY},
                "compute-waste": {"at-most": "150%"},
                "lineage": "complete",
                **expect,
            },
        }
    )


def in_place_scenario(**expect):
    """Return the scenario of a pipeline that overwrites its checkpoint in two parts."""
    whole = scenario(**expect)
    document = whole.model_dump(by_alias=True, exclude_unset=True)
    document["pipeline"]["artifacts"] = [
        {
            "role": "checkpoint",
            "key": r"checkpoints/weights\.npz",
            "format": "npz",
            "commit": "in-place",
            "parts": ["checkpoints/weights.npz", "checkpoints/meta.json"],
        },
        {
            "role": "model",
            "key": r"models/model\.npz",
            "format": "npz",
            "final-step": "{{parameters.steps}}",
        },
    ]
    document["expect"] = {"mttr": {"at-most": "5s"}, **expect}
    return Scenario.model_validate(document)


def plan(trials=1, step=15, view="gone", **options):
    """Return a plan that deletes the training's pod at a step, in every trial."""
    case = Case(fault="kill", view=view)
    return Plan(
        seed=7,
        controls=2,
        controls_max=3,
        trials=tuple(
            PlannedTrial(
                trial=number,
                case=case,
                injections=(
                    PlannedInjection(
                        injection=f"t{number}.kill",
                        fault="kill",
                        inject="pod.delete",
                        task="train",
                        attempt=0,
                        place=Place(kind="step", step=step),
                        view=view,
                        options=options,
                    ),
                ),
            )
            for number in range(1, trials + 1)
        ),
        cases=(case,),
        undealt=(),
    )


def silent(make):
    """Return what makes the same history of a pipeline without a probe."""

    @functools.wraps(make)
    def made(*positional, **options):
        with mock.patch.object(Training, "claim", return_value=None):
            return make(*positional, **options)

    return made


def control(number=1, **options):
    """Return an undisturbed execution."""
    training = Training(f"control/{number}", **options)
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, training.steps)
    finish(training, uid)
    return training.close()


def finish(training, uid):
    """Publish the final model, and run the tasks that follow."""
    training.publish(uid, training.steps)
    training.claim(uid, facts.ClaimDone, step=training.steps)
    training.end(uid)
    training.evaluate()
    training.register()


def struck(number=1, step=15, view="gone", **options):
    """Return a trial whose first pod was deleted at a step, saved, and exited 143."""
    training = Training(f"trial/{number}", **options)
    training.arm(step, view)
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, step)
    training.hold(uid, step)
    return training, uid


def die(training, uid, view="gone"):
    """Let the struck pod die, as the orchestrator sees it under a view."""
    if view == "seen":
        training.end(uid, 143, "Failed", "main: Error (exit code 143)", view)
    else:
        training.end(uid, 143, "Error", "pod deleted", view)


def resumed(number=1, step=15, view="gone", save=True, diverge=False, **options):
    """Return a trial that resumes; with `diverge` on another trajectory."""
    training, uid = struck(number, step, view, **options)
    if save:
        training.save(uid, step)
    die(training, uid, view)
    from_step = step if save else step - step % training.every
    attempt, again = (0, 1) if view == "restarted" else (1, 0)
    second = training.start(attempt=attempt, again=again, node="node-2")
    training.restore(second, from_step, training.checkpoint_key(from_step))
    if diverge:
        training.trajectory = f"{training.grain}after {from_step}"
    training.run(second, from_step + 1, training.steps)
    finish(training, second)
    return training.close()


def restarted_from_zero(number=1, step=15, commits=True):
    """Return a trial whose restarted pod took itself for a first attempt."""
    training, uid = struck(number, step, "restarted")
    die(training, uid, "restarted")
    second = training.start(again=1, node="node-2")
    training.restore(second, 0)
    if commits:
        training.run(second, 1, STEPS)
    finish(training, second)
    return training.close()


def stale(number=1, step=15):
    """Return a trial that resumed from the first checkpoint although a later one was there."""
    training, uid = struck(number, step)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, EVERY, training.checkpoint_key(EVERY))
    training.run(second, EVERY + 1, STEPS)
    finish(training, second)
    return training.close()


def applied_twice(number=1, step=15, skip=False):
    """Return a trial that resumes and does a step twice; with `skip` leaves one out."""
    training, uid = struck(number, step)
    training.save(uid, step)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, step, training.checkpoint_key(step))
    training.run(second, step + 1, step + 2)
    training.run(second, step + (4 if skip else 2), STEPS)
    finish(training, second)
    return training.close()


def mislabelled(number=1, step=15):
    """Return a trial whose handler saved after the update and before the count."""
    training, uid = struck(number, step)
    training.save(uid, step, holds=step + 1)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, step, f"checkpoints/step-{step}/manifest.json")
    training.get(second, f"checkpoints/step-{step}/state-{training.digest(step + 1)[:12]}.npz")
    training.run(second, step + 1, STEPS)
    finish(training, second)
    return training.close()


def named_ahead(number=1, step=15):
    """Return a trial of a pipeline that names every checkpoint by the step that comes next."""
    training, uid = struck(number, step, named_ahead=1)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    held = step - step % EVERY
    key = f"checkpoints/step-{held + 1}/state-{training.digest(held)[:12]}.npz"
    training.restore(second, held + 1, key)
    training.trajectory = "one step short"
    training.run(second, held + 2, STEPS)
    finish(training, second)
    return training.close()


def saved_in_handler(number=1, step=15):
    """Return a trial whose handler saved a step that the program had not counted yet."""
    training, uid = struck(number, step)
    training.save(uid, step - 1, holds=step)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(
        second, step - 1, f"checkpoints/step-{step - 1}/state-{training.digest(step)[:12]}.npz"
    )
    training.trajectory = "a batch twice"
    training.run(second, step, STEPS)
    finish(training, second)
    return training.close()


def shifted_batches(number=1, step=15, by=1):
    """Return a trial whose sampler goes on `by` batches away from where it was."""
    training, uid = struck(number, step)
    training.save(uid, step)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, step, training.checkpoint_key(step))
    training.trajectory = f"shifted by {by}"
    for here in range(step + 1, STEPS + 1):
        training.step(second, here, batch=digest_of("batch", here + by)[:16])
        if here % EVERY == 0:
            training.save(second, here)
    finish(training, second)
    return training.close()


def guarded(number=1, step=STEPS, commits=False):
    """Return a trial struck once the model was stored, and whose next attempt did nothing."""
    training, uid = struck(number, step)
    training.publish(uid, step, commits=commits)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.claim(second, facts.ClaimReady)
    training.claim(second, facts.ClaimDone, step=step)
    training.end(second)
    training.evaluate()
    return training.close()


def registered_early(number=1):
    """Return a trial whose model is registered before it is there."""
    training, uid = struck(number)
    training.save(uid, 15)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, STEPS)
    digest = digest_of("model", STEPS, "")
    training.register(key=f"models/model-{digest[:12]}.npz", digest=digest)
    training.publish(second, STEPS)
    training.claim(second, facts.ClaimDone, step=STEPS)
    training.end(second)
    training.evaluate()
    return training.close()


def alone(number=1, step=15):
    """Return a trial that ended with one part of its checkpoint and never wrote the other."""
    training = InPlace(f"trial/{number}")
    training.arm(step)
    uid = training.start()
    training.restore(uid, 0)
    training.save(uid, step, parts=1)
    training.hold(uid, step)
    die(training, uid)
    return training.close("Error")


def torn(number=1, **save):
    """Return a trial with a damaged or prematurely committed checkpoint."""
    training, uid = struck(number)
    training.save(uid, 15, **(save or {"problem": "truncated"}))
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, 12, training.checkpoint_key(12))
    training.run(second, 13, STEPS)
    finish(training, second)
    return training.close()


def registered_again(number=1, **again):
    """Return a trial that registers its model twice, or as `again` says."""
    training, uid = struck(number)
    training.save(uid, 15)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, STEPS)
    finish(training, second)
    training.register(**(again or {"name": "registry/again.json"}))
    return training.close()


def in_place_control(number=1):
    """Return an undisturbed execution of the pipeline with two parts."""
    training = InPlace(f"control/{number}")
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, STEPS)
    training.publish(uid, STEPS)
    training.claim(uid, facts.ClaimDone, step=STEPS)
    training.end(uid)
    return training.close()


def in_place(number=1, step=15, mixed=True):
    """Return a trial struck between the parts of a save, or (not `mixed`) after both."""
    training = InPlace(f"trial/{number}")
    training.arm(step)
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, step)
    training.hold(uid, step)
    training.save(uid, step, parts=1 if mixed else 2)
    die(training, uid)
    second = training.start(attempt=1, node="node-2")
    from_step = step - step % EVERY if mixed else step
    training.load(second, from_step)
    if mixed:
        training.trajectory = "mixed"
    training.run(second, from_step + 1, STEPS)
    training.publish(second, STEPS)
    training.claim(second, facts.ClaimDone, step=STEPS)
    training.end(second)
    return training.close()


def half_trained(number=1, step=15):
    """Return a trial whose handler published and exited 0, so that it passed for done."""
    training, uid = struck(number, step, "seen")
    training.save(uid, step)
    training.publish(uid, step)
    training.end(uid, 0, "Succeeded")
    training.evaluate()
    training.register()
    return training.close()


def not_retried(number=1, step=15):
    """Return a trial whose deleted pod ended the workflow."""
    training, uid = struck(number, step)
    die(training, uid)
    return training.close("Error", "child failed")
