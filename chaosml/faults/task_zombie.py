"""`task.zombie`: the old attempt is cut off, and goes on writing while its replacement runs.

    held ─► stopped ─► its object goes ─► a replacement runs ─► `wakes-after` ─► it goes on, at
    most `for` ─► killed

Mechanism: a machine that nobody reaches any more. Its pods are given up, by a removed Node object
or a forced deletion, and run on. So that the old attempt is late for certain, its program stands
still (SIGSTOP) until the replacement runs. The execution lasts until the old attempt has
ended, also where the workflow ends before.
Embedded: the driver takes the object away. Kind: the node is closed, its kubelet stopped, and the
object deleted by force.
Permissions: those of kind's own administrator.
Views: those of a pod object that goes without a grace period while the program runs.
Receipt: the object gone with the program alive, the start of the replacement, and requests of the
old attempt at the gate after that, known by its credential (without any INVALID,
`wrote-nothing`). Heal: the old attempt is killed; on kind the kubelet runs again, the node is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaosml.event import Event, PodCreated, PodPaused, PodStarted
from chaosml.faults.draining import exit_of
from chaosml.faults.script import (
    CutOff,
    EndCutOff,
    Invalidate,
    PauseContainer,
    Release,
    ResumeContainer,
    Scene,
    Script,
    Until,
)
from chaosml.scenario.model import Duration
from chaosml.substrates.protocol import CutsOffPods, PausesContainers
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["TaskZombie", "TaskZombieOptions"]

_STOPPED_S = 5.0
_VANISHED = (View.GONE, View.RESTARTED)


class TaskZombieOptions(BaseModel):
    """Options of `task.zombie`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"wakes-after": "1s"}]},
    )

    wakes_after: Annotated[Duration, Field(alias="wakes-after")] = 0.0
    """When the old attempt goes on, counted from the start of its replacement."""
    duration: Annotated[Duration, Field(alias="for", gt=0)] = 10.0
    """How long it goes on unless it ends before; then it is killed."""
    patience: Annotated[Duration, Field(gt=0)] = 60.0
    """How long a replacement may take to start; else INVALID (`no-replacement`)."""


class TaskZombie:
    """Cuts the target off and lets it live."""

    kind = "task.zombie"
    options = TaskZombieOptions
    capabilities = (CutsOffPods, PausesContainers)

    def views(self, options: TaskZombieOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the views in which an object goes while its program runs."""
        forced = legal_views(WayToDie.FORCE, has_outputs=has_outputs)
        return tuple(view for view in forced if view in _VANISHED)

    def lethal(self, options: TaskZombieOptions) -> bool:
        """For the orchestrator it is dead."""
        return True

    def script(self, options: TaskZombieOptions, view: str | None, scene: Scene) -> Script:
        """Stop it, cut it off, wait for the replacement, let it go on for a while."""
        uid, task = scene.target.uid, scene.target.task
        yield PauseContainer(uid)
        yield Until(_paused(uid), f"pod {uid} to stand still", _STOPPED_S)
        replaced = _replacement(uid, task)
        yield CutOff(uid, view or View.GONE)
        yield Release()
        if not (yield Until(replaced, f"a replacement of pod {uid}", options.patience)):
            yield EndCutOff(uid)
            yield Invalidate(
                "no-replacement",
                f"no other pod of {task} started within {options.patience:g} s; does its "
                "retryStrategy cover a deleted pod?",
            )
            return
        ended = exit_of(uid)
        yield Until(ended, f"the moment to wake {uid}", options.wakes_after, outlasts=True)
        yield ResumeContainer(uid)
        yield Until(ended, f"end of the old attempt {uid}", options.duration, outlasts=True)
        yield EndCutOff(uid)


def _paused(uid: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event.data, PodPaused) and event.data.uid == uid


def _replacement(old: str, task: str) -> Callable[[Event], bool]:
    """Return what recognises the start of another pod of a task that was created from now on."""
    created: set[str] = set()

    def matches(event: Event) -> bool:
        fact = event.data
        if isinstance(fact, PodCreated) and fact.task == task and fact.uid != old:
            created.add(fact.uid)
        return isinstance(fact, PodStarted) and fact.uid in created

    return matches
