"""Scripts of the faults at pods and nodes, driven with a list of answers."""

from __future__ import annotations

import pytest

from chaosml.errors import FaultRefused
from chaosml.event import NodeChanged, PodDeletion, PodExited, PodPaused, PodSignalled
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE, missing_capabilities
from tests.unit.events import event
from tests.unit.faults.playing import REFUSED, Scene, names, run


def test_a_pod_is_evicted_once_under_the_planned_view() -> None:
    assert run("pod.evict", view="seen") == [steps.Evict("uid-1", "seen")]


def test_a_refused_eviction_is_not_tried_again() -> None:
    with pytest.raises(FaultRefused, match="the budget keep"):
        run("pod.evict", lambda step: REFUSED)


def test_whoever_is_held_goes_on_after_the_signal_was_sent() -> None:
    told = run("container.kill", signal="TERM")
    assert told[0] == steps.SignalContainer("uid-1", "SIGTERM")
    assert names(told) == ["SignalContainer", "Until", "Release"]
    matches = told[1].matches  # type: ignore[union-attr]
    assert matches(event(PodSignalled(uid="uid-1", signal="SIGTERM", by="i")))
    assert not matches(event(PodSignalled(uid="uid-2", signal="SIGTERM", by="i")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signal": "SIGSTOP"}, "inject container.pause instead"),
        ({"signal": "KILLL"}, 'no signal "KILLL"'),
        ({"signal": "CHLD"}, 'no signal "CHLD"'),
        ({"signal": "SIGKILL", "survives": True}, "nothing survives SIGKILL"),
    ],
)
def test_signals_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CATALOGUE["container.kill"].options.model_validate(options)


def test_a_program_that_survives_its_signal_need_not_die() -> None:
    fault = CATALOGUE["container.kill"]
    usual = fault.options.model_validate({"signal": "USR1", "survives": True})
    assert fault.views(usual, has_outputs=True) == (None,)
    assert not fault.lethal(usual)
    assert fault.views(fault.options.model_validate({}), has_outputs=True) == ("seen",)


def test_a_hung_program_goes_on_after_its_time() -> None:
    told = run("container.pause", _only_stops, **{"for": "3s"})
    assert names(told) == ["PauseContainer", "Until", "Release", "Until", "ResumeContainer"]
    assert told[3].limit_s == 3.0  # type: ignore[union-attr]
    assert told[1].matches(event(PodPaused(uid="uid-1", by="i", processes=2)))  # type: ignore[union-attr]


def _only_stops(step: steps.Step) -> bool:
    return not (isinstance(step, steps.Until) and step.what.startswith("end of"))


def test_a_program_that_was_ended_as_it_hung_is_not_told_to_go_on() -> None:
    told = run("container.pause", **{"for": "3s"})
    assert names(told) == ["PauseContainer", "Until", "Release", "Until"]
    assert told[3].matches(event(PodExited(uid="uid-1", exit_code=137)))  # type: ignore[union-attr]


def test_a_hang_has_a_length() -> None:
    with pytest.raises(ValueError, match="for"):
        CATALOGUE["container.pause"].options.model_validate({})


def test_a_node_is_closed_before_anybody_on_it_is_evicted_and_opened_at_last() -> None:
    told = run("node.drain", uncordon_after="1s")
    assert names(told) == ["Cordon", "Evict", "Evict", "Until", "Until", "Pause", "Uncordon"]


def test_nobody_is_waited_for_who_has_ended_meanwhile() -> None:
    scene = Scene()

    def answer(step: steps.Step) -> bool:
        if isinstance(step, steps.Evict):
            scene.there = [pod for pod in scene.there if pod.uid != "uid-2"]
        return True

    told = run("node.drain", answer, scene)
    assert [step.what for step in told if isinstance(step, steps.Until)] == [
        "death of the evicted pod uid-1"
    ]


def test_a_budget_that_refuses_a_drain_is_asked_again_until_it_gives_in() -> None:
    refusals = iter([REFUSED, REFUSED])
    told = run(
        "node.drain", lambda step: next(refusals, True) if isinstance(step, steps.Evict) else True
    )
    assert names(told)[:7] == ["Cordon", "Evict", "Pause", "Evict", "Pause", "Evict", "Evict"]


