"""The wire format of evidence: one event, and the facts an event may state.

    {"seq":41,"source":"gate","source_seq":7,"earliest_ns":…,"latest_ns":…,
     "basis":"observed","subject":"pod/spot-t3-train-1a2b","data":{"kind":"request",…}}

*Source and closure.* Every source numbers its events from 1 without a gap. The
harness writes `source-opened` before a source may emit; `source-closed` carries
the last number, `source-lost` says that the end is unknown. That something is
absent means something only in a closed source without gaps.

*Basis.* `observed` by us, `claimed` by a probe, `inferred`. Claims place faults
and locate causes; a PASS on state or artifacts rests on observations.

*Time.* An interval on the harness's monotonic clock, in nanoseconds. Where two
intervals overlap, the order of the events is unknown.

The catalogue is closed: a kind that is not here is refused on reading, with the
advice to use the version that wrote it.
"""

from __future__ import annotations

import enum

import msgspec

__all__ = [
    "DOWN",
    "ArtifactObserved",
    "AuditFinished",
    "Basis",
    "CanaryMeasured",
    "ClaimCheckpoint",
    "ClaimDone",
    "ClaimPoint",
    "ClaimPublish",
    "ClaimReady",
    "ClaimRegister",
    "ClaimRestore",
    "ClaimStep",
    "ClaimUnreadable",
    "CommandEnded",
    "ContainerStatus",
    "Deletion",
    "DisturbanceAdded",
    "DisturbanceRemoved",
    "Emission",
    "Event",
    "ExecutionEnded",
    "ExecutionStarted",
    "Fact",
    "HealDone",
    "HealIntended",
    "HoldEnded",
    "HoldStarted",
    "ImageSeen",
    "InjectionApplied",
    "InjectionArmed",
    "InjectionIntended",
    "InjectionInvalid",
    "IsolationChecked",
    "LogProgress",
    "NodeChanged",
    "NoticeRead",
    "NoticeVisible",
    "NoticeWithdrawn",
    "PodCreated",
    "PodDeletion",
    "PodExited",
    "PodGone",
    "PodPaused",
    "PodResumed",
    "PodSignalled",
    "PodStarted",
    "ProbeConnected",
    "RegistryObserved",
    "Request",
    "Scalar",
    "ServiceTraffic",
    "SourceClosed",
    "SourceLost",
    "SourceOpened",
    "TaskPhase",
    "ToxicAdded",
    "ToxicRemoved",
    "UploadPending",
    "WorkflowPhase",
]

DOWN = "down"
"""Among the types of toxics: the whole proxy is disabled and refuses connections."""
Scalar = str | int | float | bool | None


class Basis(enum.Enum):
    """How we know: seen by us, said by the pipeline, or concluded."""

    OBSERVED = "observed"
    CLAIMED = "claimed"
    INFERRED = "inferred"


class _Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What an event states; the subclass is the kind."""


class SourceOpened(_Fact, frozen=True, kw_only=True, tag="source-opened"):
    """Subject `source/NAME`: from here on the source may emit."""

    source: str
    clock: str
    """Boot id of the clock that the source stamps with."""


class SourceClosed(_Fact, frozen=True, kw_only=True, tag="source-closed"):
    """The source ended in order; its last event has number `last` (0: it said nothing)."""

    source: str
    last: int


class SourceLost(_Fact, frozen=True, kw_only=True, tag="source-lost"):
    """The source ended unknown: what it had still to say is not known."""

    source: str
    last_seen: int
    why: str


class ExecutionStarted(_Fact, frozen=True, kw_only=True, tag="execution-started"):
    """Subject `execution/control/1`: the first event of every history."""

    execution: str
    """`control/1` or `trial/3`."""
    run: str
    """Name of the run directory, such as `20261124T221500Z`."""
    scenario: str
    seed: int
    workflow: str
    """Name of the submitted Workflow object; differs in every execution."""
    workflow_file: str
    workflow_sha256: str
    isolation: dict[str, str]
    """What carries the identity: `run-id`, `bucket`, `registry`; values of this execution."""
    parameters: dict[str, str]
    case: str | None = None
    view: str | None = None
    """The planned view of the case; see `workflow.views`."""
    deadline_s: float
    substrate: str
    fingerprint: dict[str, str]
    """What floating-point results depend on: CPU flags, BLAS, threads, versions, image."""


class IsolationChecked(_Fact, frozen=True, kw_only=True, tag="isolation-checked"):
    """Receipt that bucket and registry of this execution started empty."""

    bucket: str
    objects: int


class ExecutionEnded(_Fact, frozen=True, kw_only=True, tag="execution-ended"):
    """Why the harness stopped watching: `completed`, `deadline`, `interrupted`, `failed`."""

    reason: str
    detail: str = ""


class TaskPhase(_Fact, frozen=True, kw_only=True, tag="task-phase"):
    """Subject `task/TASK`: a vertex of the workflow changed its phase or message."""

    vertex: str
    """Argo's node name, such as `spot-t3.train(1)`."""
    display_name: str
    template: str
    type: str
    """Argo's node type: Pod, Retry, DAG, Steps, StepGroup, Skipped, …"""
    phase: str
    message: str = ""
    task: str = ""
    """The DAG task or step this belongs to; the same for the Retry vertex and its attempts."""
    attempt: int | None = None
    """Number of the attempt (0, 1, …) for the vertex of a pod; None otherwise."""
    pod: str | None = None
    hooked: bool = False
    exit_code: str | None = None
    outputs: dict[str, str] = {}


