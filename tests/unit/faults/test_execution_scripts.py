"""Scripts of the faults that let a task be executed again, or twice at once."""

from __future__ import annotations

import pytest

from chaosml.event import PodCreated, PodStarted
from chaosml.faults import script as steps
from chaosml.faults.catalogue import CATALOGUE, missing_capabilities
from chaosml.substrates.kubernetes.kind import KindSubstrate
from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate
from tests.unit.events import event
from tests.unit.faults.playing import names, run


def created(uid: str, task: str = "train") -> object:
    fact = PodCreated(
        uid=uid, pod=uid, task=task, attempt=1, node="node-2", image="i", image_id="", grace_s=1
    )
    return event(fact)


def test_a_success_is_lost_and_whoever_is_held_goes_on_to_it() -> None:
    assert run("task.rerun", view="restarted") == [
        steps.LoseSuccess("uid-1", "restarted"),
        steps.Release(),
    ]


def test_a_rerun_kills_nobody_and_has_the_views_of_a_pod_that_is_gone() -> None:
    fault = CATALOGUE["task.rerun"]
    options = fault.options.model_validate({})
    assert not fault.lethal(options)
    assert fault.views(options, has_outputs=True) == ("gone", "restarted")


def test_a_zombie_stands_still_until_its_replacement_runs_and_is_ended_in_the_end() -> None:
    told = run("task.zombie", view="gone", **{"wakes-after": "2s", "for": "5s"})
    assert names(told) == [
        "PauseContainer",
        "Until",
        "CutOff",
        "Release",
        "Until",
        "Until",
        "ResumeContainer",
        "Until",
        "EndCutOff",
    ]
    assert told[2] == steps.CutOff("uid-1", "gone")
    waits = [step for step in told if isinstance(step, steps.Until)]
    assert [wait.limit_s for wait in waits] == [5.0, 60.0, 2.0, 5.0]
    # What the old attempt does after the workflow's end may win as well.
    assert [wait.outlasts for wait in waits] == [False, False, True, True]


def test_a_replacement_is_another_pod_of_the_task_that_was_created_after_the_cut() -> None:
    told = run("task.zombie")
    matches = told[4].matches  # type: ignore[union-attr]
    assert not matches(event(PodStarted(uid="uid-0", pid=1)))
    assert not matches(created("uid-1"))
    assert not matches(event(PodStarted(uid="uid-1", pid=1)))
    assert not matches(created("uid-7", task="evaluate"))
    assert not matches(event(PodStarted(uid="uid-7", pid=1)))
    assert not matches(created("uid-2"))
    assert matches(event(PodStarted(uid="uid-2", pid=1)))


def test_a_zombie_without_a_replacement_is_ended_and_proves_nothing() -> None:
    def answers(step: steps.Step) -> bool:
        return not (isinstance(step, steps.Until) and "replacement" in step.what)

    told = run("task.zombie", answers)
    assert names(told)[-2:] == ["EndCutOff", "Invalidate"]
    assert told[-1].why == "no-replacement"  # type: ignore[union-attr]


def test_a_zombie_has_the_views_of_an_object_that_went_while_its_program_ran() -> None:
    fault = CATALOGUE["task.zombie"]
    options = fault.options.model_validate({})
    assert fault.lethal(options)
    assert fault.views(options, has_outputs=True) == ("gone", "restarted")


@pytest.mark.parametrize("options", [{"for": "0s"}, {"patience": "0s"}, {"wakes-after": 3}])
def test_a_zombie_needs_time(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        CATALOGUE["task.zombie"].options.model_validate(options)


@pytest.mark.parametrize(
    ("substrate", "kind", "lacks"),
    [
        (KindSubstrate, "task.rerun", []),
        (KindSubstrate, "task.zombie", []),
        (KubernetesSubstrate, "task.rerun", []),
        (KubernetesSubstrate, "task.zombie", ["CutsOffPods"]),
    ],
)
def test_only_where_machines_are_ours_can_a_pod_be_cut_off(
    substrate: type, kind: str, lacks: list[str]
) -> None:
    assert missing_capabilities(CATALOGUE[kind], substrate.__new__(substrate)) == lacks
