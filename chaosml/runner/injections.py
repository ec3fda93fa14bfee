"""The injections of one execution: armed, struck, journalled, healed.

    arm ─► (hold or approximate trigger) ─► script ─► action … ─► heal

`actions` journals and carries out what the scripts yield.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosml import clock
from chaosml.errors import FaultRefused
from chaosml.event import (
    Event,
    HoldEnded,
    HoldStarted,
    InjectionArmed,
    InjectionInvalid,
    PodDeletion,
    PodExited,
    PodSignalled,
    PodStarted,
    TaskPhase,
)
from chaosml.faults import script as steps
from chaosml.faults.catalogue import FaultKind
from chaosml.faults.degradation import Degradation
from chaosml.plan.model import PlannedInjection
from chaosml.runner.actions import Performer, StrikeScene, World, find_pod
from chaosml.runner.places import rule_of
from chaosml.services.messages import Arm, EndHolds, Release
from chaosml.substrates.protocol import PodView

__all__ = ["Injections"]

_TERMINATION_NS = 1_000_000_000
"""A hook before SIGTERM may take long; after this the termination counts as begun."""


@dataclass(slots=True)
class _Waiting:
    """A script and what resumes it."""

    script: steps.Script
    until: steps.Until | None = None
    due_ns: int = 0
    acting: bool = False
    heard: list[Event] = field(default_factory=list)
    """What was said while the script itself was acting: it may be what it waits for next."""


@dataclass(slots=True)
class _Injection:
    """The state of one planned injection."""

    planned: PlannedInjection
    kind: FaultKind
    options: Any
    performer: Performer
    target: PodView | None = None
    hold: str | None = None
    armed: bool = True
    """Whether its place counts by now: one that follows another waits for that one's end."""
    struck: bool = False
    invalid: bool = False
    due_ns: int | None = None
    """When an approximate trigger strikes."""
    step: int | None = None
    scripts: list[_Waiting] = field(default_factory=list)


def _service(kind: FaultKind, options: Any) -> str | None:
    return kind.service(options) if isinstance(kind, Degradation) else None


