"""The lines between the driver and its kubelet: newline-delimited JSON on a socket.

The driver orders, the kubelet reports; nothing is answered. All times are the
kernel's monotonic clock, which both processes read.
"""

from __future__ import annotations

import msgspec

from chaosml.substrates.claims import Claim

__all__ = [
    "Claimed",
    "EndPod",
    "Exited",
    "Order",
    "Paused",
    "Ready",
    "Report",
    "SignalPod",
    "Signalled",
    "StartPod",
    "Started",
]


class _Order(msgspec.Struct, frozen=True, kw_only=True, tag_field="order"):
    """What the driver wants."""


class StartPod(_Order, frozen=True, kw_only=True, tag="start-pod"):
    """Start a pod; every path is a real one of this machine."""

    uid: str
    argv: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    """The pod's own folder, which the kubelet makes and removes."""
    working_directory: str
    copy_of: str | None = None
    """A folder whose files are copied into the working directory before the start."""
    directories: tuple[str, ...] = ()
    """Folders to make before the start, parents too."""
    files: dict[str, str] = {}
    """Texts to write before the start, by path."""
    log: str
    secrets: tuple[str, ...] = ()
    """Values that must not reach the log or a claim, longest first."""
    output_files: dict[str, str] = {}
    """Files to read after the exit: output parameter to path."""
    capture_result: bool = False
    grace_s: float = 30.0
    pre_stop: tuple[str, ...] | None = None
    deadline_s: float | None = None


class EndPod(_Order, frozen=True, kw_only=True, tag="end-pod"):
    """End a pod: preStop where wanted, SIGTERM to its group, grace, SIGKILL of every descendant.

    A grace of 0 means SIGKILL at once. A pod that has ended is left alone.
    """

    uid: str
    by: str
    grace_s: float
    by_kubelet: bool = True
    """Kubernetes ends it: preStop runs and two seconds remain after it. False: Argo does."""


class SignalPod(_Order, frozen=True, kw_only=True, tag="signal-pod"):
    """Send a signal to the process group of a pod's program, and do nothing else.

    After SIGSTOP it is reported once the whole group was seen stopped.
    """

    uid: str
    signal: str
    """Its name."""
    by: str


Order = StartPod | EndPod | SignalPod


class _Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="report"):
    """What the kubelet saw or did."""


class Ready(_Report, frozen=True, kw_only=True, tag="ready"):
    """The kubelet is up; `preloaded` are the libraries that forked pods find loaded."""

    pid: int
    preloaded: tuple[str, ...] = ()


class Started(_Report, frozen=True, kw_only=True, tag="started"):
    """The main process of a pod runs."""

    uid: str
    pid: int
    earliest_ns: int
    latest_ns: int


class Claimed(_Report, frozen=True, kw_only=True, tag="claimed"):
    """Lines of probes, in the order of reading."""

    uid: str
    claims: tuple[Claim, ...]


class Signalled(_Report, frozen=True, kw_only=True, tag="signalled"):
    """A signal was sent."""

    uid: str
    signal: str
    by: str
    at_ns: int


class Paused(_Report, frozen=True, kw_only=True, tag="paused"):
    """The processes of a pod's program were seen stopped."""

    uid: str
    by: str
    processes: int
    earliest_ns: int
    latest_ns: int


class Exited(_Report, frozen=True, kw_only=True, tag="exited"):
    """The main process ended (`earliest_ns`) and every descendant is reaped (`latest_ns`)."""

    uid: str
    exit_code: int
    stragglers: int
    earliest_ns: int
    latest_ns: int
    outputs: dict[str, str] = {}
    result: str | None = None
    message: str = ""
    """Why the main process could not be started."""
    pod_message: str = ""
    drained: bool = True
    """Whether both pipes were read to their end."""


Report = Ready | Started | Claimed | Signalled | Paused | Exited
