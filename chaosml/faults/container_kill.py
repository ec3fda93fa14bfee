"""`container.kill`: the user's program gets a signal, past Kubernetes and Argo.

Mechanism: as Argo's executor does it, the signal goes to the program's process group. On a
cluster through exec into the main container: what can be handled is given to `argoexec kill`
for process 1, Argo's executor, which passes it on; SIGKILL, which it cannot pass on, is sent
by the container's shell.
Permissions: `get` and `create` on pods/exec. Heal: none needed, the task fails and is retried.
Receipt: the signal, sent while the program ran, and the program's end. With `survives` the
signal alone: the program handles it and goes on (else INVALID, `not-survived`).
"""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from chaosml.event import Event, PodSignalled
from chaosml.faults.script import Release, Scene, Script, SignalContainer, Until
from chaosml.scenario.model import Boolean
from chaosml.substrates.protocol import KillsContainers
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["ContainerKill", "ContainerKillOptions"]

_SENT_S = 5.0
_STOPPING = frozenset({"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT"})
_NOT_PASSED_ON = frozenset({"SIGCHLD", "SIGURG"})
"""Argo's executor keeps these to itself."""
_NAMES = frozenset(one.name for one in signals.Signals if not one.name.startswith("SIGRT")) - (
    _STOPPING | _NOT_PASSED_ON
)


def _check_signal(name: str) -> str:
    full = name if name.startswith("SIG") else f"SIG{name}"
    if full in _STOPPING:
        raise ValueError(f"{full} ends nothing: inject container.pause instead")
    if full not in _NAMES:
        raise ValueError(
            f'no signal "{name}" that can be sent; there are {", ".join(sorted(_NAMES))}'
        )
    return full


class ContainerKillOptions(BaseModel):
    """Options of `container.kill`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"signal": "SIGTERM"}]}
    )

    signal: Annotated[str, AfterValidator(_check_signal)] = "SIGKILL"
    """By name, with or without `SIG`."""
    survives: Boolean = False
    """The program handles the signal and goes on; its end with another code than 0 is INVALID."""

    @model_validator(mode="after")
    def _check(self) -> ContainerKillOptions:
        if self.survives and self.signal == "SIGKILL":
            raise ValueError("nothing survives SIGKILL: name another signal or drop `survives`")
        return self


class ContainerKill:
    """Sends the target's program a signal."""

    kind = "container.kill"
    options = ContainerKillOptions
    capabilities = (KillsContainers,)

    def views(self, options: ContainerKillOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the death, or None where the program goes on."""
        if options.survives:
            return (None,)
        return legal_views(WayToDie.SIGNAL, has_outputs=has_outputs)

    def lethal(self, options: ContainerKillOptions) -> bool:
        """Whether the program is meant to end."""
        return not options.survives

    def script(self, options: ContainerKillOptions, view: str | None, scene: Scene) -> Script:
        """Send the signal, once; then whoever is held may go on with it."""
        uid = scene.target.uid
        yield SignalContainer(uid, options.signal)
        yield Until(_signalled(uid, options.signal), f"{options.signal} to pod {uid}", _SENT_S)
        yield Release()


def _signalled(uid: str, name: str) -> Callable[[Event], bool]:
    def matches(event: Event) -> bool:
        fact = event.data
        return isinstance(fact, PodSignalled) and (fact.uid, fact.signal) == (uid, name)

    return matches