class WorkflowPhase(_Fact, frozen=True, kw_only=True, tag="workflow-phase"):
    """Subject `workflow/NAME`."""

    phase: str
    message: str = ""


class PodCreated(_Fact, frozen=True, kw_only=True, tag="pod-created"):
    """Subject `pod/UID`. The name repeats when the same attempt gets a new pod; the uid never."""

    uid: str
    pod: str
    task: str
    attempt: int
    node: str
    image: str
    image_id: str
    """Digest of the image, or fingerprint of the interpreter that stands for it."""
    grace_s: float
    requested_cpu: float = 1.0
    environment: dict[str, str] = {}
    """Only the variables that carry lineage; nothing else of the environment is recorded."""
    labels: dict[str, str] = {}


class PodStarted(_Fact, frozen=True, kw_only=True, tag="pod-started"):
    """The main process runs."""

    uid: str
    pid: int


class PodDeletion(_Fact, frozen=True, kw_only=True, tag="pod-deletion"):
    """A pod is to go, by whom, and how.

    Asked of the API: `delete`, `evict`, `force`. With its node: `node-lost`. By the kubelet, which
    leaves the object: `node-shutdown`, `node-pressure`. The object alone: `cut-off`, its processes
    live on; `forgotten`, they had ended well before anybody looked.
    """

    uid: str
    how: str
    grace_s: float
    by: str
    """Id of the injection, or `argo` for a deadline or shutdown of the workflow."""


class PodSignalled(_Fact, frozen=True, kw_only=True, tag="pod-signalled"):
    """A signal went to the pod's processes."""

    uid: str
    signal: str
    by: str
    """Id of the injection, or `argo`."""


class PodPaused(_Fact, frozen=True, kw_only=True, tag="pod-paused"):
    """The processes of the user's program were seen stopped (state T): there, and doing nothing."""

    uid: str
    by: str
    processes: int


class PodResumed(_Fact, frozen=True, kw_only=True, tag="pod-resumed"):
    """Stopped processes were told to go on."""

    uid: str
    by: str


class ImageSeen(_Fact, frozen=True, kw_only=True, tag="image-seen"):
    """Which image a container of a pod really runs, said once it is known: after its creation."""

    uid: str
    container: str
    """`main` for the user's program, `wait` for Argo's executor."""
    image: str
    image_id: str
    """Digest of the image."""


class ContainerStatus(_Fact, frozen=True, kw_only=True, tag="container-status"):
    """When the main container of a pod ran, as the container runtime of its node has it.

    The API keeps whole seconds; the runtime keeps nanoseconds (`ContainerStatus` of the CRI).
    """

    uid: str
    started_ns: int
    """On the clock of the history."""
    finished_ns: int


class PodExited(_Fact, frozen=True, kw_only=True, tag="pod-exited"):
    """The main process ended and every descendant is reaped."""

    uid: str
    exit_code: int
    """The process's code, or 128 + signal."""
    stragglers: int = 0
    """Descendants that outlived the main process and were killed."""


class PodGone(_Fact, frozen=True, kw_only=True, tag="pod-gone"):
    """The pod object is removed; `view` is what the controller gets to see of the death."""

    uid: str
    view: str


class NodeChanged(_Fact, frozen=True, kw_only=True, tag="node-changed"):
    """Subject `node/NAME`: `ready`, `cordoned`, `drained`, `stopped`, `removed`."""

    node: str
    state: str
    by: str


class _Claim(_Fact, frozen=True, kw_only=True):
    """A line of the probe; `n` is the probe's own number of the line in its process."""

    n: int
    pid: int
    rank: int = 0


class ClaimReady(_Claim, frozen=True, kw_only=True, tag="ready"):
    """The program is up and about to work."""


