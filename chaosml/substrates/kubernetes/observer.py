"""One execution as it is seen: from what the threads report to entries of the history.

watch of the workflow ─► source `argo`
watches of pods and nodes, our own calls ─► source `kubelet`
log of each pod ─► source `log/UID`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chaosml import clock
from chaosml.event import (
    Basis,
    ContainerStatus,
    NodeChanged,
    PodCreated,
    PodExited,
    PodStarted,
    TaskPhase,
)
from chaosml.substrates.kubernetes import pods as podlife
from chaosml.substrates.kubernetes.deaths import Deaths
from chaosml.substrates.kubernetes.logs import LogEnded, LogLines
from chaosml.substrates.kubernetes.nodes import NodeFollower
from chaosml.substrates.kubernetes.obstacles import CLUSTER_CAPACITY_S, KIND_CAPACITY_S, Obstacles
from chaosml.substrates.kubernetes.pods import Pod, PodFollower
from chaosml.substrates.kubernetes.recorder import Recorder
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.kubernetes.watches import Change, Failed, Kind
from chaosml.substrates.kubernetes.workflows import WorkflowFollower, nodes_of
from chaosml.substrates.protocol import PodView, Submission
from chaosml.substrates.redaction import Redaction
from chaosml.substrates.sources import Sources

__all__ = ["ARGO", "KUBELET", "Observer", "Report", "Tail"]

ARGO = "argo"
KUBELET = "kubelet"


@dataclass(frozen=True, slots=True)
class Report:
    """What a watch delivers, with what it watches: `workflows`, `pods` or `nodes`."""

    of: str
    what: Change | Failed


class Tail(Protocol):
    """Somebody who follows a log."""

    def stop(self, why: str) -> None:
        """Give the log up."""


class Observer:
    """Sees one execution. Every method leaves what it has to say in `sources`."""

    def __init__(
        self,
        submission: Submission,
        *,
        nodes: NodeFollower,
        wall: WallClock,
        follow_log: Callable[[Pod, int], Tail],
        own: bool = False,
    ) -> None:
        """Open the sources.

        Args:
            submission: What is executed.
            nodes: The nodes as they stand.
            wall: The wall clock of the API's stamps.
            follow_log: Begins to follow the log of a pod that started at the earliest then.
            own: Whether the cluster is ours, so that it does not grow.
        """
        self.sources = Sources()
        self.tails: dict[str, Tail] = {}
        """Of the logs that are being read, by uid of the pod."""
        self._announce = submission.announce
        self._nodes = nodes
        self._follow_log = follow_log
        redaction = Redaction(submission.secrets)
        self._workflow = WorkflowFollower(submission.name, wall)
        self._recorder = _recorder(submission, wall, redaction)
        self._pods = PodFollower(
            submission.name,
            wall,
            lineage_variables=submission.lineage_variables,
            hide=redaction.hide,
        )
        self._deaths = Deaths()
        self._drains: dict[str, str] = {}
        """Who drains a node."""
        self._doubt = ""
        self.sources.begin(ARGO)
        self.sources.begin(KUBELET)
        self._obstacles = Obstacles(
            submission.workflow_file,
            capacity_s=KIND_CAPACITY_S if own else CLUSTER_CAPACITY_S,
            begun_ns=clock.monotonic_ns(),
        )
        for state in nodes.states():
            self._say_node(state)

    @property
    def finished(self) -> tuple[str, str] | None:
        """Phase and message of the workflow once it has ended, None before."""
        return self._workflow.finished

    @property
    def pods(self) -> Sequence[Pod]:
        """The pods that exist, the oldest first."""
        return tuple(pod for pod in self._pods.pods.values() if pod.exists and pod.created)

    @property
    def views(self) -> Sequence[PodView]:
        """The pods that exist, as others get to see them."""
        return tuple(pod.view() for pod in self.pods)

    @property
    def is_quiet(self) -> bool:
        """Whether every pod has ended and every log was read."""
        return not self.tails and not any(pod.exists for pod in self._pods.pods.values())

    def find(self, uid: str) -> Pod | None:
        """Return a pod that exists."""
        pod = self._pods.pods.get(uid)
        return pod if pod is not None and pod.exists else None

    def find_ended(self, uid: str) -> Pod | None:
        """Return a pod whose main container has ended and whose object is still there."""
        pod = self._pods.pods.get(uid)
        return pod if pod is not None and pod.exited and not pod.gone else None

    def has_seen(self, uid: str) -> bool:
        """Whether a pod is one of this execution."""
        return uid in self._pods.pods

    def check(self, now_ns: int) -> None:
        """See whether something is waited for that will not come.

        Raises:
            UsageError: Argo refuses the workflow.
            SubstrateError: the environment does not give what the workflow needs.
        """
        self._obstacles.check(now_ns)

    def take(self, report: Report | LogLines | LogEnded) -> None:
        """Take what a thread reports; that a watch failed is not for here."""
        match report:
            case LogLines(uid, claims):
                for claim in claims:
                    between = claim.earliest_ns, claim.latest_ns
                    self._say_log(uid, claim.fact, between)
            case LogEnded(uid, why_lost):
                self._end_log(uid, why_lost)
            case Report("workflows", Change() as change):
                self._take_workflow(change)
            case Report("pods", Change() as change):
                self._take_pod(change)
            case Report("nodes", Change() as change):
                for state in self._nodes.take(change):
                    self._say_node(state)

    # --- what we do ourselves ---

    def note_deletion(self, uid: str, *, how: str, grace_s: float, by: str, at_ns: int) -> None:
        """State that we asked for a pod's deletion."""
        self._say_pods(self._pods.delete(uid, how=how, grace_s=grace_s, by=by, at_ns=at_ns))
        pod = self._pods.pods[uid]
        if how == "evict" and self._nodes.is_cordoned(pod.node):
            self._drains[pod.node] = by

    def note_signal(self, uid: str, *, signal: str, by: str, at_ns: int) -> None:
        """State that we sent a signal to a pod's program."""
        self._say_pods(self._pods.signal(uid, signal=signal, by=by, at_ns=at_ns))

    def note_pause(self, uid: str, *, processes: int, by: str, at_ns: int) -> None:
        """State that we stopped a pod's program and saw it stand still."""
        self._say_pods(self._pods.pause(uid, processes=processes, by=by, at_ns=at_ns))

    def expect_drain(self, node: str, by: str | None) -> None:
        """Take the ends of pods on a node for the doing of an injection; None: no longer."""
        self._pods.expect(node, by)

    def note_node(self, node: str, state: str, by: str) -> None:
        """State what we did to a node."""
        for change in self._nodes.act(node, state, by):
            self._say_node(change)

    def note_death(self, uid: str, *, earliest_ns: int, latest_ns: int) -> None:
        """State that a pod died with its machine."""
        self._say_pods(self._pods.kill(uid, earliest_ns=earliest_ns, latest_ns=latest_ns))

    def note_cut(self, uid: str, *, by: str, at_ns: int) -> None:
        """State that we take a pod's object away and let its processes live."""
        self._say_pods(self._pods.cut_off(uid, by=by, at_ns=at_ns))

    def note_end(self, uid: str, code: int, *, earliest_ns: int, latest_ns: int) -> None:
        """State how a pod ended of which the API knows nothing any more."""
        self._say_pods(self._pods.end(uid, code, earliest_ns=earliest_ns, latest_ns=latest_ns))

    def note_status(self, uid: str, *, started_ns: int, finished_ns: int) -> None:
        """State what a pod's container runtime says of its main container."""
        fact = ContainerStatus(uid=uid, started_ns=started_ns, finished_ns=finished_ns)
        self._say_pod(uid, fact, (finished_ns, clock.monotonic_ns()))

    # --- the end ---

    def close(self, why_lost: str = "") -> None:
        """Say the last words and close every source.

        Args:
            why_lost: Why what the API would still have shown is not known.
        """
        if not why_lost:
            self._settle(ended=self.finished is not None)
        lost = why_lost or self._doubt
        for source in self.sources.open:
            if source in (ARGO, KUBELET) and not lost:
                self.sources.end(source)
            else:
                self.sources.lose(source, lost or "it was not read to its end in time")
        if self._recorder is not None:
            ended = self.finished is not None
            self._recorder.close(lost or ("" if ended else "the workflow had not ended"))

    # --- changes ---

    def _take_workflow(self, change: Change) -> None:
        if change.kind is Kind.DELETED:
            return
        vertices = nodes_of(change.object.get("status") or {})
        if self._recorder is not None:
            self._recorder.take_workflow(change, vertices)
        self._obstacles.take_workflow(change, len(vertices))
        for said in self._workflow.take(change):
            self.sources.say(ARGO, said.subject, said.fact, between=said.between)
            if isinstance(said.fact, TaskPhase):
                self._deaths.take(said.fact)
                self._obstacles.take_vertex(said.fact, change.at_ns)
        self._settle()

    def _take_pod(self, change: Change) -> None:
        if change.kind is Kind.DELETED and change.after_gap:
            self._doubt = "the API server lost the watch, and a pod vanished meanwhile"
        if self._recorder is not None:
            self._recorder.take_pod(change)
        self._obstacles.take_pod(change)
        self._say_pods(self._pods.take(change))
        pod = self._pods.pods[change.uid]
        for gone in self._deaths.add(pod):
            self._say_gone(*gone)
        if pod.gone and change.uid not in self.tails:
            self.sources.end(_log(change.uid))
        self._settle(of=pod)

    def _settle(self, *, of: Pod | None = None, ended: bool = False) -> None:
        for gone in self._deaths.settle(of=of, ended=ended):
            self._say_gone(*gone)

    # --- facts ---

    def _say_pods(self, said: Iterable[podlife.Said] | Iterator[podlife.Said]) -> None:
        for one in said:
            uid = one.pod.uid
            if isinstance(one.fact, PodCreated):
                self._announce(one.pod.view())
                self.sources.begin(_log(uid))
            self._say_pod(uid, one.fact, one.between, one.basis)
            if isinstance(one.fact, PodStarted):
                self.tails[uid] = self._follow_log(one.pod, one.between[0])
            elif isinstance(one.fact, PodExited):
                self._note_drained(one.pod.node)

    def _say_pod(
        self, uid: str, fact: Any, between: tuple[int, int], basis: Basis = Basis.OBSERVED
    ) -> None:
        self.sources.say(KUBELET, f"pod/{uid}", fact, between=between, basis=basis)

    def _say_gone(self, pod: Pod, fact: Any) -> None:
        self.sources.say(KUBELET, f"pod/{pod.uid}", fact)

    def _say_node(self, fact: NodeChanged) -> None:
        self._obstacles.take_node(fact, clock.monotonic_ns())
        self.sources.say(KUBELET, f"node/{fact.node}", fact)

    def _say_log(self, uid: str, fact: Any, between: tuple[int, int]) -> None:
        self.sources.say(_log(uid), f"pod/{uid}", fact, between=between, basis=Basis.CLAIMED)

    def _end_log(self, uid: str, why_lost: str) -> None:
        self.tails.pop(uid, None)
        if why_lost:
            self.sources.lose(_log(uid), why_lost)
        else:
            self.sources.end(_log(uid))

    def _note_drained(self, node: str) -> None:
        if node in self._drains and all(pod.node != node for pod in self.pods):
            self._say_node(NodeChanged(node=node, state="drained", by=self._drains.pop(node)))


def _recorder(submission: Submission, wall: WallClock, redaction: Redaction) -> Recorder | None:
    if submission.recording is None:
        return None
    return Recorder(
        submission.recording,
        wall=wall,
        parameters=submission.parameters,
        hide=redaction.hide,
    )


def _log(uid: str) -> str:
    return f"log/{uid}"
