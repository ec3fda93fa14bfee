"""Receipts of pods that a kubelet ended, and of several nodes that were struck at once."""

from __future__ import annotations

import msgspec
import pytest

from chaosml import event as facts
from tests.quality import histories
from tests.unit.checkers.running import judged, receipt, verdict

SHUTDOWN = "Pod was terminated in response to imminent node shutdown."
PRESSURE = "The node was low on resource: memory. Threshold quantity: 100Mi. "


def ended_by_kubelet(how, message, *, view="seen", cordoned=("node-1",), end=None, **options):
    """Return a trial whose pod a kubelet ended with a message."""
    training = histories.Training("trial/1")
    training.say(
        f"injection/{training.injection}",
        facts.InjectionArmed(
            injection=training.injection,
            fault="kill",
            inject="node.shutdown" if how == "node-shutdown" else "node.pressure",
            task="train",
            trigger="step 15",
            exact=True,
            view=view,
            lethal=True,
            step=15,
            options=options,
        ),
    )
    uid = training.start()
    training.restore(uid, 0)
    training.run(uid, 1, 15)
    training.say(
        "hold/h1",
        facts.HoldStarted(hold="h1", rule=training.injection, uid=uid, place="step 15", step=15),
        "control",
    )
    for node in cordoned:
        changed = facts.NodeChanged(node=node, state="cordoned", by=training.injection)
        training.say(f"node/{node}", changed, "kubelet")
    deletion = facts.PodDeletion(uid=uid, how=how, grace_s=15.0, by=training.injection)
    training.say(f"pod/{uid}", deletion, "kubelet")
    training.say("hold/h1", facts.HoldEnded(hold="h1", why="terminating"), "control")
    training.save(uid, 15)
    code, phase = end or (143, "Failed" if view == "seen" else "Error")
    training.end(uid, code, phase, message, view)
    second = training.start(attempt=1, node="node-2")
    training.restore(second, 15, training.checkpoint_key(15))
    training.run(second, 16, histories.STEPS)
    histories.finish(training, second)
    return training.close()


def plan_of(inject, view="seen"):
    plan = histories.plan(view=view)
    (trial,) = plan.trials
    planned = msgspec.structs.replace(trial.injections[0], inject=inject)
    return msgspec.structs.replace(
        plan, trials=(msgspec.structs.replace(trial, injections=(planned,)),)
    )


@pytest.mark.parametrize(
    ("how", "inject", "message"),
    [
        ("node-shutdown", "node.shutdown", SHUTDOWN),
        ("node-pressure", "node.pressure", PRESSURE),
    ],
)
def test_the_kubelets_words_in_the_status_are_evidence(how, inject, message):
    judgement = judged(ended_by_kubelet(how, message), plan=plan_of(inject))
    found = receipt(judgement)
    assert (found.took_effect, found.observed_view) == (True, "seen")
    said = [ref.says for ref in found.evidence]
    assert f"train(0) Failed: {message.strip()}" in said
    assert any("node node-1 cordoned" in one for one in said)


def test_other_words_are_another_death():
    trial = ended_by_kubelet("node-shutdown", "main: Error (exit code 143)")
    judgement = judged(trial, plan=plan_of("node.shutdown"))
    assert verdict(judgement, "effect").cause == "other-words"


def test_a_program_that_exits_0_takes_the_kubelets_words_with_it():
    trial = ended_by_kubelet("node-shutdown", "", end=(0, "Succeeded"))
    found = receipt(judged(trial, plan=plan_of("node.shutdown")))
    assert found.took_effect, found.detail
    said = [ref.says for ref in found.evidence]
    assert "train(0) Succeeded: exit code 0, and no words of the kubelet" in said


def test_words_that_went_with_their_object_are_not_asked_for():
    trial = ended_by_kubelet("node-shutdown", "pod deleted", view="gone")
    found = receipt(judged(trial, plan=plan_of("node.shutdown", "gone")))
    assert (found.took_effect, found.observed_view) == (True, "gone")


def test_a_node_that_was_not_closed_was_not_shut_down():
    trial = ended_by_kubelet("node-shutdown", SHUTDOWN, cordoned=())
    judgement = judged(trial, plan=plan_of("node.shutdown"))
    assert verdict(judgement, "effect").cause == "not-cordoned"


def test_every_node_that_was_asked_for_is_in_the_receipt():
    both = ended_by_kubelet("node-shutdown", SHUTDOWN, cordoned=("node-1", "node-2"), nodes=2)
    found = receipt(judged(both, plan=plan_of("node.shutdown")))
    said = [ref.says for ref in found.evidence]
    assert [one for one in said if "one of 2" in one] == [
        "node node-1 struck, one of 2",
        "node node-2 struck, one of 2",
    ]


def test_fewer_nodes_than_were_asked_for_prove_nothing():
    one = ended_by_kubelet("node-shutdown", SHUTDOWN, nodes=2)
    judgement = judged(one, plan=plan_of("node.shutdown"))
    assert verdict(judgement, "effect").cause == "too-few-nodes"
