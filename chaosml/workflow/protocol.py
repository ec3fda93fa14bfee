"""What goes into the reducer and what comes out of it.

The reducer is Argo's controller as a pure function:

    reduce(state, observation) -> Reduction(state, commands, changes)

An observation is what the controller gets to see, which is not what happened: a
pod whose process exited with 143 may be seen as completed (`PodCompleted`) or
only as missing (`PodVanished`). Who drives the reducer decides which; see `views`.

All times are nanoseconds on the driver's monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "FOUND_DEAD",
    "Change",
    "Command",
    "CreatePod",
    "EnvironmentVariable",
    "Finished",
    "Observation",
    "OutputFile",
    "PodCompleted",
    "PodPending",
    "PodRunning",
    "PodSpec",
    "PodVanished",
    "Stop",
    "StopPod",
    "Tick",
    "Vertex",
    "WakeAt",
]


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """One variable of a container; exactly one of the three ways to its value is set."""

    name: str
    value: str | None = None
    secret: tuple[str, str] | None = None
    """Name and key of a `secretKeyRef`."""
    field: str | None = None
    """Path of a `fieldRef`, such as `metadata.uid` or `spec.nodeName`."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An output parameter that is read from a file of the main container."""

    name: str
    path: str
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """Everything that a driver needs to run an attempt; all templates are substituted."""

    pod: str
    """Name of the pod: Argo's v2 rule."""
    vertex: str
    """Argo's node name, such as `spot-t3.train(1)`."""
    template: str
    task: str
    """The DAG task or step; for an entrypoint that is a pod itself, the template's name."""
    attempt: int
    """0 for the first; `retries` in Argo's words."""
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    script: str | None = None
    """Source of a script template, to be appended to the command as a file."""
    environment: tuple[EnvironmentVariable, ...] = ()
    working_directory: str | None = None
    output_files: tuple[OutputFile, ...] = ()
    capture_result: bool = False
    """Whether stdout is the `result` that another template reads (its last 256 KiB)."""
    grace_s: float = 30.0
    pre_stop: tuple[str, ...] | None = None
    mounts: Mapping[str, str] = field(default_factory=dict)
    """Mount path to the name of an `emptyDir` volume: fresh and empty for every pod."""
    deadline_s: float | None = None
    """`activeDeadlineSeconds` of the pod, counted from its start."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    avoid_nodes: tuple[str, ...] = ()
    """Nodes that must not get the pod: where attempts failed before, by `nodeAntiAffinity`."""
    requested_cpu: float = 1.0
    hooked: bool = False
    """Whether the pod is part of a hook or of the exit handler."""


FOUND_DEAD = 255
"""Exit code that a kubelet gives a container which it finds dead when its machine is back."""


@dataclass(frozen=True, slots=True)
class PodPending:
    """The pod cannot be placed yet; `message` says why."""

    pod: str
    message: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class PodRunning:
    """The main container runs."""

    pod: str
    at_ns: int
    node: str = ""


@dataclass(frozen=True, slots=True)
class PodCompleted:
    """The controller sees a terminated pod.

    `outputs` are the files that the wait container found, by parameter name. Under the
    view `wait-failed` it looked before the main container had written them: then they are absent.
    """

    pod: str
    at_ns: int
    exit_code: int
    outputs: Mapping[str, str] = field(default_factory=dict)
    result: str | None = None
    message: str = ""
    """Termination message of the main container; the emissary's own error for exit code 64."""
    pod_message: str = ""
    """`pod.status.message`, as the kubelet sets it on eviction, deadline or node shutdown."""
    unreported: bool = False
    """Whether the wait container died before its report, as where the machine died below it.

    Argo then notes no time at which the attempt ended, and so waits out no backoff after it.
    """


@dataclass(frozen=True, slots=True)
class PodVanished:
    """The controller finds no pod object any more.

    `graceless`: the object went without a grace period (force delete, pod garbage collection
    after node loss). Then the same attempt gets a new pod and no retry is consumed.

    Where the controller had looked while the main container had ended and the pod had not, it
    keeps the exit code, and what the wait container had reported by then.
    """

    pod: str
    at_ns: int
    graceless: bool = False
    exit_code: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come to look again (backoff over, deadline passed)."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The workflow's `shutdown` was set: `Stop` or `Terminate`."""

    strategy: str
    at_ns: int


Observation = PodPending | PodRunning | PodCompleted | PodVanished | Tick | Stop


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Create this pod."""

    spec: PodSpec


@dataclass(frozen=True, slots=True)
class StopPod:
    """End the pod's processes as Argo does: SIGTERM, grace, SIGKILL; no preStop hook runs."""

    pod: str
    why: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a `Tick` at this time; a later command does not cancel an earlier one."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The workflow, its exit handler included, has ended."""

    phase: str
    message: str


Command = CreatePod | StopPod | WakeAt | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Vertex:
    """A vertex of the workflow's status (Argo calls it a node)."""

    name: str
    display_name: str
    template: str
    type: str
    """Pod, Retry, DAG, TaskGroup, Steps, StepGroup, Skipped."""
    phase: str
    """Pending, Running, Succeeded, Skipped, Failed, Error, Omitted."""
    message: str = ""
    task: str = ""
    attempt: int | None = None
    pod: str | None = None
    retried: bool = False
    """Argo's `nodeFlag.retried`."""
    hooked: bool = False
    """Whether it is part of a hook or of the exit handler."""
    on_exit: bool = False
    """Whether it is part of an exit hook or the exit handler, which `Stop` and the deadline
    spare."""
    memoized: bool = False
    """Whether its outputs come from the cache, so that nothing ran."""
    boundary: str | None = None
    children: tuple[str, ...] = ()
    started_ns: int | None = None
    finished_ns: int | None = None
    unstamped: bool = False
    """Whether it ended without that Argo notes when (its `finishedAt` is empty)."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Output parameters by name."""
    result: str | None = None
    exit_code: str | None = None
    node: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A vertex is new or differs in phase, message or outputs."""

    vertex: Vertex
