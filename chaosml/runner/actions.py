"""Carrying out the actions of one injection: journalled before, reported after, healed at the end.

An action that has an undoing leaves it on a stack; an action that is itself the undoing
of an earlier one takes that one's off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from chaosml import clock
from chaosml.errors import HarnessError
from chaosml.event import (
    Fact,
    HealDone,
    HealIntended,
    InjectionApplied,
    InjectionIntended,
    Scalar,
)
from chaosml.faults import script as steps
from chaosml.history import Entry
from chaosml.services.messages import Answer, Notify, Order, Withdraw
from chaosml.substrates.protocol import DeletesPods, DrainsNodes, EvictsPods, PodView, StopsNodes

__all__ = ["Performer", "Pods", "World", "find_pod"]


class Pods(DeletesPods, EvictsPods, DrainsNodes, StopsNodes, Protocol):
    """The capabilities that actions use; which of them a fault needs is checked before a run."""

    def pods(self) -> Sequence[PodView]:
        """Return the pods that exist."""


class World(Protocol):
    """What injections act on and report to."""

    @property
    def substrate(self) -> Any:
        """The substrate."""

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
            action: Anything but a release, which changes nothing.
            step: Where the target stands, as far as its hold says.
        """
        verb, target = _verb(action), _target(action)
        self._say(
            InjectionIntended(
                injection=self._injection,
                action=verb,
                target=target,
                prior=self._prior(action),
                owner_pid=os.getpid(),
            )
        )
        self._note_undoing(action, verb)
        self._do(action)
        self._say(
            InjectionApplied(injection=self._injection, action=verb, target=target, step=step)
        )

    def heal(self) -> list[Exception]:
        """Undo what is left, the latest first; return what could not be undone."""
        problems: list[Exception] = []
        while self._undo:
            _, action = self._undo.pop()
            verb, target = _verb(action), _target(action)
            try:
                self._say(HealIntended(injection=self._injection, action=verb, target=target))
                self._do(action)
                self._say(HealDone(injection=self._injection, action=verb, target=target))
            except HarnessError as error:
                problems.append(error)
        return problems

    def _say(self, fact: Fact) -> None:
        self._world.say(f"injection/{self._injection}", fact)

    def _note_undoing(self, action: steps.Action, verb: str) -> None:
        undoing = _UNDO.get(type(action))
        undone = _UNDOES.get(type(action), ())
        for entry in reversed(self._undo):
            if entry[0] in undone:
                self._undo.remove(entry)
                break
        if undoing is not None:
            self._undo.append((verb, undoing(action)))

    def _prior(self, action: steps.Action) -> dict[str, Scalar]:
        match action:
            case steps.Delete(uid=uid) | steps.Evict(uid=uid):
                pod = find_pod(self._world, uid)
                return {} if pod is None else {"running": pod.running, "node": pod.node}
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
            case steps.StopNode(node, view):
                entries = substrate.stop_node(node, by=by, view=view)
            case steps.AddNode():
                entries = substrate.add_node(by=by)
            case _:
                entries = ()
                self._tell_services(action)
        self._world.record(entries)

    def _tell_services(self, action: steps.Action) -> None:
        match action:
            case steps.Notify(node, what, seconds):
                deadline_ns = clock.monotonic_ns() + int(seconds * 1e9)
                self._world.call(
                    Notify(node=node, notice=self._injection, action=what, deadline_ns=deadline_ns)
                )
            case steps.Withdraw(node):
                self._world.call(Withdraw(node=node))


_UNDO: dict[type, Callable[[Any], steps.Action]] = {
    steps.Notify: lambda action: steps.Withdraw(action.node),
    steps.Cordon: lambda action: steps.Uncordon(action.node),
    steps.StopNode: lambda action: steps.AddNode(),
}
_UNDOES: dict[type, tuple[str, ...]] = {
    steps.Withdraw: ("notify",),
    steps.Uncordon: ("cordon",),
    steps.AddNode: ("stop-node",),
    # A stopped node can be neither drained nor opened again.
    steps.StopNode: ("cordon",),
}


def _verb(action: steps.Action) -> str:
    return {
        steps.Delete: "delete-pod",
        steps.Evict: "evict-pod",
        steps.Cordon: "cordon",
        steps.Uncordon: "uncordon",
        steps.StopNode: "stop-node",
        steps.AddNode: "add-node",
        steps.Notify: "notify",
        steps.Withdraw: "withdraw",
    }[type(action)]


def _target(action: steps.Action) -> str:
    match action:
        case steps.Delete(uid=uid) | steps.Evict(uid=uid):
            return f"pod/{uid}"
        case (
            steps.Cordon(node)
            | steps.Uncordon(node)
            | steps.StopNode(node=node)
            | steps.Notify(node=node)
            | steps.Withdraw(node)
        ):
            return f"node/{node}"
        case _:
            return "cluster"
