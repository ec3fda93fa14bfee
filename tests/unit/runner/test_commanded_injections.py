"""Faults of programs, journalled before they start and taken back at the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaosml.errors import HarnessError
from chaosml.event import (
    CommandEnded,
    HealDone,
    HealIntended,
    HoldStarted,
    InjectionApplied,
    InjectionIntended,
    InjectionInvalid,
    PodStarted,
)
from chaosml.faults.catalogue import CATALOGUE
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner.injections import Injections
from chaosml.services.messages import Answer, Release
from chaosml.substrates.protocol import PodView
from tests.unit.events import event

TARGET = PodView("uid-1", "train", "train", 0, "node-1", running=True)
OPTIONS = {"command": ["do", "{pid}", "{store}"], "receipt": ["ask"], "undo": ["undo", "{pod}"]}


class World:
    """Records orders and facts in one list."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.substrate = self
        self.commands = self
        self.folder = "/scenarios"
        self.known = {"store": "http://store"}
        self.failing = False

    def pods(self) -> list[PodView]:
        return [TARGET]

    def call(self, order: Any) -> Answer:
        self.log.append(order)
        return Answer(id=1)

    def say(self, subject: str, fact: Any) -> None:
        self.log.append(fact)

    def record(self, entries: Any) -> None:
        assert not entries

    def start(self, injection: str, part: str, uid: str, program: Any) -> None:
        self.log.append((part, program.argv))

    def ask(self, injection: str, wanted: Any) -> None:
        self.log.append(("receipt", wanted.program.argv))

    def undo(self, injection: str, uid: str, program: Any) -> None:
        self.log.append(("undo at the end", program.argv))
        if self.failing:
            raise HarnessError("the undo failed")

    def kinds(self) -> list[Any]:
        return [one[0] if isinstance(one, tuple) else type(one) for one in self.log]


def struck(**options: Any) -> tuple[World, Injections]:
    world, fault = World(), CATALOGUE["external"]
    place = Place(kind="step", step=61)
    planned = PlannedInjection(
        injection="t1.f",
        fault="f",
        inject="external",
        task="train",
        attempt=0,
        place=place,
        view=None,
    )
    chosen = fault.options.model_validate({**OPTIONS, **options})
    injections = Injections(world, [(planned, fault, chosen)])
    injections.arm()
    world.log.clear()
    injections.take(event(PodStarted(uid="uid-1", pid=77)))
    injections.take(
        event(HoldStarted(hold="h", rule="t1.f", uid="uid-1", place="step 61", step=61))
    )
    return world, injections


def ended(part: str, outcome: str = "done") -> Any:
    return event(CommandEnded(injection="t1.f", part=part, uid="uid-1", outcome=outcome))


def test_what_is_to_be_undone_is_journalled_before_the_program_starts() -> None:
    world, injections = struck()
    intended, started, applied = world.log
    assert isinstance(intended, InjectionIntended)
    assert json.loads(str(intended.prior["undo"])) == ["undo", "train"]
    assert intended.prior["folder"] == "/scenarios"
    assert started == ("command", ("do", "77", "http://store"))
    assert isinstance(applied, InjectionApplied)
    world.log.clear()
    injections.take(ended("command"))
    injections.take(ended("receipt"))
    assert world.kinds() == ["receipt", Release]
    world.log.clear()
    injections.finish()
    assert world.kinds() == [HealIntended, "undo at the end", HealDone]


def test_the_workflows_end_waits_for_the_answer_only() -> None:
    world, injections = struck()
    assert injections.outlast
    injections.take(ended("command"))
    assert injections.outlast
    injections.take(ended("receipt"))
    assert not injections.outlast
    assert injections.waiting_for is None
    assert Release in world.kinds()


def test_a_failure_is_invalid_and_taken_back_once() -> None:
    world, injections = struck()
    world.log.clear()
    injections.take(ended("command", "failed"))
    assert world.kinds() == [InjectionInvalid, Release, HealIntended, "undo"]
    injections.take(ended("undo"))
    assert world.kinds()[-1] is HealDone
    world.log.clear()
    injections.finish()
    assert world.log == []


def test_an_undo_that_failed_is_tried_again_at_the_end_and_then_named() -> None:
    world, injections = struck()
    injections.take(ended("command", "failed"))
    injections.take(ended("undo", "failed"))
    world.failing = True
    world.log.clear()
    with pytest.raises(ExceptionGroup, match="could not be healed"):
        injections.finish()
    assert world.kinds() == [HealIntended, "undo at the end"]


def test_without_an_undo_there_is_nothing_to_heal() -> None:
    world, injections = struck(undo=None)
    world.log.clear()
    injections.finish()
    assert world.log == []
