"""Fault scripts, driven with a list: which steps, in which order."""

from dataclasses import dataclass

import pytest

from chaosml.event import NoticeVisible, PodExited
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE, missing_capabilities
from chaosml.substrates.protocol import PodView
from tests.unit.events import event

TARGET = PodView("uid-1", "train", "train", 0, "node-1", running=True)
NEIGHBOUR = PodView("uid-2", "other", "other", 0, "node-1", running=True)
ELSEWHERE = PodView("uid-3", "third", "third", 0, "node-2", running=True)


@dataclass
class Scene:
    target: PodView = TARGET

    def pods_on(self, node: str) -> list[PodView]:
        return [pod for pod in (TARGET, NEIGHBOUR, ELSEWHERE) if pod.node == node]


def run(kind: str, view: str | None = "gone", **options: object) -> list[steps.Step]:
    """Return every step, scripts beside the main one after it."""
    fault = CATALOGUE[kind]
    told: list[steps.Step] = []
    scripts = [fault.script(fault.options.model_validate(options), view, Scene())]
    while scripts:
        for step in scripts.pop(0):
            if isinstance(step, steps.Also):
                scripts.append(step.script)
            else:
                told.append(step)
    return told


def names(told: list[steps.Step]) -> list[str]:
    return [type(step).__name__ for step in told]


def test_a_pod_is_deleted_once_under_the_planned_view():
    assert run("pod.delete", view="seen") == [steps.Delete("uid-1", "seen")]


def test_a_forced_deletion_has_no_grace():
    assert run("pod.delete", view="restarted", force=True) == [
        steps.Delete("uid-1", "restarted", force=True)
    ]


def test_a_drain_cordons_before_it_evicts_everybody_on_the_node_and_the_kill_comes_last():
    told = run("spot.reclaim", notice="120s", **{"capacity-returns-after": "2s"})
    assert names(told) == [
        "Notify",
        "Until",
        "Cordon",
        "Evict",
        "Evict",
        "Until",
        "Until",
        "Pause",
        "Withdraw",
        "AddNode",
        "Pause",
        "StopNode",
        "Withdraw",
    ]
    assert {step.uid for step in told if isinstance(step, steps.Evict)} == {"uid-1", "uid-2"}
    assert [step.seconds for step in told if isinstance(step, steps.Pause)] == [2.0, 120.0]


def test_without_a_reaction_the_pod_goes_on_until_the_kill():
    told = run("spot.reclaim", notice="3s", reaction="none")
    assert names(told) == ["Notify", "Until", "Release", "Pause", "StopNode", "Withdraw"]


def test_a_false_alarm_kills_nobody():
    told = run("spot.reclaim", view=None, notice="3s", reaction="none", **{"false-alarm": True})
    assert names(told) == ["Notify", "Until", "Release", "Pause", "Withdraw"]


def test_a_drain_on_a_false_alarm_opens_the_node_again():
    told = run("spot.reclaim", notice="3s", **{"false-alarm": True})
    assert names(told)[-2:] == ["Withdraw", "Uncordon"]
    assert "StopNode" not in names(told)


def test_a_kill_without_notice_is_only_a_kill():
    assert run("spot.reclaim", view="restarted", notice="0s") == [
        steps.StopNode("node-1", "restarted")
    ]


@pytest.mark.parametrize(
    ("kind", "options", "outputs", "views"),
    [
        ("pod.delete", {}, False, ["gone", "seen"]),
        ("pod.delete", {}, True, ["gone", "seen", "wait-failed"]),
        ("pod.delete", {"force": True}, False, ["gone", "seen", "restarted"]),
        ("spot.reclaim", {}, False, ["gone", "seen"]),
        ("spot.reclaim", {"notice": "0s"}, False, ["seen", "restarted"]),
        ("spot.reclaim", {"notice": "4s", "reaction": "none"}, False, ["seen"]),
        (
            "spot.reclaim",
            {"notice": "4s", "reaction": "none", "false-alarm": True},
            False,
            [None],
        ),
    ],
)
def test_the_legal_views_follow_from_the_way_to_die(kind, options, outputs, views):
    fault = CATALOGUE[kind]
    model = fault.options.model_validate(options)
    assert list(fault.views(model, has_outputs=outputs)) == views


def test_a_false_alarm_without_a_notice_is_refused():
    with pytest.raises(ValueError, match="needs a notice"):
        CATALOGUE["spot.reclaim"].options.model_validate({"notice": "0s", "false-alarm": True})


def test_a_substrate_that_cannot_stop_nodes_is_named_as_lacking_it():
    class OnlyDeletes:
        def delete_pod(self) -> None: ...

    assert missing_capabilities(CATALOGUE["pod.delete"], OnlyDeletes()) == []
    assert "StopsNodes" in missing_capabilities(CATALOGUE["spot.reclaim"], OnlyDeletes())


def test_scripts_wait_for_the_events_of_their_own_node_and_pod():
    told = run("spot.reclaim", notice="120s")
    notice, exit_1, _ = [step for step in told if isinstance(step, steps.Until)]

    seen = NoticeVisible(node="node-1", notice="n", action="terminate", deadline_ns=1)
    assert notice.matches(event(seen))
    other = NoticeVisible(node="node-2", notice="n", action="terminate", deadline_ns=1)
    assert not notice.matches(event(other))
    assert exit_1.matches(event(PodExited(uid="uid-1", exit_code=143)))
    assert not exit_1.matches(event(PodExited(uid="uid-3", exit_code=143)))
