"""A settled trigger strikes once the orchestrator has shown its target running for a while."""

from __future__ import annotations

from typing import Any

import pytest

from chaosml.event import HoldEnded, HoldStarted, InjectionInvalid, TaskPhase
from chaosml.faults.catalogue import CATALOGUE
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner import injections as module
from chaosml.runner.injections import Injections
from tests.unit.runner.test_injections import World, event

S = 1_000_000_000
HELD = HoldStarted(hold="h1", rule="t1.f", uid="uid-1", place="step 61", step=61)
SHOWN = TaskPhase(
    vertex="w.train(0)",
    display_name="train(0)",
    template="train",
    type="Pod",
    phase="Running",
    task="train",
    attempt=0,
    pod="train",
)


class Time:
    now_ns = 0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module.clock, "monotonic_ns", lambda: time.now_ns)
    return time


def build(*, settled: bool = True, settling_s: float | None = 12.0) -> tuple[World, Injections]:
    world = World()
    if settling_s is not None:
        world.substrate.settling_s = settling_s  # type: ignore[attr-defined]
    fault = CATALOGUE["pod.delete"]
    planned = PlannedInjection(
        injection="t1.f",
        fault="f",
        inject="pod.delete",
        task="train",
        attempt=0,
        place=Place(kind="step", step=61),
        view="gone",
        settled=settled,
    )
    return world, Injections(world, [(planned, fault, fault.options.model_validate({}))])


def struck(world: World) -> bool:
    return any(isinstance(entry, tuple) and entry[0] == "delete" for entry in world.log)


def test_whoever_was_shown_long_ago_is_struck_as_soon_as_he_is_held(time: Time) -> None:
    world, injections = build()
    injections.take(event(SHOWN))
    time.now_ns = 13 * S
    injections.take(event(HELD))
    injections.tick(time.now_ns)
    assert struck(world)


def test_whoever_was_shown_just_now_is_struck_when_that_is_long_enough_ago(time: Time) -> None:
    world, injections = build()
    time.now_ns = 5 * S
    injections.take(event(SHOWN))
    time.now_ns = 7 * S
    injections.take(event(HELD))
    injections.tick(time.now_ns)
    assert not struck(world)
    assert injections.due_ns == 17 * S
    injections.tick(17 * S)
    assert struck(world)


def test_whoever_is_held_before_he_is_shown_waits_for_that(time: Time) -> None:
    world, injections = build()
    injections.take(event(HELD))
    injections.tick(20 * S)
    assert not struck(world)
    time.now_ns = 21 * S
    injections.take(event(SHOWN))
    assert injections.due_ns == 33 * S
    injections.tick(33 * S)
    assert struck(world)


def test_a_hold_that_expires_first_is_never_struck(time: Time) -> None:
    world, injections = build()
    injections.take(event(HELD))
    injections.take(event(HoldEnded(hold="h1", why="expired")))
    injections.take(event(SHOWN))
    injections.tick(60 * S)
    assert not struck(world)
    assert [one.why for one in world.facts(InjectionInvalid)] == ["hold-expired"]


@pytest.mark.parametrize(("settled", "settling_s"), [(False, 12.0), (True, None)])
def test_without_the_wish_or_without_time_constants_the_strike_is_at_once(
    time: Time, settled: bool, settling_s: Any
) -> None:
    world, injections = build(settled=settled, settling_s=settling_s)
    injections.take(event(HELD))
    assert struck(world)
