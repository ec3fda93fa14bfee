"""The lines between the runner and its services process: newline-delimited JSON on a socket.

Runner to services: a `Call` with an id, answered by one `Answer` with the same id.
Services to runner, unasked: `Ready` once, then `Said`, an emission of the gate, control or
metadata source.
"""

from __future__ import annotations

import msgspec

from chaosml.event import Emission

__all__ = [
    "AddPod",
    "Answer",
    "Arm",
    "Begin",
    "Call",
    "Disarm",
    "End",
    "EndHolds",
    "Message",
    "Notify",
    "Order",
    "Ready",
    "Release",
    "Rule",
    "Said",
    "Withdraw",
]


class _Order(msgspec.Struct, frozen=True, kw_only=True, tag_field="order"):
    """What the runner asks for."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """An armed place: fires once, at its `nth` match, then is disarmed by itself.

    With `event` it is armed in the probe of the pods of `task`/`attempt`; with `operation`
    at the gate for their requests.
    """

    rule: str
    """Id of the injection."""
    task: str
    attempt: int | None
    place: str
    """In words, for `HoldStarted.place`."""
    hold_s: float = 5.0
    nth: int = 1
    event: str | None = None
    fields: dict[str, str | int] = {}
    """Fields of the probe's event that must be equal, such as `{"step": 61}`."""
    operation: str | None = None
    key: str | None = None
    """Regular expression, searched in the object's key."""
    when: str = "before"
    """`before`: the request has not reached the store; `after`: it has, unanswered."""


class Begin(_Order, frozen=True, kw_only=True, tag="begin"):
    """An execution starts: numbering of every source starts at 1, rules and pods are forgotten.

    Creates the bucket (versioned) where it is not there; answers with the number of objects in it.
    """

    execution: str
    bucket: str


class AddPod(_Order, frozen=True, kw_only=True, tag="add-pod"):
    """A pod is about to start: its uid is its credential (access key id)."""

    uid: str
    task: str
    attempt: int
    node: str


class Arm(_Order, frozen=True, kw_only=True, tag="arm"):
    """Arm a rule; answered once it is in force, in connected probes too."""

    armed: Rule


class Disarm(_Order, frozen=True, kw_only=True, tag="disarm"):
    """Disarm a rule; ends its hold as `disarmed`."""

    rule: str


class Release(_Order, frozen=True, kw_only=True, tag="release"):
    """End a hold because of `why`."""

    hold: str
    why: str


class EndHolds(_Order, frozen=True, kw_only=True, tag="end-holds"):
    """End every hold of a pod: `terminating` or `death`. A dead pod's requests are over too."""

    uid: str
    why: str


class Notify(_Order, frozen=True, kw_only=True, tag="notify"):
    """Make a notice readable on a node's metadata service; emits `NoticeVisible`."""

    node: str
    notice: str
    action: str
    deadline_ns: int


class Withdraw(_Order, frozen=True, kw_only=True, tag="withdraw"):
    """Take a node's notice back; emits `NoticeWithdrawn`."""

    node: str


class End(_Order, frozen=True, kw_only=True, tag="end"):
    """The execution's pods are dead: drain requests in flight, end holds.

    Answered with `closed`: the last number of each source, after everything was said.
    """


Order = Begin | AddPod | Arm | Disarm | Release | EndHolds | Notify | Withdraw | End


class Call(msgspec.Struct, frozen=True, kw_only=True, tag="call"):
    """An order with the id of its answer."""

    id: int
    order: Order


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """The outcome of an order."""

    id: int
    error: str | None = None
    objects: int | None = None
    closed: dict[str, int] | None = None


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The first message: everything listens, here."""

    gate_url: str
    control: str
    """`host:port`."""
    metadata_url: str
    store_url: str
    boot: str = ""
    """Boot id of the kernel whose monotonic clock stamps what the services say."""


class Said(msgspec.Struct, frozen=True, kw_only=True, tag="said"):
    """An event of a source in the services process."""

    emission: Emission


Message = Answer | Said | Ready
