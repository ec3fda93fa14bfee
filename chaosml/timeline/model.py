"""What an execution's history says, ordered by whom and when: the input of every checker.

Facts stay the facts of `event`, each with its time. Nothing here is concluded;
what follows from them is in `analysis` and the modules that it puts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from chaosml.event import (
    ArtifactObserved,
    AuditFinished,
    CanaryMeasured,
    ClaimCheckpoint,
    ClaimDone,
    ClaimPublish,
    ClaimReady,
    ClaimRegister,
    CommandEnded,
    DisturbanceAdded,
    DisturbanceRemoved,
    ExecutionEnded,
    ExecutionStarted,
    HealDone,
    HoldEnded,
    HoldStarted,
    InjectionApplied,
    InjectionArmed,
    InjectionIntended,
    InjectionInvalid,
    IsolationChecked,
    NodeChanged,
    NoticeRead,
    NoticeVisible,
    NoticeWithdrawn,
    PodCreated,
    PodDeletion,
    PodExited,
    PodGone,
    PodPaused,
    PodResumed,
    PodSignalled,
    PodStarted,
    RegistryObserved,
    Request,
    ServiceTraffic,
    TaskPhase,
    ToxicAdded,
    ToxicRemoved,
    UploadPending,
    WorkflowPhase,
)
from chaosml.timeline.ledger import Segment, StepLedger
from chaosml.timeline.moment import Moment, Seen
from chaosml.timeline.sources import (
    AUDIT,
    GATE,
    HARNESS,
    KUBELET,
    Source,
    describe_incomplete,
    log_of,
)

__all__ = [
    "TERMINAL",
    "Claims",
    "Hold",
    "Injection",
    "Pod",
    "SeenCommit",
    "Timeline",
]

TERMINAL = frozenset({"Succeeded", "Failed", "Error"})
"""Phases in which a workflow, and a vertex of one, has ended."""

SeenCommit: TypeAlias = "Seen[ClaimCheckpoint]"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, by its uid; what was not seen of it is None or empty."""

    uid: str
    created: Seen[PodCreated] | None
    started: Seen[PodStarted] | None
    deletions: tuple[Seen[PodDeletion], ...]
    signals: tuple[Seen[PodSignalled], ...]
    exited: Seen[PodExited] | None
    gone: Seen[PodGone] | None
    paused: tuple[Seen[PodPaused], ...] = ()
    resumed: tuple[Seen[PodResumed], ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    """Digests of the images that ran in it, by container, as far as they were seen."""

    @property
    def image_id(self) -> str:
        """The digest of the image of its main container; empty where it was not seen."""
        created = "" if self.created is None else self.created.fact.image_id
        return created or self.images.get("main", "")

    @property
    def died_paused_by(self) -> Seen[PodPaused] | None:
        """The pause in which it was killed by others; None where it went on or was not paused."""
        if not self.paused or self.exited is None or self.exited.fact.exit_code == 0:
            return None
        last = self.paused[-1]
        went_on = any(not one.at.is_before(last.at) for one in self.resumed)
        return None if went_on else last

    @property
    def task(self) -> str | None:
        """The task it works for; None where its creation was not seen."""
        return None if self.created is None else self.created.fact.task

    @property
    def attempt(self) -> int | None:
        """The number of its attempt."""
        return None if self.created is None else self.created.fact.attempt

    @property
    def node(self) -> str | None:
        """The machine it was placed on."""
        return None if self.created is None else self.created.fact.node

    def strikes_by(self, injection: str) -> list[Seen[PodDeletion] | Seen[PodSignalled]]:
        """Return the deletions and signals that an injection caused, in order of time."""
        struck = [seen for seen in self.strikes if seen.fact.by == injection]
        return sorted(struck, key=lambda seen: (seen.at.earliest_ns, seen.number))

    @property
    def strikes(self) -> list[Seen[PodDeletion] | Seen[PodSignalled]]:
        """Deletions and signals, by whomever."""
        return [*self.deletions, *self.signals]


@dataclass(frozen=True, slots=True)
class Claims:
    """What the first rank of a pod said about itself."""

    uid: str
    ledger: StepLedger
    segments: tuple[Segment, ...]
    ready: tuple[Seen[ClaimReady], ...]
    checkpoints: tuple[SeenCommit, ...]
    """Begins and commits."""
    publishes: tuple[Seen[ClaimPublish], ...]
    registers: tuple[Seen[ClaimRegister], ...]
    done: tuple[Seen[ClaimDone], ...]
    lines_lost: bool
    """The probe's own numbers show that lines are missing, whatever the log's numbers say."""

    @property
    def commits(self) -> Iterator[SeenCommit]:
        """The checkpoints that it claims to be durable."""
        return (seen for seen in self.checkpoints if seen.fact.phase == "commit")


@dataclass(frozen=True, slots=True)
class Hold:
    """A pod that waited at an armed place."""

    started: Seen[HoldStarted] | None
    ended: Seen[HoldEnded] | None


@dataclass(frozen=True, slots=True)
class Injection:
    """What is recorded of one application of a fault."""

    injection: str
    armed: Seen[InjectionArmed] | None
    intended: tuple[Seen[InjectionIntended], ...]
    applied: tuple[Seen[InjectionApplied], ...]
    invalid: tuple[Seen[InjectionInvalid], ...]
    healed: tuple[Seen[HealDone], ...]
    commands: tuple[Seen[CommandEnded], ...] = ()
    """Ends of the user's programs that it started."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Everything that the history of one execution says."""

    execution: str
    """`control/1`, `trial/3`; empty where the first event was lost."""
    training_task: str
    """The task whose steps are the progress."""
    header: Seen[ExecutionStarted] | None
    isolation: Seen[IsolationChecked] | None
    ended: Seen[ExecutionEnded] | None
    sources: Mapping[str, Source]
    pods: Mapping[str, Pod]
    claims: Mapping[str, Claims]
    tasks: tuple[Seen[TaskPhase], ...]
    workflow: tuple[Seen[WorkflowPhase], ...]
    nodes: tuple[Seen[NodeChanged], ...]
    holds: tuple[Hold, ...]
    injections: Mapping[str, Injection]
    notices: tuple[Seen[NoticeVisible], ...]
    notice_reads: tuple[Seen[NoticeRead], ...]
    withdrawals: tuple[Seen[NoticeWithdrawn], ...]
    requests: tuple[Seen[Request], ...]
    """Reads and writes of objects; listings and the like only where an injection met them."""
    artifacts: tuple[Seen[ArtifactObserved], ...]
    entries: tuple[Seen[RegistryObserved], ...]
    pending: tuple[Seen[UploadPending], ...]
    audited: Seen[AuditFinished] | None
    events: int
    toxics: tuple[Seen[ToxicAdded], ...] = ()
    toxics_removed: tuple[Seen[ToxicRemoved], ...] = ()
    disturbances: tuple[Seen[DisturbanceAdded], ...] = ()
    disturbances_removed: tuple[Seen[DisturbanceRemoved], ...] = ()
    canaries: tuple[Seen[CanaryMeasured], ...] = ()
    traffic: tuple[Seen[ServiceTraffic], ...] = ()
    """Of services other than the store."""

    def doubt(self, *names: str) -> str:
        """Return why the sources called `names` prove no absence; empty where they do.

        The harness is always asked too: without it nobody knows which sources there were.
        """
        return describe_incomplete(self.sources, (HARNESS, *names))

    def doubt_of_logs(self, pods: Iterator[Pod] | tuple[Pod, ...] | list[Pod]) -> str:
        """Return why the logs of these pods, or the list of pods itself, may lack lines."""
        reasons = [self.doubt(KUBELET)]
        for pod in pods:
            name = log_of(pod.uid)
            if name in self.sources:
                reasons.append(describe_incomplete(self.sources, (name,)))
            elif pod.started is not None:
                reasons.append(f"{name} never reported")
            if pod.uid in self.claims and self.claims[pod.uid].lines_lost:
                reasons.append(f"{name} lacks lines of the probe")
        return "; ".join(reason for reason in reasons if reason)

    def doubt_of_store(self) -> str:
        """Return why the requests and the audit may lack something."""
        reason = self.doubt(GATE, AUDIT)
        if not reason and self.audited is None:
            return "the audit of the store did not finish"
        return reason

    @property
    def final_phase(self) -> Seen[WorkflowPhase] | None:
        """The terminal phase of the workflow, if it was seen."""
        for seen in reversed(self.workflow):
            if seen.fact.phase in TERMINAL:
                return seen
        return None

    @property
    def started(self) -> Moment | None:
        """When the execution began."""
        return None if self.header is None else self.header.at

    def pods_of(self, task: str | None) -> list[Pod]:
        """Return the pods of a task in the order of their creation."""
        pods = [pod for pod in self.pods.values() if pod.created and pod.task == task]
        return sorted(pods, key=_creation)


def _creation(pod: Pod) -> tuple[int, str]:
    return (0 if pod.created is None else pod.created.at.earliest_ns, pod.uid)