class Injections:
    """Carries out the planned injections of one execution."""

    def __init__(
        self, world: World, planned: Sequence[tuple[PlannedInjection, FaultKind, Any]]
    ) -> None:
        self._world = world
        self._all = [
            _Injection(
                plan,
                kind,
                options,
                Performer(world, plan.injection),
                armed=plan.follows is None,
            )
            for plan, kind, options in planned
        ]
        self._terminating: dict[str, int] = {}
        self._running: dict[str, PodView] = {}
        self._pids: dict[str, str] = {}
        self._shown: dict[str, int] = {}
        """When the orchestrator showed a pod's vertex Running, by the pod's name."""

    def arm(self) -> None:
        """Arm every exact trigger that follows no other; before the workflow is submitted."""
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
                    service=_service(injection.kind, injection.options),
                ),
            )
            if plan.place.exact and injection.armed:
                self._world.call(Arm(armed=rule_of(plan)))

    @property
    def due_ns(self) -> int | None:
        """When `tick` is next needed."""
        times = [waiting.due_ns for one in self._all for waiting in one.scripts]
        times += [one.due_ns for one in self._all if one.due_ns is not None]
        times += self._terminating.values()
        return min(times, default=None)

    @property
    def outlast(self) -> bool:
        """Whether one waits for something that the end of the workflow does not end."""
        waits = (waiting.until for one in self._all for waiting in one.scripts)
        return any(until is not None and until.outlasts for until in waits)

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
            case PodStarted(uid=uid, pid=pid):
                self._pids[uid] = str(pid) if pid else ""
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
                self._arm_followers(uid)
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
                target = find_pod(self._world, held.uid)
                injection.hold, injection.step = held.hold, held.step
                if target is None:
                    self._invalidate(injection, "target-finished", f"pod {held.uid} is gone")
                else:
                    self._strike_settled(injection, target)

    def _arm_followers(self, uid: str) -> None:
        """Arm what follows the strike at a pod that has ended."""
        ended = {
            one.planned.injection: one.target
            for one in self._all
            if one.struck and not one.invalid and one.target is not None and one.target.uid == uid
        }
        for injection in self._all:
            before = ended.get(injection.planned.follows or "")
            if before is None or injection.armed:
                continue
            injection.armed = True
            # The next pod may have the same name: it has still to be shown Running.
            self._shown.pop(before.pod, None)
            if injection.planned.place.exact:
                self._world.call(Arm(armed=rule_of(injection.planned)))

    @staticmethod
    def _concerns(injection: _Injection, pod: PodView) -> bool:
        """Whether a pod is one that the injection may strike."""
        plan = injection.planned
        if pod.task != plan.task or not injection.armed:
            return False
        return plan.follows is not None or pod.attempt == plan.attempt

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
        pod = find_pod(self._world, uid)
        if pod is None:
            return
        self._running[uid] = pod
        for injection in self._all:
            plan = injection.planned
            if self._concerns(injection, pod) and not plan.place.exact and not injection.struck:
                injection.target = pod
                wait_ns = int((plan.place.after_s or 0.0) * 1e9)
                injection.due_ns = clock.monotonic_ns() + wait_ns

    def _note_exit(self, uid: str, code: int) -> None:
        pod = self._running.pop(uid, None)
        if pod is None:
            return
        for injection in self._all:
            plan = injection.planned
            if injection.struck or injection.invalid or not self._concerns(injection, pod):
                continue
            # What follows another may strike any pod that comes; one that is done was the last.
            if plan.follows is None or code == 0:
                injection.due_ns = None
                self._invalidate(
                    injection,
                    "target-finished",
                    f"attempt {pod.attempt} of {pod.task} ended with {code} "
                    f"before {plan.place.words}",
                )

    def _end_holds(self, uid: str, why: str) -> None:
        self._terminating.pop(uid, None)
        if any(injection.hold for injection in self._all):
            self._world.call(EndHolds(uid=uid, why=why))

    def _strike(self, injection: _Injection, target: PodView) -> None:
        injection.struck, injection.target = True, target
        scene = StrikeScene(
            injection.planned.injection,
            target,
            self._world.substrate,
            lambda: {**self._world.known, "pid": self._pids.get(target.uid, "")},
        )
        script = injection.kind.script(injection.options, injection.planned.view, scene)
        self._start(injection, script)

    def _start(self, injection: _Injection, script: steps.Script) -> None:
        waiting = _Waiting(script)
        injection.scripts.append(waiting)
        self._resume(injection, waiting, None)

    def _resume(self, injection: _Injection, waiting: _Waiting, answer: bool | None) -> None:
        """Run a script on until it waits or ends."""
        waiting.acting = True
        try:
            self._run_on(injection, waiting, answer)
        except StopIteration:
            injection.scripts.remove(waiting)
        except FaultRefused as error:
            injection.scripts.remove(waiting)
            self._invalidate(injection, error.why, str(error))
            self._release(injection)
        finally:
            waiting.acting = False
            waiting.heard.clear()

    def _run_on(self, injection: _Injection, waiting: _Waiting, answer: bool | None) -> None:
        """Carry out steps until one takes time.

        Raises:
            StopIteration: the script has ended.
            FaultRefused: it did not take no for an answer.
        """
        refusal: FaultRefused | None = None
        while True:
            step = self._advance(waiting, answer, refusal)
            answer, refusal = True, None
            match step:
                case steps.Pause(seconds):
                    waiting.until = None
                    waiting.due_ns = clock.monotonic_ns() + int(seconds * 1e9)
                    return
                case steps.Until(limit_s=limit_s):
                    if any(step.matches(event) for event in waiting.heard):
                        continue
                    waiting.until = step
                    waiting.due_ns = clock.monotonic_ns() + int(limit_s * 1e9)
                    return
                case steps.Also(script):
                    self._start(injection, script)
                case steps.Release():
                    self._release(injection)
                case steps.Invalidate(why, detail):
                    self._invalidate(injection, why, detail)
                case action:
                    try:
                        injection.performer.perform(action, step=injection.step)
                    except FaultRefused as error:
                        refusal = error

    @staticmethod
    def _advance(
        waiting: _Waiting, answer: bool | None, refusal: FaultRefused | None
    ) -> steps.Step:
        """Let a script go on to its next step."""
        if refusal is not None:
            return waiting.script.throw(refusal)
        return waiting.script.send(answer)

    def _offer(self, event: Event) -> None:
        for injection in self._all:
            for waiting in list(injection.scripts):
                if waiting.acting:
                    waiting.heard.append(event)
                if waiting.until is not None and waiting.until.matches(event):
                    waiting.until = None
                    self._resume(injection, waiting, True)

    def _release(self, injection: _Injection) -> None:
        if injection.hold is not None:
            self._world.call(Release(hold=injection.hold, why="receipt"))

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
            problems += injection.performer.heal()
            if not injection.struck and not injection.invalid:
                plan = injection.planned
                self._invalidate(
                    injection,
                    "never-reached",
                    f"{plan.task} never came to {plan.place.words} "
                    + (f"in attempt {plan.attempt}" if plan.follows is None else "again"),
                )
        if problems:
            raise ExceptionGroup("some faults could not be healed", problems)
