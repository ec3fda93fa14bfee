"""The lines between the runner and its services process: newline-delimited JSON on a socket.

Runner to services: a `Call` with an id, answered by one `Answer` with the same id.
Services to runner, unasked: `Ready` once, then `Said`, an emission of the gate, control or
metadata source.

To services in a pod, whose connections may break, the runner says `Attach` first on each of
them and is answered by `Ready`. `Answer`, `Said` and `Clocked` are numbered there, from 1 in
their order; `Beat` says up to which they were taken and is answered by `Beaten`.
"""

from __future__ import annotations

import msgspec

from chaosml.event import Emission

__all__ = [
    "AddPod",
    "Answer",
    "Arm",
    "Attach",
    "Beat",
    "Beaten",
    "Begin",
    "Call",
    "Calm",
    "Clocked",
    "Disarm",
    "Disturb",
    "Disturbance",
    "End",
    "EndHolds",
    "Leave",
    "Measure",
    "Message",
    "Notify",
    "OpenRelay",
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


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate does to requests of a task instead of passing them on."""

    injection: str
    how: str
    """`throttle`, `reset`, `late-error`, `lose-answer`; see `disturbances`."""
    task: str
    operations: tuple[str, ...] = ()
    """S3's names; none: every one."""
    key: str | None = None
    """Regular expression, searched in the object's key."""
    share: float = 1.0
    """Of the matching requests, drawn from the run's seed."""
    nth: int = 1
    """The first matching request that may be met."""
    most: int | None = None
    """At most so many are met."""
    status: int = 503
    """Of a refusal: 503 or 429."""
    retry_after_s: int | None = None
    """What a refusal says in `Retry-After`."""
    after_bytes: int = 0
    """Of the payload, after which a connection is reset."""


class Begin(_Order, frozen=True, kw_only=True, tag="begin"):
    """An execution starts: numbering of every source starts at 1, rules and pods are forgotten.

    Creates the bucket (versioned) where it is not there; answers with the number of objects in it.
    One that was `prepared` is left as it is, and nothing is said of its objects.
    """

    execution: str
    bucket: str
    seed: int = 0
    prepared: bool = False
    """Of the scenario: what disturbances draw follows from it."""


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


class Disturb(_Order, frozen=True, kw_only=True, tag="disturb"):
    """Put a disturbance in force at the gate; answered once it is."""

    disturbance: Disturbance


class Calm(_Order, frozen=True, kw_only=True, tag="calm"):
    """Take an injection's disturbance back."""

    injection: str


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
    provider: str = "aws"
    """In whose format: `aws` or `gcp`."""


class Withdraw(_Order, frozen=True, kw_only=True, tag="withdraw"):
    """Take a node's notice back; emits `NoticeWithdrawn`."""

    node: str


class OpenRelay(_Order, frozen=True, kw_only=True, tag="open-relay"):
    """Listen for a TCP service, for the whole run; answered with the relay's `address`.

    Toxiproxy's proxy is in front of it, the service behind. It says who talked and answers
    canaries itself. A second order for the same proxy gives the same address.
    """

    proxy: str
    upstream: str
    """`host:port` of the service."""


class Measure(_Order, frozen=True, kw_only=True, tag="measure"):
    """Send canaries through a proxy; answered at once, `CanaryMeasured` follows."""

    injection: str
    proxy: str
    when: str
    address: str
    """`host:port` where the proxy listens."""
    http: bool
    """Whether the gate answers behind the proxy; else a relay does."""
    upload_bytes: int
    download_bytes: int
    samples: int
    limit_s: float
    """For all samples together."""


class End(_Order, frozen=True, kw_only=True, tag="end"):
    """The execution's pods are dead: drain requests in flight, end holds.

    Answered with `closed`: the last number of each source, after everything was said.
    """


Order = (
    Begin
    | AddPod
    | Arm
    | Disarm
    | Disturb
    | Calm
    | Release
    | EndHolds
    | Notify
    | Withdraw
    | OpenRelay
    | Measure
    | End
)


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
    address: str | None = None
    """`host:port` of a relay."""


class Attach(msgspec.Struct, frozen=True, kw_only=True, tag="attach"):
    """The runner's first line on a connection: who it is, and what it has."""

    token: str
    """Proves that it is the same runner as before."""
    taken: int
    """Number of the last message that it has; 0 for none."""


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag="beat"):
    """The runner is there; answered at once by `Beaten`."""

    sent_ns: int
    """On the runner's clock."""
    taken: int
    """Number of the last message that it has: it will not ask for it again."""


class Beaten(msgspec.Struct, frozen=True, kw_only=True, tag="beaten"):
    """The services are there."""

    sent_ns: int
    """Of the beat, as it came."""
    stamp_ns: int
    """On the services' clock."""


class Leave(msgspec.Struct, frozen=True, kw_only=True, tag="leave"):
    """The runner will not come again: the services end."""


class Clocked(msgspec.Struct, frozen=True, kw_only=True, tag="clocked"):
    """A round trip to a probe on another clock, the services' own at both ends."""

    boot: str
    """Names the probe's clock."""
    sent_ns: int
    stamp_ns: int
    """On the probe's clock."""
    received_ns: int


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The first message: everything listens, here."""

    gate_url: str
    control: str
    """`host:port`."""
    metadata_url: str
    store_url: str
    boot: str = ""
    """Boot id of the kernel whose monotonic clock stamps what the services say."""
    toxiproxy_url: str | None = None
    """The API of the embedded Toxiproxy, where one was asked for."""
    first: int = 1
    """Number of the first message that follows."""


class Said(msgspec.Struct, frozen=True, kw_only=True, tag="said"):
    """An event of a source in the services process."""

    emission: Emission


Message = Answer | Said | Clocked | Ready | Beaten