class ClaimRestore(_Claim, frozen=True, kw_only=True, tag="restore"):
    """State was restored from `key`, or (key None, step 0) nothing was found to restore."""

    step: int
    key: str | None = None
    digest: str | None = None


class ClaimStep(_Claim, frozen=True, kw_only=True, tag="step"):
    """An optimizer step is complete."""

    step: int
    batch: str
    """Hash of the sample ids, in order."""
    loss: str | None = None
    """`float.hex()`, so that equality is exact."""
    state: str | None = None
    """Canonical digest of the whole training state after the step."""


class ClaimCheckpoint(_Claim, frozen=True, kw_only=True, tag="checkpoint"):
    """A checkpoint begins (`phase` begin) or is durable (commit)."""

    phase: str
    step: int
    key: str | None = None
    digest: str | None = None
    chain: str | None = None
    """Hash chain of (step, batch) since `chain_from`, so that lost lines hide nothing."""
    chain_from: int | None = None
    chain_length: int | None = None


class ClaimPublish(_Claim, frozen=True, kw_only=True, tag="publish"):
    """An artifact was promoted to its canonical key."""

    key: str
    digest: str | None = None
    step: int | None = None


class ClaimRegister(_Claim, frozen=True, kw_only=True, tag="register"):
    """A model was entered into the registry."""

    name: str
    entry: str
    digest: str | None = None


class ClaimDone(_Claim, frozen=True, kw_only=True, tag="done"):
    """The program believes that it finished its work."""

    step: int | None = None


class ClaimPoint(_Claim, frozen=True, kw_only=True, tag="point"):
    """A named place in the program."""

    name: str


class ClaimUnreadable(_Fact, frozen=True, kw_only=True, tag="unreadable"):
    """A line that begins like a probe's and is none; part of the log's numbering."""

    why: str


class LogProgress(_Fact, frozen=True, kw_only=True, tag="log-progress"):
    """Subject `pod/UID`: lines of the program itself that name another step than the one before.

    Those that arrive at nearly the same time are one fact, in an interval that holds them all.
    A line says at most that a step was done, or that it began: which one is not known.
    """

    step: int
    """The highest step of the lines."""
    first: int | None = None
    """The step of the first line, where it is another one."""
    fell: bool = False
    """Whether a line named an earlier step than the line before it."""

    @property
    def first_step(self) -> int:
        """The step of the first line."""
        return self.step if self.first is None else self.first


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """One of the objects that a DeleteObjects request deleted."""

    key: str
    version: str | None = None
    """The version that was removed for good; None: the object as such."""
    marker: str | None = None
    """Version id of the delete marker that was made; empty where the answer does not say."""


class Request(_Fact, frozen=True, kw_only=True, tag="request"):
    """A request at the gate; its interval runs from the first byte in to the answer out."""

    operation: str
    """S3's name: PutObject, GetObject, CompleteMultipartUpload, …"""
    bucket: str
    key: str = ""
    uid: str | None = None
    """The pod, by its credential; None for an unknown one."""
    status: int | None = None
    """HTTP status given to the client; None if the client had gone."""
    outcome: str = "answered"
    """`answered`, `client-gone`, `store-failed`, `refused` (by the gate itself).

    By an injection: `throttled` (refused), `reset` (cut before it was whole), `late-error` (200
    with an error in the body), `answer-lost` (carried out, and cut instead of answered).
    """
    stored: bool | None = None
    """Whether a write reached the store: True, False, or None for not known."""
    version: str | None = None
    """Version id written or read."""
    size: int | None = None
    sha256: str | None = None
    """Of the decoded payload."""
    condition: str | None = None
    """`if-none-match:*`, `if-match:…`."""
    upload: str | None = None
    part: int | None = None
    deletions: tuple[Deletion, ...] = ()
    """What DeleteObjects deleted."""
    injection: str | None = None
    """The injection that the gate disturbed it for."""


class HoldStarted(_Fact, frozen=True, kw_only=True, tag="hold-started"):
    """A pod waits at an armed place, which names where the strike happens."""

    hold: str
    rule: str
    uid: str
    place: str
    """`step 61`, `before PutObject models/…`, `point saved`."""
    step: int | None = None
    key: str | None = None


class HoldEnded(_Fact, frozen=True, kw_only=True, tag="hold-ended"):
    """`receipt`, `terminating`, `death`, `expired`, `disarmed`, `abandoned` (the client left)."""

    hold: str
    why: str


class ProbeConnected(_Fact, frozen=True, kw_only=True, tag="probe-connected"):
    """A probe opened the control channel."""

    uid: str