def test_a_drain_gives_up_at_its_limit_and_names_the_budget() -> None:
    tried = []

    def answer(step: steps.Step) -> object:
        if isinstance(step, steps.Evict):
            tried.append(step)
            return REFUSED
        return True

    with pytest.raises(FaultRefused, match="not drained within 12 s: the budget keep") as refused:
        run("node.drain", answer, timeout="12s")
    assert refused.value.why == "refused-by-pdb"
    assert len(tried) == 3


def test_a_stopped_node_is_started_again_by_its_own_name() -> None:
    assert run("node.stop") == [steps.StopNode("node-1", "restarted", returns=True)]
    told = run("node.stop", node_object="left", returns_after="20s")
    assert told == [
        steps.StopNode("node-1", "seen", keep_object=True, returns=True),
        steps.Pause(20.0),
        steps.ReturnNode("node-1"),
    ]


def test_a_node_whose_object_is_left_has_to_return() -> None:
    with pytest.raises(ValueError, match="needs `returns-after`"):
        CATALOGUE["node.stop"].options.model_validate({"node-object": "left"})


def test_the_views_of_a_stopped_node_follow_from_what_becomes_of_its_object() -> None:
    fault = CATALOGUE["node.stop"]
    removed = fault.options.model_validate({})
    left = fault.options.model_validate({"node-object": "left", "returns-after": "5s"})
    assert set(fault.views(removed, has_outputs=False)) == {"seen", "restarted"}
    assert "seen" in fault.views(left, has_outputs=False)


def test_a_drain_by_somebody_else_is_only_watched() -> None:
    told = run("spot.reclaim", notice="120s", reaction="external", kill=False)
    assert names(told) == ["ExpectDrain", "Notify", "Until", "Release", "Until", "Until", "Until"]
    matches = told[4].matches  # type: ignore[union-attr]
    assert matches(event(NodeChanged(node="node-1", state="cordoned", by="nth")))
    assert matches(event(PodDeletion(uid="uid-2", how="evict", grace_s=1.0, by="i")))
    assert not matches(event(NodeChanged(node="node-2", state="cordoned", by="nth")))


def test_nobody_who_reacts_makes_the_injection_invalid() -> None:
    told = run(
        "spot.reclaim",
        lambda step: not (isinstance(step, steps.Until) and step.what.startswith("somebody")),
        notice="120s",
        reaction="external",
        kill=False,
    )
    (invalid,) = [step for step in told if isinstance(step, steps.Invalidate)]
    assert invalid.why == "no-reaction"
    assert "metadata URL" in invalid.detail


def test_a_false_alarm_that_others_react_to_opens_the_node_that_they_closed() -> None:
    told = run("spot.reclaim", notice="9s", reaction="external", false_alarm=True)
    assert names(told)[-2:] == ["Withdraw", "EndDrain"]
    assert "StopNode" not in names(told)


def test_a_reclaim_without_a_kill_needs_no_machines_of_ours() -> None:
    class Elsewhere:
        def nodes(self) -> None: ...
        def cordon_node(self) -> None: ...
        def uncordon_node(self) -> None: ...
        def evict_pod(self) -> None: ...
        def expect_drain(self) -> None: ...
        def end_drain(self) -> None: ...

    fault = CATALOGUE["spot.reclaim"]

    def lacking(**options: object) -> list[str]:
        chosen = fault.options.model_validate({k.replace("_", "-"): v for k, v in options.items()})
        return missing_capabilities(fault, Elsewhere(), chosen)

    assert lacking() == ["StopsNodes"]
    assert lacking(kill=False) == []
    assert lacking(kill=False, reaction="external") == []
    assert lacking(false_alarm=True, reaction="none") == []
    assert lacking(notice="0s") == ["StopsNodes"]


@pytest.mark.parametrize(
    "options",
    [
        {"kill": False, "notice": "0s"},
        {"kill": False, "reaction": "none"},
        {"kill": False, "capacity-returns-after": "1s"},
        {"false-alarm": True, "capacity-returns-after": "1s"},
    ],
)
def test_a_reclaim_in_which_nothing_happens_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"nothing happens|no capacity is lost"):
        CATALOGUE["spot.reclaim"].options.model_validate(options)
