"""Injections: armed, struck at the hold, journalled, healed, or reported as invalid."""

from __future__ import annotations

import pytest

from chaosml import clock
from chaosml.errors import FaultRefused
from chaosml.event import (
    Event,
    HealDone,
    HealIntended,
    HoldEnded,
    HoldStarted,
    InjectionApplied,
    InjectionArmed,
    InjectionIntended,
    InjectionInvalid,
    NoticeVisible,
    PodExited,
    PodPaused,
    PodSignalled,
    PodStarted,
)
from chaosml.faults.catalogue import CATALOGUE
from chaosml.plan.model import Place, PlannedInjection
from chaosml.runner.injections import Injections
from chaosml.services.messages import Answer, Arm, EndHolds, Notify, Release, Withdraw
from chaosml.substrates.protocol import PodView
from tests.unit.events import event

TARGET = PodView("uid-1", "train", "train", 0, "node-1", running=True)


class Substrate:
    def __init__(self, log: list) -> None:
        self.log = log
        self.alive = [TARGET]
        self.refusals = []

    def pods(self) -> list[PodView]:
        return self.alive

    def delete_pod(self, uid, *, by, view, grace_s=None, force=False):
        self.log.append(("delete", uid, view, force))
        return ()

    def evict_pod(self, uid, *, by, view):
        self.log.append(("evict", uid, view))
        if self.refusals:
            raise self.refusals.pop(0)
        return ()

    def signal_container(self, uid, *, by, signal):
        self.log.append(("signal", uid, signal))
        return ("said",)

    def pause_container(self, uid, *, by):
        if self.refusals:
            raise self.refusals.pop(0)
        self.log.append(("pause", uid))
        return ()

    def resume_container(self, uid, *, by):
        self.log.append(("resume", uid))
        return ()

    def return_node(self, node, *, by):
        self.log.append(("return", node))
        return ()

    def cordon_node(self, node, *, by):
        self.log.append(("cordon", node))
        return ()

    def uncordon_node(self, node, *, by):
        self.log.append(("uncordon", node))
        return ()

    def stop_node(self, node, *, by, view, keep_object=False):
        self.log.append(("stop", node))
        return ()

    def add_node(self, *, by, instead_of=""):
        self.log.append(("add",))
        return ()


class World:
    """Records everything in one list, so that tests see the order."""

    def __init__(self) -> None:
        self.log: list = []
        self.substrate = Substrate(self.log)
        self.hear = lambda entries: None

    def call(self, order):
        self.log.append(order)
        return Answer(id=1)

    def say(self, subject, fact):
        self.log.append(fact)

    def record(self, entries):
        if entries:
            self.hear(entries)

    def facts(self, kind: type) -> list:
        return [entry for entry in self.log if isinstance(entry, kind)]


def build(place: Place, kind: str = "pod.delete", view: str | None = "gone", **options):
    world = World()
    fault = CATALOGUE[kind]
    planned = PlannedInjection(
        injection="t1.f", fault="f", inject=kind, task="train", attempt=0, place=place, view=view
    )
    injections = Injections(world, [(planned, fault, fault.options.model_validate(options))])
    injections.arm()
    return world, injections


def held(step: int = 61) -> Event:
    return event(HoldStarted(hold="h1", rule="t1.f", uid="uid-1", place=f"step {step}", step=step))


STEP = Place(kind="step", step=61)


def test_an_exact_place_is_armed_before_anything_runs():
    world, _ = build(STEP)
    armed, order = world.log
    assert isinstance(armed, InjectionArmed)
    assert armed.exact
    assert isinstance(order, Arm)
    assert order.armed.fields == {"step": 61}


def test_the_journal_comes_before_the_deed_and_the_report_after_it():
    world, injections = build(STEP)
    del world.log[:]
    injections.take(held())
    intended, deed, applied = world.log
    assert isinstance(intended, InjectionIntended)
    assert intended.prior == {"running": True, "node": "node-1"}
    assert deed == ("delete", "uid-1", "gone", False)
    assert isinstance(applied, InjectionApplied)
    assert applied.step == 61


def test_the_hold_ends_when_the_signal_has_been_sent():
    world, injections = build(STEP)
    injections.take(held())
    assert not world.facts(EndHolds)
    injections.take(event(PodSignalled(uid="uid-1", signal="SIGTERM", by="t1.f")))
    assert world.facts(EndHolds) == [EndHolds(uid="uid-1", why="terminating")]


def test_a_second_hold_of_the_same_rule_strikes_nobody():
    world, injections = build(STEP)
    injections.take(held())
    injections.take(held())
    assert world.log.count(("delete", "uid-1", "gone", False)) == 1


def test_a_target_that_ends_before_the_place_makes_the_injection_invalid():
    world, injections = build(STEP)
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    injections.take(event(PodExited(uid="uid-1", exit_code=0)))
    (invalid,) = world.facts(InjectionInvalid)
    assert invalid.why == "target-finished"
    assert "before step 61" in invalid.detail
    injections.finish()
    assert len(world.facts(InjectionInvalid)) == 1


def test_a_place_that_is_never_reached_makes_the_injection_invalid():
    world, injections = build(STEP)
    injections.finish()
    (invalid,) = world.facts(InjectionInvalid)
    assert invalid.why == "never-reached"


def test_a_hold_that_expires_makes_the_injection_invalid():
    world, injections = build(STEP)
    injections.take(held())
    injections.take(event(HoldEnded(hold="h1", why="expired")))
    (invalid,) = world.facts(InjectionInvalid)
    assert invalid.why == "hold-expired"


