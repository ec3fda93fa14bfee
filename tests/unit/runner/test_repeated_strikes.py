"""Strikes at the pod that replaces the one struck before: when they are armed, whom they hit."""

from __future__ import annotations

from chaosml.event import (
    HoldStarted,
    InjectionArmed,
    InjectionInvalid,
    PodExited,
    PodStarted,
)
from chaosml.faults.catalogue import CATALOGUE
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner.injections import Injections
from chaosml.services.messages import Arm
from chaosml.substrates.protocol import PodView
from tests.unit.events import event
from tests.unit.runner.test_injections import TARGET, World

STEP = Place(kind="step", step=61)
RESTORE = Place(kind="event", event="restore")
NEXT = PodView("uid-2", "train", "train", 1, "node-2", running=True)


def build(*places: Place):
    world, fault = World(), CATALOGUE["pod.delete"]
    names = ["t1.f", *(f"t1.f.{number}" for number in range(2, len(places) + 1))]
    planned = [
        PlannedInjection(
            injection=name,
            fault="f",
            inject="pod.delete",
            task="train",
            attempt=0,
            place=place,
            view="gone",
            follows=before,
        )
        for name, before, place in zip(names, [None, *names], places, strict=False)
    ]
    options = fault.options.model_validate({})
    injections = Injections(world, [(plan, fault, options) for plan in planned])
    injections.arm()
    return world, injections


def hold(injections, rule, uid):
    injections.take(event(HoldStarted(hold=f"h-{uid}", rule=rule, uid=uid, place="p")))


def deleted(world):
    return [entry[1] for entry in world.log if isinstance(entry, tuple) and entry[0] == "delete"]


def test_the_second_place_is_armed_when_the_first_target_has_ended() -> None:
    world, injections = build(STEP, RESTORE)
    assert [one.injection for one in world.facts(InjectionArmed)] == ["t1.f", "t1.f.2"]
    assert [one.armed.rule for one in world.facts(Arm)] == ["t1.f"]
    hold(injections, "t1.f", "uid-1")
    assert [one.armed.rule for one in world.facts(Arm)] == ["t1.f"]
    injections.take(event(PodExited(uid="uid-1", exit_code=143)))
    armed = [one.armed for one in world.facts(Arm)][-1]
    # Under `restarted` the next pod has the same attempt.
    assert (armed.rule, armed.task, armed.attempt) == ("t1.f.2", "train", None)


def test_the_end_of_another_pod_arms_nothing() -> None:
    world, injections = build(STEP, RESTORE)
    hold(injections, "t1.f", "uid-1")
    injections.take(event(PodExited(uid="uid-9", exit_code=0)))
    assert len(world.facts(Arm)) == 1


def test_the_replacement_is_struck_once() -> None:
    world, injections = build(STEP, RESTORE)
    hold(injections, "t1.f", "uid-1")
    injections.take(event(PodExited(uid="uid-1", exit_code=143)))
    world.substrate.alive = [NEXT]
    hold(injections, "t1.f.2", "uid-2")
    hold(injections, "t1.f.2", "uid-2")
    assert deleted(world) == ["uid-1", "uid-2"]
    injections.take(event(PodExited(uid="uid-2", exit_code=143)))
    injections.finish()
    assert world.facts(InjectionInvalid) == []


def test_an_approximate_place_strikes_the_replacement_and_not_the_first_again() -> None:
    world, injections = build(STEP, Place(kind="pod"))
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    hold(injections, "t1.f", "uid-1")
    injections.take(event(PodExited(uid="uid-1", exit_code=143)))
    world.substrate.alive = [NEXT]
    injections.take(event(PodStarted(uid="uid-2", pid=2)))
    injections.tick(injections.due_ns or 0)
    assert deleted(world) == ["uid-1", "uid-2"]


def test_a_replacement_that_is_done_before_its_place_proves_nothing() -> None:
    world, injections = build(STEP, RESTORE)
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    hold(injections, "t1.f", "uid-1")
    injections.take(event(PodExited(uid="uid-1", exit_code=143)))
    world.substrate.alive = [NEXT]
    injections.take(event(PodStarted(uid="uid-2", pid=2)))
    injections.take(event(PodExited(uid="uid-2", exit_code=0)))
    (invalid,) = world.facts(InjectionInvalid)
    assert (invalid.injection, invalid.why) == ("t1.f.2", "target-finished")


def test_a_replacement_that_fails_by_itself_leaves_the_place_for_the_next() -> None:
    world, injections = build(STEP, RESTORE)
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    hold(injections, "t1.f", "uid-1")
    injections.take(event(PodExited(uid="uid-1", exit_code=143)))
    world.substrate.alive = [NEXT]
    injections.take(event(PodStarted(uid="uid-2", pid=2)))
    injections.take(event(PodExited(uid="uid-2", exit_code=1)))
    assert world.facts(InjectionInvalid) == []
    injections.finish()
    (invalid,) = world.facts(InjectionInvalid)
    assert invalid.why == "never-reached"
    assert "again" in invalid.detail


def test_without_the_first_strike_the_second_is_never_reached() -> None:
    world, injections = build(STEP, RESTORE)
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    injections.take(event(PodExited(uid="uid-1", exit_code=0)))
    injections.finish()
    assert len(world.facts(Arm)) == 1
    assert {one.injection: one.why for one in world.facts(InjectionInvalid)} == {
        "t1.f": "target-finished",
        "t1.f.2": "never-reached",
    }
    assert deleted(world) == []
    assert TARGET in world.substrate.alive
