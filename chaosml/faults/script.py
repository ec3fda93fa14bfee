"""What a fault can do, step by step: the vocabulary of injectors.

An injector is a generator that yields steps and is resumed when each is done:

    yield Evict(uid, view)                      an action, journalled before it happens
    seen = yield Until(matches, "…", limit_s)   True, or False when the limit passed
    yield Pause(2.0)                            time, on the monotonic clock
    yield Also(other())                         another script beside this one

An action that a rule of the environment forbids raises `FaultRefused` where it was
yielded: a script that does not catch it ends, and its injection is INVALID.

Scripts know capabilities and pods, never a substrate; they read no clock and do
no I/O, so a test drives one with a list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaosml.event import Event, Scalar
from chaosml.faults.program import Program
from chaosml.services.messages import Disturbance
from chaosml.substrates.protocol import PodView

__all__ = [
    "Action",
    "AddNode",
    "AddToxic",
    "Also",
    "AskReceipt",
    "Calm",
    "Cordon",
    "CutOff",
    "Delete",
    "Disturb",
    "EndCutOff",
    "EndDrain",
    "Evict",
    "ExpectDrain",
    "Invalidate",
    "LoseSuccess",
    "Measure",
    "Notify",
    "Pause",
    "PauseContainer",
    "Release",
    "RemoveToxic",
    "ResumeContainer",
    "ReturnNode",
    "RunCommand",
    "Scene",
    "Script",
    "SignalContainer",
    "Step",
    "StopNode",
    "Terminate",
    "Uncordon",
    "UndoCommand",
    "Undone",
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
class Terminate:
    """Let the kubelet end a pod by itself and write into its status why."""

    uid: str
    how: str
    """`node-shutdown` or `node-pressure`."""
    view: str
    message: str
    grace_s: float
    resource: str = ""
    """What the node is short of."""


@dataclass(frozen=True, slots=True)
class LoseSuccess:
    """Let nobody see that a pod succeeds."""

    uid: str
    view: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """Take a pod's object away and let its processes live."""

    uid: str
    view: str


@dataclass(frozen=True, slots=True)
class EndCutOff:
    """Kill what was cut off."""

    uid: str


@dataclass(frozen=True, slots=True)
class SignalContainer:
    """Send a signal to the user's program."""

    uid: str
    signal: str


@dataclass(frozen=True, slots=True)
class PauseContainer:
    """Stop the user's program where it is."""

    uid: str


@dataclass(frozen=True, slots=True)
class ResumeContainer:
    """Let a stopped program go on."""

    uid: str


@dataclass(frozen=True, slots=True)
class ExpectDrain:
    """Take what others do to a node from now on for the reaction to this injection."""

    node: str


@dataclass(frozen=True, slots=True)
class EndDrain:
    """Expect nothing of others any more, and open the node where they have closed it."""

    node: str


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
    keep_object: bool = False
    """Whether the orchestrator goes on believing in it."""
    returns: bool = False
    """Whether its heal is the same node's return; else fresh capacity."""


@dataclass(frozen=True, slots=True)
class ReturnNode:
    """Start a stopped node again."""

    node: str


@dataclass(frozen=True, slots=True)
class AddNode:
    """Let capacity return."""

    instead_of: str = ""
    """The node whose end is due, where that has not come yet."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Make an interruption notice readable on a node; it ends `seconds` from now."""

    node: str
    action: str
    seconds: float
    provider: str = "aws"
    """In whose format."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take a notice back."""

    node: str


@dataclass(frozen=True, slots=True)
class Release:
    """Let the held target go on: the effect has its receipt."""


@dataclass(frozen=True, slots=True)
class AddToxic:
    """Make the way from a task to a service worse."""

    service: str
    task: str
    name: str
    type: str
    """Toxiproxy's: `latency`, `bandwidth`, …, or `down`: the proxy refuses connections."""
    stream: str
    """`upstream`: what the task sends; `downstream`: what it gets; `both` where it is down."""
    attributes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RemoveToxic:
    """Take a toxic off again."""

    service: str
    task: str
    name: str


@dataclass(frozen=True, slots=True)
class Disturb:
    """Have the gate do something to requests instead of passing them on."""

    disturbance: Disturbance


@dataclass(frozen=True, slots=True)
class Calm:
    """Have the gate pass everything on again."""

    injection: str
    task: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Send canaries over the way from a task to a service; nothing waits for them.

    Whoever measured `before` a fault also measures `after` it, be it as a heal.
    """

    service: str
    task: str
    when: str
    """`before`, `during` or `after`."""
    upload_bytes: int
    download_bytes: int
    samples: int
    limit_s: float


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Start a program of the user's; `CommandEnded` follows."""

    uid: str
    program: Program
    undo: Program | None


@dataclass(frozen=True, slots=True)
class AskReceipt:
    """Ask a program of the user's, again and again, whether the fault is there.

    `CommandEnded` follows once it says so, or when the time is over.
    """

    uid: str
    program: Program
    expected: Mapping[str, Scalar]
    """What it must report, by dotted path; none: `took-effect` must be true."""
    within_s: float


@dataclass(frozen=True, slots=True)
class UndoCommand:
    """Start the program that takes a fault back; it counts as undone with `Undone` only."""

    uid: str
    program: Program


@dataclass(frozen=True, slots=True)
class Undone:
    """Say that the program which takes the fault back has done it."""

    uid: str


@dataclass(frozen=True, slots=True)
class Invalidate:
    """Say that the fault did not take effect, and why: the trial proves nothing."""

    why: str
    detail: str


Action = (
    Delete
    | Evict
    | Terminate
    | LoseSuccess
    | CutOff
    | EndCutOff
    | SignalContainer
    | PauseContainer
    | ResumeContainer
    | Cordon
    | Uncordon
    | ExpectDrain
    | EndDrain
    | StopNode
    | ReturnNode
    | AddNode
    | Notify
    | Withdraw
    | AddToxic
    | RemoveToxic
    | Disturb
    | Calm
    | Measure
    | RunCommand
    | AskReceipt
    | UndoCommand
    | Undone
    | Release
    | Invalidate
)


@dataclass(frozen=True, slots=True)
class Until:
    """Wait for an event."""

    matches: Callable[[Event], bool]
    what: str
    limit_s: float
    outlasts: bool = False
    """Whether the execution waits for it even where its workflow ends before."""


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
    def injection(self) -> str:
        """Id of the injection."""

    @property
    def target(self) -> PodView:
        """The pod that the fault strikes."""

    def known(self) -> Mapping[str, str]:
        """Return what fills the words of programs (`program.PLACEHOLDERS`)."""

    def nodes(self) -> Sequence[str]:
        """Return the names of the nodes that are there now."""

    def pods_on(self, node: str) -> Sequence[PodView]:
        """Return the pods that exist on the node now."""