class NoticeVisible(_Fact, frozen=True, kw_only=True, tag="notice-visible"):
    """The metadata service of the node answers with the notice from now on."""

    node: str
    notice: str
    action: str
    deadline_ns: int
    """The frozen deadline on the monotonic clock."""


class NoticeRead(_Fact, frozen=True, kw_only=True, tag="notice-read"):
    """A client read the notice."""

    node: str
    notice: str
    uid: str | None = None
    first: bool = False


class NoticeWithdrawn(_Fact, frozen=True, kw_only=True, tag="notice-withdrawn"):
    """The notice is no longer visible."""

    node: str
    notice: str


class InjectionArmed(_Fact, frozen=True, kw_only=True, tag="injection-armed"):
    """Subject `injection/ID`: what is planned, where and under which view."""

    injection: str
    fault: str
    """Name of the entry in the scenario."""
    inject: str
    """The kind: `pod.delete`, `spot.reclaim`, …"""
    task: str
    trigger: str
    """The planned place in the words of `HoldStarted.place`, or the approximate trigger."""
    exact: bool
    """Whether the trigger is armed where the event happens."""
    view: str | None
    lethal: bool
    """Whether the target is meant to die."""
    step: int | None = None
    options: dict[str, Scalar] = {}
    service: str | None = None
    """The service on the way to which a degradation acts; None for every other fault."""


class InjectionIntended(_Fact, frozen=True, kw_only=True, tag="injection-intended"):
    """Journal entry, durable before the action happens: enough to undo it."""

    injection: str
    action: str
    target: str
    prior: dict[str, Scalar] = {}
    owner_pid: int


class InjectionApplied(_Fact, frozen=True, kw_only=True, tag="injection-applied"):
    """The action was carried out."""

    injection: str
    action: str
    target: str
    step: int | None = None
    """Where the target stood, as far as the hold says."""


class InjectionInvalid(_Fact, frozen=True, kw_only=True, tag="injection-invalid"):
    """The fault did not happen as planned: the trial proves nothing about it."""

    injection: str
    why: str
    """`target-finished`, `never-reached`, `hold-expired`, `not-empty`, …"""
    detail: str = ""


class CommandEnded(_Fact, frozen=True, kw_only=True, tag="command-ended"):
    """A program of the user's that belongs to an injection is done: `command`, `receipt`, `undo`.

    A receipt is asked for again until it is given; one fact says how that ended.
    """

    injection: str
    part: str
    uid: str
    """The pod that the injection is about."""
    outcome: str
    """`done`, or why not: `not-started`, `failed`, `timeout`, `nonsense`, `no-effect`, `ended`."""
    exit_code: int | None = None
    """Of the program, or minus the signal that ended it; None where there is none."""
    asked: int = 1
    """How many times it was started."""
    reported: dict[str, Scalar] = {}
    """Scalars of the JSON document on its stdout, flattened with dots; at most 64."""
    detail: str = ""
    """The end of what it wrote to stderr, or what was wrong."""


class HealIntended(_Fact, frozen=True, kw_only=True, tag="heal-intended"):
    """Journal entry before an undoing."""

    injection: str
    action: str
    target: str


class HealDone(_Fact, frozen=True, kw_only=True, tag="heal-done"):
    """The undoing is complete."""

    injection: str
    action: str
    target: str


class ToxicAdded(_Fact, frozen=True, kw_only=True, tag="toxic-added"):
    """Subject `proxy/PROXY`: Toxiproxy has confirmed a toxic."""

    injection: str
    proxy: str
    toxic: str
    type: str
    """Toxiproxy's: `latency`, `bandwidth`, …, or `down`."""
    stream: str
    """`upstream`: what the pod sends; `downstream`: what it gets; `both` where it is down."""
    attributes: dict[str, int]
    asked_ns: int
    """When it was asked for: from then on it may act, since the event itself it does."""


class ToxicRemoved(_Fact, frozen=True, kw_only=True, tag="toxic-removed"):
    """Toxiproxy has confirmed that a toxic is gone."""

    injection: str
    proxy: str
    toxic: str
    asked_ns: int
    """When the removal was asked for: until then it acted, since the event it does not."""


class DisturbanceAdded(_Fact, frozen=True, kw_only=True, tag="disturbance-added"):
    """Subject `source/gate`: from now on the gate disturbs requests instead of passing them on."""

    injection: str
    task: str
    how: str
    """`throttle`, `reset`, `late-error`, `lose-answer`."""
    asked_ns: int
    """When it was asked for: from then on it may act, since the event itself it does."""


