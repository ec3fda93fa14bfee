"""`container.pause`: the user's program hangs: it is there, holds what it has, and does nothing.

Mechanism: SIGSTOP to the program's process group, SIGCONT after `for`. Nothing ends a hung
program but a deadline of the pipeline's own (`activeDeadlineSeconds`, a supervisor); where it
acts within `for`, the task is retried, else the program goes on where it was.
Permissions: `get` and `create` on pods/exec. Heal: SIGCONT.
Receipt: every process of the group was seen stopped (state T); on a cluster that takes a shell in
the container (else INVALID, `no-shell`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaosml.event import Event, PodPaused
from chaosml.faults.draining import exit_of
from chaosml.faults.script import (
    PauseContainer,
    Release,
    ResumeContainer,
    Scene,
    Script,
    Until,
)
from chaosml.scenario.model import Duration
from chaosml.substrates.protocol import PausesContainers
from chaosml.workflow.views import View

__all__ = ["ContainerPause", "ContainerPauseOptions"]

_STOPPED_S = 5.0


class ContainerPauseOptions(BaseModel):
    """Options of `container.pause`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"for": "30s"}]},
    )

    duration: Annotated[Duration, Field(alias="for", gt=0)]
    """How long the program hangs unless something ends it before."""


class ContainerPause:
    """Lets the target's program hang."""

    kind = "container.pause"
    options = ContainerPauseOptions
    capabilities = (PausesContainers,)

    def views(self, options: ContainerPauseOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """A hung program need not die: whether it does is for the pipeline to decide."""
        return (None,)

    def lethal(self, options: ContainerPauseOptions) -> bool:
        """The fault itself ends nothing."""
        return False

    def script(self, options: ContainerPauseOptions, view: str | None, scene: Scene) -> Script:
        """Stop the program; let it go on after its time, unless it has ended by then."""
        uid = scene.target.uid
        yield PauseContainer(uid)
        yield Until(_paused(uid), f"pod {uid} to stand still", _STOPPED_S)
        yield Release()
        ended = yield Until(exit_of(uid), f"end of the hung pod {uid}", options.duration)
        if not ended:
            yield ResumeContainer(uid)


def _paused(uid: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event.data, PodPaused) and event.data.uid == uid
