"""What a fault can do, step by step: the vocabulary of injectors.

An injector is a generator that yields steps and is resumed when each is done:

    yield Evict(uid, view)                      an action, journalled before it happens
    seen = yield Until(matches, "…", limit_s)   True, or False when the limit passed
    yield Pause(2.0)                            time, on the monotonic clock
    yield Also(other())                         another script beside this one

Scripts know capabilities and pods, never a substrate; they read no clock and do
no I/O, so a test drives one with a list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaosml.event import Event
from chaosml.substrates.protocol import PodView

__all__ = [
    "Action",
    "AddNode",
    "Also",
    "Cordon",
    "Delete",
    "Evict",
    "Notify",
    "Pause",
    "Release",
    "Scene",
    "Script",
    "Step",
    "StopNode",
    "Uncordon",
    "Until",
    "Withdraw",
]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a pod through the API; `view` is what the controller shall see where it can be set."""

    uid: str
    view: str
    grace_s: float | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Evict:
    """Evict a pod."""

    uid: str
    view: str


@dataclass(frozen=True, slots=True)
class Cordon:
    """Close a node for new pods."""

    node: str


@dataclass(frozen=True, slots=True)
class Uncordon:
    """Open a node again."""

    node: str


@dataclass(frozen=True, slots=True)
class StopNode:
    """Kill a node with everything on it."""

    node: str
    view: str


@dataclass(frozen=True, slots=True)
class AddNode:
    """Let capacity return."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Make an interruption notice readable on a node; it ends `seconds` from now."""

    node: str
    action: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take a notice back."""

    node: str


@dataclass(frozen=True, slots=True)
class Release:
    """Let the held target go on: the effect has its receipt."""


Action = Delete | Evict | Cordon | Uncordon | StopNode | AddNode | Notify | Withdraw | Release


@dataclass(frozen=True, slots=True)
class Until:
    """Wait for an event."""

    matches: Callable[[Event], bool]
    what: str
    limit_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Also:
    """Run another script beside this one; both end with the execution."""

    script: Script


Step = Action | Until | Pause | Also
Script = Generator[Step, bool | None, None]


class Scene(Protocol):
    """What a script may ask about the moment."""

    @property
    def target(self) -> PodView:
        """The pod that the fault strikes."""

    def pods_on(self, node: str) -> Sequence[PodView]:
        """Return the pods that exist on the node now."""
