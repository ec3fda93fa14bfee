"""Carrying out the actions of one injection: journalled before, reported after, healed at the end.

An action that has an undoing leaves it on a stack; an action that is itself the undoing
of an earlier one takes that one's off.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from chaosml import clock
from chaosml.errors import FaultRefused, HarnessError
from chaosml.event import (
    DisturbanceAdded,
    DisturbanceRemoved,
    Fact,
    HealDone,
    HealIntended,
    InjectionApplied,
    InjectionIntended,
    Scalar,
)
from chaosml.faults import script as steps
from chaosml.faults.program import Program
from chaosml.history import Entry
from chaosml.runner.journalling import (
    RUN_COMMAND,
    UNDO,
    UNDO_COMMAND,
    UNDOES,
    journal_undo,
    target_of,
    verb_of,
)
from chaosml.runner.ways import Ways
from chaosml.services.messages import Answer, Calm, Disturb, Notify, Order, Withdraw
from chaosml.services.sources import GATE
from chaosml.substrates.protocol import (
    CutsOffPods,
    DeletesPods,
    DrainsNodes,
    EvictsPods,
    KillsContainers,
    LosesSuccesses,
    PausesContainers,
    PodView,
    ReturnsNodes,
    StopsNodes,
    TerminatesPods,
    WatchesDrains,
)

__all__ = [
    "Performer",
    "Pods",
    "RunsPrograms",
    "StrikeScene",
    "World",
    "find_pod",
]


class Pods(
    DeletesPods,
    EvictsPods,
    KillsContainers,
    PausesContainers,
    TerminatesPods,
    LosesSuccesses,
    CutsOffPods,
    DrainsNodes,
    StopsNodes,
    ReturnsNodes,
    WatchesDrains,
    Protocol,
):
    """The capabilities that actions use; which of them a fault needs is checked before a run."""

    def pods(self) -> Sequence[PodView]:
        """Return the pods that exist."""


class RunsPrograms(Protocol):
    """Where the programs of injections are started: see `commands`."""

    @property
    def folder(self) -> str:
        """Their working directory."""

    def start(self, injection: str, part: str, uid: str, program: Program) -> None:
        """Start a program."""

    def ask(self, injection: str, wanted: steps.AskReceipt) -> None:
        """Ask for a receipt until it is given, or the time is over."""

    def undo(self, injection: str, uid: str, program: Program) -> None:
        """Take a fault back, and wait for that.

        Raises:
            HarnessError: the program does not do it.
        """


class _SeesPods(Protocol):
    """A substrate, as far as it is asked who is where."""

    def pods(self) -> Sequence[PodView]:
        """Return the pods that exist."""

    def nodes(self) -> Sequence[str]:
        """Return the nodes that are there."""


@dataclasses.dataclass(frozen=True, slots=True)
class StrikeScene:
    """The moment of a strike, as a script may ask about it (`faults.script.Scene`)."""

    injection: str
    target: PodView
    substrate: _SeesPods
    values: Callable[[], Mapping[str, str]] = dict
    """What is known of the execution, by the words that it fills in."""

    def known(self) -> Mapping[str, str]:
        """Return what fills the words of programs."""
        target = self.target
        return {
            **self.values(),
            "attempt": str(target.attempt),
            "injection": self.injection,
            "node": target.node,
            "pod": target.pod,
            "task": target.task,
            "uid": target.uid,
        }

    def nodes(self) -> Sequence[str]:
        """Return the nodes that are there."""
        return self.substrate.nodes()

    def pods_on(self, node: str) -> Sequence[PodView]:
        """Return the pods that exist on a node."""
        return [pod for pod in self.substrate.pods() if pod.node == node]


class World(Protocol):
    """What injections act on and report to."""

    @property
    def substrate(self) -> Any:
        """The substrate."""

    @property
    def ways(self) -> Ways:
        """The proxied ways to services."""

    @property
    def commands(self) -> RunsPrograms:
        """The programs of injections."""

    @property
    def known(self) -> Mapping[str, str]:
        """What of the execution fills the words of programs."""

    def call(self, order: Order) -> Answer:
        """Ask the services."""

    def say(self, subject: str, fact: Fact) -> None:
        """Write a fact of the harness."""

    def record(self, entries: Sequence[Entry]) -> None:
        """Write what the substrate says."""


def find_pod(world: World, uid: str) -> PodView | None:
    """Return a pod that exists now, by its uid."""
    pods: Sequence[PodView] = world.substrate.pods()
    return next((pod for pod in pods if pod.uid == uid), None)


class Performer:
    """Carries out and undoes the actions of one injection."""

    def __init__(self, world: World, injection: str) -> None:
        self._world = world
        self._injection = injection
        self._undo: list[tuple[str, steps.Action]] = []

    def perform(self, action: steps.Action, *, step: int | None) -> None:
        """Journal an action, carry it out, remember how to undo it.

        Args:
            action: Anything but what changes nothing, such as a release.
            step: Where the target stands, as far as its hold says.

        Raises:
            FaultRefused: the environment forbids it; there is nothing to undo.
        """
        if isinstance(action, steps.Measure):
            self._measure(action)
            return
        if isinstance(action, steps.AskReceipt | steps.UndoCommand | steps.Undone):
            self._command(action)
            return
        verb, target = verb_of(action), target_of(action)
        self._say(
            InjectionIntended(
                injection=self._injection,
                action=verb,
                target=target,
                prior=self._prior(action),
                owner_pid=os.getpid(),
            )
        )
        before = list(self._undo)
        self._note_undoing(action, verb)
        try:
            self._do(action)
        except FaultRefused:
            self._undo = before
            raise
        self._say(
            InjectionApplied(injection=self._injection, action=verb, target=target, step=step)
        )

    def heal(self) -> list[Exception]:
        """Undo what is left, the latest first; return what could not be undone."""
        problems: list[Exception] = []
        while self._undo:
            _, action = self._undo.pop()
            verb, target = verb_of(action), target_of(action)
            try:
                self._say(HealIntended(injection=self._injection, action=verb, target=target))
                self._do(action)
                self._say(HealDone(injection=self._injection, action=verb, target=target))
            except HarnessError as error:
                problems.append(error)
        return problems

    def _measure(self, action: steps.Measure) -> None:
        """Order canaries, which change nothing; whoever measured before measures after, too."""
        self._undo = [entry for entry in self._undo if not isinstance(entry[1], steps.Measure)]
        if action.when != "after":
            self._undo.insert(0, (verb_of(action), dataclasses.replace(action, when="after")))
        self._do(action)

    def _command(self, action: steps.AskReceipt | steps.UndoCommand | steps.Undone) -> None:
        """Go on with a program's fault; taken back it is when its program says so, not before."""
        target = f"pod/{action.uid}"
        match action:
            case steps.AskReceipt():
                self._world.commands.ask(self._injection, action)
            case steps.UndoCommand(uid, program):
                self._say(
                    HealIntended(injection=self._injection, action=verb_of(action), target=target)
                )
                self._world.commands.start(self._injection, "undo", uid, program)
            case steps.Undone():
                self._undo = [one for one in self._undo if one[0] != RUN_COMMAND]
                self._say(HealDone(injection=self._injection, action=UNDO_COMMAND, target=target))

    def _say(self, fact: Fact) -> None:
        self._world.say(f"injection/{self._injection}", fact)

    def _note_undoing(self, action: steps.Action, verb: str) -> None:
        undoing = UNDO.get(type(action))
        undone = UNDOES.get(type(action), ())
        for entry in reversed(self._undo):
            if entry[0] in undone:
                self._undo.remove(entry)
                break
        if undoing is not None and (later := undoing(action)) is not None:
            self._undo.append((verb, later))

    def _prior(self, action: steps.Action) -> dict[str, Scalar]:
        match action:
            case (
                steps.Delete(uid=uid)
                | steps.Evict(uid=uid)
                | steps.Terminate(uid=uid)
                | steps.LoseSuccess(uid=uid)
                | steps.CutOff(uid=uid)
                | steps.SignalContainer(uid=uid)
                | steps.PauseContainer(uid)
            ):
                pod = find_pod(self._world, uid)
                return {} if pod is None else {"running": pod.running, "node": pod.node}
            case steps.RunCommand(undo=undo) if undo is not None:
                return journal_undo(undo, self._world.commands.folder)
            case _:
                return {}

    def _do(self, action: steps.Action) -> None:
        by = self._injection
        substrate = cast("Pods", self._world.substrate)
        match action:
            case steps.Delete(uid, view, grace_s, force):
                entries = substrate.delete_pod(uid, by=by, view=view, grace_s=grace_s, force=force)
            case steps.Evict(uid, view):
                entries = substrate.evict_pod(uid, by=by, view=view)
            case steps.Cordon(node):
                entries = substrate.cordon_node(node, by=by)
            case steps.Uncordon(node):
                entries = substrate.uncordon_node(node, by=by)
            case steps.StopNode(node, view, keep_object):
                entries = substrate.stop_node(node, by=by, view=view, keep_object=keep_object)
            case steps.ReturnNode(node):
                entries = substrate.return_node(node, by=by)
            case steps.AddNode(instead_of):
                entries = substrate.add_node(by=by, instead_of=instead_of)
            case _:
                entries = self._do_more(action)
                self._tell_services(action)
        self._world.record(entries)

    def _do_more(self, action: steps.Action) -> Sequence[Entry]:
        by = self._injection
        substrate = cast("Pods", self._world.substrate)
        match action:
            case steps.SignalContainer(uid, signal):
                return substrate.signal_container(uid, by=by, signal=signal)
            case steps.PauseContainer(uid):
                return substrate.pause_container(uid, by=by)
            case steps.Terminate(uid, how, view, message, grace_s, resource):
                return substrate.terminate_pod(
                    uid,
                    by=by,
                    how=how,
                    view=view,
                    message=message,
                    grace_s=grace_s,
                    resource=resource,
                )
            case steps.LoseSuccess(uid, view):
                return substrate.lose_success(uid, by=by, view=view)
            case steps.CutOff(uid, view):
                return substrate.cut_off_pod(uid, by=by, view=view)
            case steps.EndCutOff(uid):
                return substrate.end_cut_off_pod(uid, by=by)
            case steps.ResumeContainer(uid):
                return substrate.resume_container(uid, by=by)
            case steps.ExpectDrain(node):
                return substrate.expect_drain(node, by=by)
            case steps.EndDrain(node):
                return substrate.end_drain(node, by=by)
            case _:
                return ()

    def _tell_services(self, action: steps.Action) -> None:
        match action:
            case steps.Notify(node, what, seconds, provider):
                self._world.call(
                    Notify(
                        node=node,
                        notice=self._injection,
                        action=what,
                        deadline_ns=clock.monotonic_ns() + int(seconds * 1e9),
                        provider=provider,
                    )
                )
            case steps.Withdraw(node):
                self._world.call(Withdraw(node=node))
            case steps.AddToxic():
                self._world.say(*self._world.ways.add(self._injection, action))
            case steps.RemoveToxic():
                self._world.say(*self._world.ways.remove(self._injection, action))
            case steps.Disturb() | steps.Calm():
                self._tell_gate(action)
            case steps.Measure():
                self._world.call(self._world.ways.canary(self._injection, action))
            case steps.RunCommand(uid, program):
                self._world.commands.start(self._injection, "command", uid, program)
            case steps.UndoCommand(uid, program):
                self._world.commands.undo(self._injection, uid, program)

    def _tell_gate(self, action: steps.Disturb | steps.Calm) -> None:
        asked_ns = clock.monotonic_ns()
        fact: Fact
        if isinstance(action, steps.Disturb):
            wanted = action.disturbance
            self._world.call(Disturb(disturbance=wanted))
            fact = DisturbanceAdded(
                injection=self._injection, task=wanted.task, how=wanted.how, asked_ns=asked_ns
            )
        else:
            self._world.call(Calm(injection=action.injection))
            fact = DisturbanceRemoved(injection=self._injection, asked_ns=asked_ns)
        self._world.say(f"source/{GATE}", fact)