class DisturbanceRemoved(_Fact, frozen=True, kw_only=True, tag="disturbance-removed"):
    """The gate passes every request on again."""

    injection: str
    asked_ns: int
    """When that was asked for: until then it acted, since the event it does not."""


class CanaryMeasured(_Fact, frozen=True, kw_only=True, tag="canary-measured"):
    """Subject `proxy/PROXY`: requests of our own took so long through the proxy.

    The event's interval runs from the first connection to the last answer.
    """

    injection: str
    proxy: str
    when: str
    """`before`, `during` or `after` the fault."""
    upload_bytes: int
    """Sent with every request."""
    download_bytes: int
    """Asked for with every request."""
    connect_s: tuple[float, ...] = ()
    first_byte_s: tuple[float, ...] = ()
    """From the request's first byte to the answer's first."""
    total_s: tuple[float, ...] = ()
    """From the request's first byte to the answer's last."""
    problem: str | None = None
    """Why there are not as many times as were asked for."""
    failure: str | None = None
    """The same in one word: `refused`, `reset`, `cut` (closed early), `silent`, `unreachable`."""


class ServiceTraffic(_Fact, frozen=True, kw_only=True, tag="service-traffic"):
    """Subject `proxy/PROXY`: clients of a service talked within the event's interval.

    Of canaries nothing is counted. The store's traffic is in `Request`.
    """

    proxy: str
    connections: int
    """Opened in the interval."""
    sent_bytes: int
    received_bytes: int


class ArtifactObserved(_Fact, frozen=True, kw_only=True, tag="artifact-observed"):
    """Subject `object/KEY`: one version of one object that the contract names."""

    role: str
    key: str
    version: str
    current: bool
    deleted: bool = False
    """A delete marker."""
    size: int = 0
    sha256: str | None = None
    step: int | None = None
    """From the key's `step` group, or from the content's `step` field."""
    digest: str | None = None
    """Canonical digest over all components."""
    digests: dict[str, str] = {}
    """Canonical digest by component: model, optimizer, scheduler, rng, sampler."""
    problem: str | None = None
    """Why it could not be read as its format: `truncated`, `not an npz: …`.

    Without `sha256` its bytes could not be had at all, so nothing is known about them.
    """
    fields: dict[str, Scalar] = {}
    """Scalars of a JSON document, flattened with dots; at most 64."""


class RegistryObserved(_Fact, frozen=True, kw_only=True, tag="registry-observed"):
    """Subject `registry/ENTRY`."""

    entry: str
    name: str
    version: str
    source: str | None = None
    """Key of the registered object."""
    digest: str | None = None
    fields: dict[str, Scalar] = {}


class UploadPending(_Fact, frozen=True, kw_only=True, tag="upload-pending"):
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload: str


class AuditFinished(_Fact, frozen=True, kw_only=True, tag="audit-finished"):
    """The store was read to its end."""

    objects: int
    versions: int
    versioned: bool


Fact = (
    SourceOpened
    | SourceClosed
    | SourceLost
    | ExecutionStarted
    | IsolationChecked
    | ExecutionEnded
    | TaskPhase
    | WorkflowPhase
    | PodCreated
    | PodStarted
    | PodDeletion
    | PodSignalled
    | PodPaused
    | PodResumed
    | ImageSeen
    | ContainerStatus
    | PodExited
    | PodGone
    | NodeChanged
    | ClaimReady
    | ClaimRestore
    | ClaimStep
    | ClaimCheckpoint
    | ClaimPublish
    | ClaimRegister
    | ClaimDone
    | ClaimPoint
    | ClaimUnreadable
    | LogProgress
    | Request
    | HoldStarted
    | HoldEnded
    | ProbeConnected
    | NoticeVisible
    | NoticeRead
    | NoticeWithdrawn
    | InjectionArmed
    | InjectionIntended
    | InjectionApplied
    | InjectionInvalid
    | CommandEnded
    | HealIntended
    | HealDone
    | ToxicAdded
    | ToxicRemoved
    | DisturbanceAdded
    | DisturbanceRemoved
    | CanaryMeasured
    | ServiceTraffic
    | ArtifactObserved
    | RegistryObserved
    | UploadPending
    | AuditFinished
)


class Emission(msgspec.Struct, frozen=True, kw_only=True):
    """What a source says: an event before the history has given it its place."""

    source: str
    source_seq: int
    earliest_ns: int
    latest_ns: int
    basis: Basis
    subject: str
    data: Fact


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One fact with its time and origin: a line of a history."""

    seq: int
    source: str
    source_seq: int
    earliest_ns: int
    latest_ns: int
    basis: Basis
    subject: str
    data: Fact