def test_an_approximate_trigger_strikes_after_its_time():
    world, injections = build(Place(kind="after", after_s=30.0))
    assert not world.facts(Arm)
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    now = clock.monotonic_ns()
    injections.tick(now)
    assert ("delete", "uid-1", "gone", False) not in world.log
    assert injections.due_ns is not None
    injections.tick(injections.due_ns)
    assert ("delete", "uid-1", "gone", False) in world.log


def test_another_tasks_start_triggers_nothing():
    world, injections = build(Place(kind="pod"))
    world.substrate.alive = [PodView("uid-9", "x", "evaluate", 0, "node-1", running=True)]
    injections.take(event(PodStarted(uid="uid-9", pid=1)))
    assert injections.due_ns is None


def test_a_pod_reads_the_notice_only_after_it_is_readable():
    world, injections = build(STEP, "spot.reclaim", "seen", notice="4s", reaction="none")
    injections.take(held())
    assert world.facts(Notify)
    assert not world.facts(Release)
    notice = NoticeVisible(node="node-1", notice="t1.f", action="terminate", deadline_ns=1)
    injections.take(event(notice))
    assert world.facts(Release) == [Release(hold="h1", why="receipt")]


def test_what_is_left_is_healed_in_reverse_order_and_journalled():
    world, injections = build(STEP, "spot.reclaim", "gone", notice="120s")
    injections.take(held())
    notice = NoticeVisible(node="node-1", notice="t1.f", action="terminate", deadline_ns=1)
    injections.take(event(notice))
    assert ("evict", "uid-1", "gone") in world.log
    del world.log[:]
    injections.finish()
    kinds = [type(entry) for entry in world.log]
    assert kinds == [HealIntended, tuple, HealDone, HealIntended, Withdraw, HealDone]
    assert world.log[1] == ("uncordon", "node-1")
    assert ("stop", "node-1") not in world.log


def test_capacity_that_has_returned_is_not_returned_again():
    world, injections = build(
        STEP, "spot.reclaim", "restarted", notice="0s", **{"capacity-returns-after": "2s"}
    )
    injections.take(held())
    assert ("stop", "node-1") in world.log
    injections.tick(injections.due_ns)
    assert world.log.count(("add",)) == 1
    injections.finish()
    assert world.log.count(("add",)) == 1


@pytest.mark.parametrize("why", ["receipt", "terminating", "death", "disarmed"])
def test_a_hold_that_ends_for_a_reason_leaves_the_injection_valid(why: str):
    world, injections = build(STEP)
    injections.take(held())
    injections.take(event(HoldEnded(hold="h1", why=why)))
    assert not world.facts(InjectionInvalid)


BUDGET = "the budget keep needs 1 healthy pods"


def test_an_eviction_that_a_budget_refuses_makes_the_injection_invalid_and_the_run_goes_on():
    world, injections = build(STEP, "pod.evict")
    world.substrate.refusals = [FaultRefused("refused-by-pdb", BUDGET)]
    injections.take(held())
    (invalid,) = world.facts(InjectionInvalid)
    assert (invalid.why, invalid.detail) == ("refused-by-pdb", BUDGET)
    # Nothing was done, so nothing is said to be; and whoever is held is not kept waiting.
    assert not world.facts(InjectionApplied)
    assert world.facts(Release) == [Release(hold="h1", why="receipt")]
    injections.finish()
    assert len(world.facts(InjectionInvalid)) == 1


def test_a_drain_asks_a_budget_again_and_is_valid_once_it_gives_in():
    world, injections = build(STEP, "node.drain")
    world.substrate.refusals = [FaultRefused("refused-by-pdb", BUDGET)]
    injections.take(held())
    assert world.log.count(("evict", "uid-1", "gone")) == 1
    injections.tick(injections.due_ns)
    assert world.log.count(("evict", "uid-1", "gone")) == 2
    assert not world.facts(InjectionInvalid)
    injections.finish()
    assert ("uncordon", "node-1") in world.log


def test_what_was_refused_is_not_undone():
    world, injections = build(STEP, "container.pause", **{"for": "3s"})
    world.substrate.refusals = [FaultRefused("no-shell", "no shell there")]
    injections.take(held())
    injections.finish()
    assert ("resume", "uid-1") not in world.log
    assert not world.facts(HealIntended)


def test_a_program_that_still_hangs_at_the_end_goes_on():
    world, injections = build(STEP, "container.pause", **{"for": "300s"})
    injections.take(held())
    injections.take(event(PodPaused(uid="uid-1", by="t1.f", processes=1)))
    assert world.facts(Release) == [Release(hold="h1", why="receipt")]
    injections.finish()
    assert world.log[-2] == ("resume", "uid-1")


def test_what_was_said_while_the_script_acted_is_not_waited_for():
    """Where the substrate answers at once, the event is there before the script waits for it."""
    world, injections = build(Place(kind="pod"), "container.kill", view="seen")
    world.hear = lambda entries: injections.take(
        event(PodSignalled(uid="uid-1", signal="SIGKILL", by="t1.f"))
    )
    injections.take(event(PodStarted(uid="uid-1", pid=1)))
    injections.tick(injections.due_ns)
    assert ("signal", "uid-1", "SIGKILL") in world.log
    assert injections.due_ns is None


def test_a_stopped_node_is_started_again_under_its_name():
    world, injections = build(STEP, "node.stop", "restarted")
    injections.take(held())
    injections.finish()
    assert [entry for entry in world.log if isinstance(entry, tuple)] == [
        ("stop", "node-1"),
        ("return", "node-1"),
    ]
