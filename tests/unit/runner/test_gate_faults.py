"""Faults of the gate as a run carries them out: journalled, released, calmed whatever happens."""

from __future__ import annotations

import types

import pytest

from chaosml.event import (
    DisturbanceAdded,
    DisturbanceRemoved,
    HealDone,
    HealIntended,
    HoldStarted,
    InjectionApplied,
    InjectionArmed,
    InjectionIntended,
    Request,
)
from chaosml.faults.catalogue import CATALOGUE
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner.injections import Injections
from chaosml.runner.ways import Ways
from chaosml.services.messages import Answer, Calm, Disturb, Release
from chaosml.substrates.protocol import PodView
from tests.unit.events import event


class World:
    """Records everything in one list."""

    def __init__(self) -> None:
        self.log: list = []
        self.ways = Ways()
        self.substrate = types.SimpleNamespace(
            pods=lambda: [PodView("uid-1", "train", "train", 0, "node-1", running=True)]
        )

    def call(self, order):
        self.log.append(order)
        return Answer(id=1)

    def say(self, subject, fact):
        self.log.append(fact)

    def record(self, entries):
        assert not entries


@pytest.fixture
def struck():
    """Return a world and its injections, the target held at its step."""
    world, fault = World(), CATALOGUE["storage.throttle"]
    planned = PlannedInjection(
        injection="t1.refused",
        fault="refused",
        inject=fault.kind,
        task="train",
        attempt=0,
        place=Place(kind="step", step=61),
        view=None,
    )
    options = fault.options.model_validate({"first": 2, "for": "9s"})
    injections = Injections(world, [(planned, fault, options)])
    injections.arm()
    held = HoldStarted(hold="h1", rule="t1.refused", uid="uid-1", place="step 61", step=61)
    injections.take(event(held))
    return world, injections


def kinds(log):
    return [type(entry) for entry in log]


def refused():
    fact = Request(
        operation="PutObject", bucket="b", outcome="throttled", status=503, injection="t1.refused"
    )
    return event(fact)


def test_the_journal_comes_before_the_order_and_the_target_goes_on_after_it(struck):
    world, _ = struck
    assert kinds(world.log)[2:] == [
        InjectionIntended,
        Disturb,
        DisturbanceAdded,
        InjectionApplied,
        Release,
    ]
    armed, added = world.log[0], world.log[4]
    assert isinstance(armed, InjectionArmed)
    assert (armed.service, armed.lethal) == ("store", False)
    assert (added.injection, added.task, added.how) == ("t1.refused", "train", "throttle")


def test_the_fault_ends_with_the_last_request_that_was_to_meet_it(struck):
    world, injections = struck
    injections.take(refused())
    assert DisturbanceRemoved not in kinds(world.log)
    injections.take(refused())
    assert kinds(world.log)[-4:] == [
        InjectionIntended,
        Calm,
        DisturbanceRemoved,
        InjectionApplied,
    ]
    del world.log[:]
    injections.finish()
    assert world.log == []


def test_an_execution_that_ends_early_is_calmed(struck):
    world, injections = struck
    del world.log[:]
    injections.finish()
    assert kinds(world.log) == [HealIntended, Calm, DisturbanceRemoved, HealDone]
