"""The injections of one execution: armed, struck, journalled, healed.

    arm ─► (hold or approximate trigger) ─► script ─► action … ─► heal

Every action is journalled before it happens, with what is needed to undo it. An
action that has an undoing leaves it on a stack, healed in reverse order at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from chaosml import clock
from chaosml.errors import HarnessError
from chaosml.event import (
    Event,
    Fact,
    HealDone,
    HealIntended,
    HoldEnded,
    HoldStarted,
    InjectionApplied,
    InjectionArmed,
    InjectionIntended,
    InjectionInvalid,
    PodDeletion,
    PodExited,
    PodSignalled,
    PodStarted,
    Scalar,
    TaskPhase,
)
from chaosml.faults import script as steps
from chaosml.faults.catalogue import FaultKind
from chaosml.history import Entry
from chaosml.plan.model import PlannedInjection
from chaosml.runner.places import rule_of
from chaosml.services.messages import Answer, Arm, EndHolds, Notify, Order, Release, Withdraw
from chaosml.substrates.protocol import DeletesPods, DrainsNodes, EvictsPods, PodView, StopsNodes

__all__ = ["Injections", "World"]

_TERMINATION_NS = 1_000_000_000
"""A hook before SIGTERM may take long; after this the termination counts as begun."""


class _Pods(DeletesPods, EvictsPods, DrainsNodes, StopsNodes, Protocol):
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


@dataclass(slots=True)
class _Waiting:
    """A script and what resumes it."""

    script: steps.Script
    until: steps.Until | None = None
    due_ns: int = 0


@dataclass(slots=True)
class _Injection:
    """The state of one planned injection."""

    planned: PlannedInjection
    kind: FaultKind
    options: Any
    target: PodView | None = None
    hold: str | None = None
    struck: bool = False
    invalid: bool = False
    due_ns: int | None = None
    """When an approximate trigger strikes."""
    step: int | None = None
    scripts: list[_Waiting] = field(default_factory=list)
    undo: list[tuple[str, steps.Action]] = field(default_factory=list)


class _Scene:
    """The moment of a strike, as a script may ask about it."""

    def __init__(self, target: PodView, substrate: _Pods) -> None:
        self._target = target
        self._substrate = substrate

    @property
    def target(self) -> PodView:
        return self._target

    def pods_on(self, node: str) -> Sequence[PodView]:
        return [pod for pod in self._substrate.pods() if pod.node == node]


class Injections:
    """Carries out the planned injections of one execution."""

    def __init__(
        self, world: World, planned: Sequence[tuple[PlannedInjection, FaultKind, Any]]
    ) -> None:
        self._world = world
        self._all = [_Injection(plan, kind, options) for plan, kind, options in planned]
        self._terminating: dict[str, int] = {}
        self._running: dict[str, PodView] = {}
        self._shown: dict[str, int] = {}
        """When the orchestrator showed a pod's vertex Running, by the pod's name."""

    def arm(self) -> None:
        """Arm every exact trigger; before the workflow is submitted."""
        for injection in self._all:
            plan = injection.planned
            self._world.say(
                f"injection/{plan.injection}",
                InjectionArmed(
                    injection=plan.injection,
                    fault=plan.fault,
                    inject=plan.inject,
                    task=plan.task,
                    trigger=plan.place.words,
                    exact=plan.place.exact,
                    view=plan.view,
                    lethal=injection.kind.lethal(injection.options),
                    step=plan.place.step,
                    options=dict(plan.options),
                ),
            )
            if plan.place.exact:
                self._world.call(Arm(armed=rule_of(plan)))

    @property
    def due_ns(self) -> int | None:
        """When `tick` is next needed."""
        times = [waiting.due_ns for one in self._all for waiting in one.scripts]
        times += [one.due_ns for one in self._all if one.due_ns is not None]
        times += self._terminating.values()
        return min(times, default=None)

    @property
    def waiting_for(self) -> str | None:
        """What the injections wait for, in words."""
        for injection in self._all:
            for waiting in injection.scripts:
                if waiting.until is not None:
                    return waiting.until.what
            if not injection.struck and not injection.invalid:
                return f"{injection.planned.task} at {injection.planned.place.words}"
        return None

    def take(self, event: Event) -> None:
        """React to an event of this execution."""
        match event.data:
            case HoldStarted():
                self._begin_hold(event.data)
            case HoldEnded(hold=hold, why="expired"):
                self._expire(hold)
            case PodStarted(uid=uid):
                self._note_start(uid)
            case TaskPhase(phase="Running", pod=str(pod)):
                self._shown.setdefault(pod, clock.monotonic_ns())
                self._settle()
            case PodDeletion(uid=uid):
                self._terminating[uid] = clock.monotonic_ns() + _TERMINATION_NS
            case PodSignalled(uid=uid, signal="SIGTERM"):
                self._end_holds(uid, "terminating")
            case PodExited(uid=uid, exit_code=code):
                self._end_holds(uid, "death")
                self._note_exit(uid, code)
        self._offer(event)

    def tick(self, now_ns: int) -> None:
        """Do what has become due."""
        for uid in [uid for uid, due in self._terminating.items() if due <= now_ns]:
            self._end_holds(uid, "terminating")
        for injection in self._all:
            if injection.due_ns is not None and injection.due_ns <= now_ns:
                injection.due_ns = None
                if injection.target is not None:
                    self._strike(injection, injection.target)
            for waiting in list(injection.scripts):
                if waiting.due_ns <= now_ns and waiting in injection.scripts:
                    self._resume(injection, waiting, waiting.until is None)

    def _begin_hold(self, held: HoldStarted) -> None:
        for injection in self._all:
            if injection.planned.injection == held.rule and not injection.struck:
                target = self._pod(held.uid)
                injection.hold, injection.step = held.hold, held.step
                if target is None:
                    self._invalidate(injection, "target-finished", f"pod {held.uid} is gone")
                else:
                    self._strike_settled(injection, target)

    def _strike_settled(self, injection: _Injection, target: PodView) -> None:
        """Strike now, or once the orchestrator has settled, where the plan says so.

        Whoever is struck before exercises another path. What has no time constants has no
        `settling_s`.
        """
        settling_s: float = getattr(self._world.substrate, "settling_s", 0.0)
        if not injection.planned.settled or settling_s <= 0:
            self._strike(injection, target)
            return
        injection.target = target
        self._settle()

    def _settle(self) -> None:
        """Say when to strike whoever is held and has been shown Running."""
        settling_s: float = getattr(self._world.substrate, "settling_s", 0.0)
        for injection in self._all:
            target = injection.target
            waits = injection.hold is not None and not injection.struck and not injection.invalid
            if waits and target is not None and injection.due_ns is None:
                shown_ns = self._shown.get(target.pod)
                if shown_ns is not None:
                    injection.due_ns = shown_ns + int(settling_s * 1e9)

    def _expire(self, hold: str) -> None:
        for injection in self._all:
            if injection.hold == hold and not injection.invalid:
                self._invalidate(
                    injection,
                    "hold-expired",
                    f"no effect within {injection.planned.hold_s:g}s "
                    f"of {injection.planned.place.words}",
                )

    def _note_start(self, uid: str) -> None:
        pod = self._pod(uid)
        if pod is None:
            return
        self._running[uid] = pod
        for injection in self._all:
            plan = injection.planned
            matches = (pod.task, pod.attempt) == (plan.task, plan.attempt)
            if matches and not plan.place.exact and not injection.struck:
                injection.target = pod
                wait_ns = int((plan.place.after_s or 0.0) * 1e9)
                injection.due_ns = clock.monotonic_ns() + wait_ns

    def _note_exit(self, uid: str, code: int) -> None:
        pod = self._running.pop(uid, None)
        if pod is None:
            return
        for injection in self._all:
            plan = injection.planned
            if injection.struck or injection.invalid or pod.task != plan.task:
                continue
            if pod.attempt == plan.attempt:
                injection.due_ns = None
                self._invalidate(
                    injection,
                    "target-finished",
                    f"attempt {pod.attempt} of {pod.task} ended with {code} "
                    f"before {plan.place.words}",
                )

    def _pod(self, uid: str) -> PodView | None:
        pods: Sequence[PodView] = self._world.substrate.pods()
        return next((pod for pod in pods if pod.uid == uid), None)

    def _end_holds(self, uid: str, why: str) -> None:
        self._terminating.pop(uid, None)
        if any(injection.hold for injection in self._all):
            self._world.call(EndHolds(uid=uid, why=why))

    def _strike(self, injection: _Injection, target: PodView) -> None:
        injection.struck, injection.target = True, target
        scene = _Scene(target, cast("_Pods", self._world.substrate))
        script = injection.kind.script(injection.options, injection.planned.view, scene)
        self._start(injection, script)

    def _start(self, injection: _Injection, script: steps.Script) -> None:
        waiting = _Waiting(script)
        injection.scripts.append(waiting)
        self._resume(injection, waiting, None)

    def _resume(self, injection: _Injection, waiting: _Waiting, answer: bool | None) -> None:
        """Run a script on until it waits or ends."""
        try:
            while True:
                step = waiting.script.send(answer)
                answer = True
                match step:
                    case steps.Pause(seconds):
                        waiting.until = None
                        waiting.due_ns = clock.monotonic_ns() + int(seconds * 1e9)
                        return
                    case steps.Until(limit_s=limit_s):
                        waiting.until = step
                        waiting.due_ns = clock.monotonic_ns() + int(limit_s * 1e9)
                        return
                    case steps.Also(script):
                        self._start(injection, script)
                    case action:
                        self._perform(injection, action)
        except StopIteration:
            injection.scripts.remove(waiting)

    def _offer(self, event: Event) -> None:
        for injection in self._all:
            for waiting in list(injection.scripts):
                if waiting.until is not None and waiting.until.matches(event):
                    waiting.until = None
                    self._resume(injection, waiting, True)

    def _perform(self, injection: _Injection, action: steps.Action) -> None:
        """Journal an action, carry it out, remember how to undo it."""
        name = injection.planned.injection
        subject, verb, target = f"injection/{name}", _verb(action), _target(action)
        if isinstance(action, steps.Release):
            self._release(injection)
            return
        self._world.say(
            subject,
            InjectionIntended(
                injection=name,
                action=verb,
                target=target,
                prior=self._prior(action),
                owner_pid=os.getpid(),
            ),
        )
        undo = _UNDO.get(type(action))
        if undo is not None:
            injection.undo.append((verb, undo(action)))
        self._forget_undone(injection, action)
        applied = InjectionApplied(injection=name, action=verb, target=target, step=injection.step)
        self._do(name, action)
        self._world.say(subject, applied)

    def _prior(self, action: steps.Action) -> dict[str, Scalar]:
        match action:
            case steps.Delete(uid=uid) | steps.Evict(uid=uid):
                pod = self._pod(uid)
                return {} if pod is None else {"running": pod.running, "node": pod.node}
            case _:
                return {}

    def _do(self, by: str, action: steps.Action) -> None:
        substrate = cast("_Pods", self._world.substrate)
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
                self._tell_services(by, action)
        self._world.record(entries)

    def _tell_services(self, by: str, action: steps.Action) -> None:
        match action:
            case steps.Notify(node, what, seconds):
                deadline_ns = clock.monotonic_ns() + int(seconds * 1e9)
                self._world.call(Notify(node=node, notice=by, action=what, deadline_ns=deadline_ns))
            case steps.Withdraw(node):
                self._world.call(Withdraw(node=node))

    def _release(self, injection: _Injection) -> None:
        if injection.hold is not None:
            self._world.call(Release(hold=injection.hold, why="receipt"))

    @staticmethod
    def _forget_undone(injection: _Injection, action: steps.Action) -> None:
        """An action that is itself the undoing of an earlier one leaves nothing to heal."""
        undone = _UNDOES.get(type(action), ())
        for entry in list(reversed(injection.undo)):
            if entry[0] in undone:
                injection.undo.remove(entry)
                return

    def _invalidate(self, injection: _Injection, why: str, detail: str) -> None:
        injection.invalid, injection.due_ns = True, None
        name = injection.planned.injection
        self._world.say(
            f"injection/{name}", InjectionInvalid(injection=name, why=why, detail=detail)
        )

    def finish(self) -> None:
        """End every script, undo what is left in reverse order, report what never struck."""
        problems: list[Exception] = []
        for injection in reversed(self._all):
            for waiting in injection.scripts:
                waiting.script.close()
            injection.scripts.clear()
            for _, action in reversed(injection.undo):
                try:
                    self._heal(injection.planned.injection, action)
                except HarnessError as error:
                    problems.append(error)
            injection.undo.clear()
            if not injection.struck and not injection.invalid:
                plan = injection.planned
                self._invalidate(
                    injection,
                    "never-reached",
                    f"{plan.task} never came to {plan.place.words} in attempt {plan.attempt}",
                )
        if problems:
            raise ExceptionGroup("some faults could not be healed", problems)

    def _heal(self, name: str, action: steps.Action) -> None:
        subject, verb, target = f"injection/{name}", _verb(action), _target(action)
        self._world.say(subject, HealIntended(injection=name, action=verb, target=target))
        self._do(name, action)
        self._world.say(subject, HealDone(injection=name, action=verb, target=target))


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
        steps.Release: "release",
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
