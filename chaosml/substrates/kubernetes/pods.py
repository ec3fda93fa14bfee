"""Facts from the pods of a workflow: what the API shows of their lives.

A pod is said to be created once it is placed, since only then its node is known. Of
a pod that vanished before its end was reported, the end is inferred: it came after
the pod was last seen running, and its exit code is not known to the API any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosml import clock
from chaosml.event import (
    Basis,
    ImageSeen,
    PodCreated,
    PodDeletion,
    PodExited,
    PodPaused,
    PodResumed,
    PodSignalled,
    PodStarted,
)
from chaosml.substrates.kubernetes.obstacles import obstacle_of
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.kubernetes.watches import Change, Kind
from chaosml.substrates.kubernetes.workflows import place_of
from chaosml.substrates.protocol import PodView

__all__ = [
    "MAIN",
    "RESUME",
    "VERTEX",
    "WAIT",
    "Pod",
    "PodFollower",
    "Said",
    "has_ended",
    "template_of",
    "trim",
]

MAIN = "main"
"""Argo's name of the user's container."""
RESUME = "SIGCONT"
"""The signal that lets a stopped program go on."""
WAIT = "wait"
"""That of Argo's executor beside it."""
VERTEX = "workflows.argoproj.io/node-name"
"""Annotation of a pod with its vertex."""
_METADATA = (
    "uid",
    "name",
    "labels",
    "annotations",
    "creationTimestamp",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_CONTAINER = ("name", "image", "resources", "env")
_UNKNOWN = "unknown"
_EVICTED = "EvictionByEvictionAPI"
_KILLED = 137
_GRACE_S = 30.0


@dataclass(slots=True)
class Pod:
    """A pod as far as it was seen."""

    uid: str
    name: str
    vertex: str
    task: str
    attempt: int
    grace_s: float
    node: str = ""
    created: bool = False
    started_ns: int | None = None
    deleted_ns: int | None = None
    """When its deletion was asked for."""
    exited: bool = False
    gone: bool = False
    cut_off: bool = False
    """Whether its object was taken away while it ran: then its end is not known by that."""
    succeeded: bool = False
    """Whether Kubernetes says that all of its containers ended well."""
    struck_ns: int = 0
    """When the last signal was sent: what it made end has ended after that."""
    images: dict[str, str] = field(default_factory=dict)
    """Digests of the images that run in it, by container."""

    @property
    def exists(self) -> bool:
        """Whether its main container may still run."""
        return not self.exited and not self.gone

    @property
    def running(self) -> bool:
        """Whether its main container runs."""
        return self.exists and self.started_ns is not None

    def view(self) -> PodView:
        """Return what others get to know of it."""
        return PodView(self.uid, self.name, self.task, self.attempt, self.node, self.running)


_Fact = (
    PodCreated
    | PodStarted
    | PodDeletion
    | PodSignalled
    | PodPaused
    | PodResumed
    | ImageSeen
    | PodExited
)


@dataclass(frozen=True, slots=True)
class Said:
    """A fact of a pod with its interval."""

    pod: Pod
    fact: _Fact
    between: tuple[int, int]
    basis: Basis = Basis.OBSERVED


def trim(item: dict[str, Any], variables: Collection[str] | None = None) -> dict[str, Any]:
    """Keep of a pod object what its life is read from.

    Args:
        item: The object.
        variables: The environment variables that are of interest; None for all.
    """
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return {
        "metadata": {key: metadata[key] for key in _METADATA if key in metadata},
        "spec": {
            "nodeName": spec.get("nodeName"),
            "terminationGracePeriodSeconds": spec.get("terminationGracePeriodSeconds"),
            "containers": [
                _trim_container(one, variables)
                for one in spec.get("containers") or ()
                if one["name"] == MAIN
            ],
        },
        "status": {
            "phase": status.get("phase"),
            "reason": status.get("reason"),
            "message": status.get("message"),
            "disruption": _disruption(status),
            "obstacle": obstacle_of(status),
            "containerStatuses": [
                one for one in status.get("containerStatuses") or () if one["name"] == MAIN
            ],
            "waitStatuses": [
                one for one in status.get("containerStatuses") or () if one["name"] == WAIT
            ],
        },
    }


def has_ended(item: Mapping[str, Any]) -> bool:
    """Whether a trimmed pod's main container has ended."""
    statuses = item["status"]["containerStatuses"]
    return any("terminated" in (one.get("state") or {}) for one in statuses)


def _trim_container(
    container: Mapping[str, Any], variables: Collection[str] | None
) -> dict[str, Any]:
    kept = {key: container[key] for key in _CONTAINER if key in container}
    if variables is not None:
        kept["env"] = [one for one in kept.get("env") or () if one.get("name") in variables]
    return kept


class PodFollower:
    """Follows the pods of one workflow from change to change."""

    def __init__(
        self,
        workflow: str,
        wall: WallClock,
        *,
        lineage_variables: Sequence[str] = (),
        hide: Callable[[str], str] = str,
    ) -> None:
        """Begin with no pods.

        Args:
            workflow: Name of the workflow.
            wall: The wall clock of the API's stamps.
            lineage_variables: Variables whose values are recorded.
            hide: Takes what is secret out of a value.
        """
        self._workflow = workflow
        self._wall = wall
        self._lineage = lineage_variables
        self._hide = hide
        self._pods: dict[str, Pod] = {}
        self._asked: dict[str, str] = {}
        """Who asked for the deletion of a pod, by its uid."""
        self._drains: dict[str, str] = {}
        """Injections that others react to, by the node that they drain."""

    @property
    def pods(self) -> Mapping[str, Pod]:
        """Every pod that was seen, by uid, the oldest first."""
        return self._pods

    def take(self, change: Change) -> Iterator[Said]:
        """Yield what a change of a pod says."""
        item = change.object
        pod = self._pods.get(change.uid) or self._add(item)
        if item["spec"].get("nodeName") and not pod.created:
            yield self._create(pod, change)
        deletion = item["metadata"].get("deletionTimestamp")
        if deletion is not None and pod.deleted_ns is None:
            yield self._note_deletion(pod, change)
        yield from self._follow_main(pod, change)
        yield from self._follow_images(pod, change)
        pod.succeeded = item["status"]["phase"] == "Succeeded"
        if change.kind is Kind.DELETED:
            yield from self._remove(pod, change)

    def delete(self, uid: str, *, how: str, grace_s: float, by: str, at_ns: int) -> Iterator[Said]:
        """Note that we ask for a pod's deletion at `at_ns`."""
        pod = self._pods[uid]
        pod.deleted_ns = at_ns
        self._asked[uid] = by
        fact = PodDeletion(uid=uid, how=how, grace_s=grace_s, by=by)
        yield Said(pod, fact, (at_ns, at_ns))

    def signal(self, uid: str, *, signal: str, by: str, at_ns: int) -> Iterator[Said]:
        """Note that a signal was asked for at `at_ns`, and reached the pod's program."""
        pod = self._pods[uid]
        if signal == RESUME:
            yield Said(pod, PodResumed(uid=uid, by=by), (at_ns, clock.monotonic_ns()))
            return
        pod.struck_ns = at_ns
        yield Said(pod, PodSignalled(uid=uid, signal=signal, by=by), (at_ns, at_ns))

    def pause(self, uid: str, *, processes: int, by: str, at_ns: int) -> Iterator[Said]:
        """Note that a pod's program, told to stop at `at_ns`, was seen standing still."""
        fact = PodPaused(uid=uid, by=by, processes=processes)
        yield Said(self._pods[uid], fact, (at_ns, clock.monotonic_ns()))

    def cut_off(self, uid: str, *, by: str, at_ns: int) -> Iterator[Said]:
        """Note that we take a pod's object away at `at_ns`, and let its processes live."""
        pod = self._pods[uid]
        pod.cut_off = True
        yield from self.delete(uid, how="cut-off", grace_s=0.0, by=by, at_ns=at_ns)

    def end(self, uid: str, code: int, *, earliest_ns: int, latest_ns: int) -> Iterator[Said]:
        """Note how a pod ended of which the API knows nothing any more."""
        pod = self._pods[uid]
        if not pod.exited:
            yield self._exit(pod, code, (earliest_ns, latest_ns))

    def expect(self, node: str, by: str | None) -> None:
        """Take deletions on a node that we do not ask for as caused by `by`; None: no longer."""
        if by is None:
            self._drains.pop(node, None)
        else:
            self._drains[node] = by

    def _who(self, pod: Pod) -> str:
        return self._asked.get(pod.uid) or self._drains.get(pod.node, _UNKNOWN)

    def kill(self, uid: str, *, earliest_ns: int, latest_ns: int) -> Iterator[Said]:
        """Note that a pod died with its machine, which nobody reports."""
        pod = self._pods[uid]
        if pod.running:
            yield self._exit(pod, _KILLED, (earliest_ns, latest_ns), Basis.INFERRED)

    def _add(self, item: Mapping[str, Any]) -> Pod:
        metadata, name = item["metadata"], str(item["metadata"]["name"])
        vertex = str((metadata.get("annotations") or {}).get(VERTEX, name))
        place = place_of(self._workflow, vertex, template_of(self._workflow, name))
        grace_s = item["spec"].get("terminationGracePeriodSeconds")
        uid = str(metadata["uid"])
        pod = Pod(
            uid=uid,
            name=name,
            vertex=vertex,
            task=place.task,
            attempt=place.attempt,
            grace_s=_GRACE_S if grace_s is None else float(grace_s),
        )
        self._pods[uid] = pod
        return pod

    def _create(self, pod: Pod, change: Change) -> Said:
        item = change.object
        main: dict[str, Any] = next(iter(item["spec"]["containers"]), {})
        state: dict[str, Any] = next(iter(item["status"]["containerStatuses"]), {})
        variables = {
            str(one["name"]): self._hide(str(one["value"]))
            for one in main.get("env") or ()
            if one.get("name") in self._lineage and one.get("value") is not None
        }
        pod.created, pod.node = True, str(item["spec"]["nodeName"])
        if state.get("imageID"):
            pod.images[MAIN] = str(state["imageID"])
        stamp = item["metadata"].get("creationTimestamp")
        fact = PodCreated(
            uid=pod.uid,
            pod=pod.name,
            task=pod.task,
            attempt=pod.attempt,
            node=pod.node,
            image=str(main.get("image") or ""),
            image_id=str(state.get("imageID") or ""),
            grace_s=pod.grace_s,
            requested_cpu=_cpu((main.get("resources") or {}).get("requests") or {}),
            environment=variables,
            labels=dict(item["metadata"].get("labels") or {}),
        )
        return Said(pod, fact, self._between(stamp, change, change.since_ns))

    def _note_deletion(self, pod: Pod, change: Change) -> Said:
        metadata = change.object["metadata"]
        grace_s = float(metadata.get("deletionGracePeriodSeconds") or 0)
        pod.deleted_ns = change.at_ns
        # The stamp is when the grace period will be over.
        asked = self._wall.monotonic_ns(metadata["deletionTimestamp"]) - int(grace_s * 1e9)
        earliest_ns = min(max(asked, change.since_ns), change.at_ns)
        fact = PodDeletion(
            uid=pod.uid,
            how=_how(change.object, grace_s),
            grace_s=grace_s,
            by=self._who(pod),
        )
        return Said(pod, fact, (earliest_ns, change.at_ns))

    def _follow_main(self, pod: Pod, change: Change) -> Iterator[Said]:
        statuses = change.object["status"]["containerStatuses"]
        state = (statuses[0].get("state") or {}) if statuses else {}
        running, ended = state.get("running"), state.get("terminated")
        begun = running or (ended if ended and ended.get("startedAt") else None)
        if begun and pod.started_ns is None and pod.created:
            between = self._between(begun.get("startedAt"), change, change.since_ns)
            pod.started_ns = between[0]
            yield Said(pod, PodStarted(uid=pod.uid, pid=0), between)
        if ended and not pod.exited and pod.created:
            after_ns = max(change.since_ns, pod.started_ns or 0, pod.struck_ns + 1)
            between = self._between(ended.get("finishedAt"), change, after_ns)
            yield self._exit(pod, int(ended.get("exitCode", _KILLED)), between)

    @staticmethod
    def _follow_images(pod: Pod, change: Change) -> Iterator[Said]:
        """Yield which images run in a pod, once: that is known some time after its creation."""
        status = change.object["status"]
        for one in (*status["containerStatuses"], *status.get("waitStatuses", ())):
            container, image_id = str(one["name"]), str(one.get("imageID") or "")
            if pod.created and image_id and container not in pod.images:
                pod.images[container] = image_id
                fact = ImageSeen(
                    uid=pod.uid,
                    container=container,
                    image=str(one.get("image") or ""),
                    image_id=image_id,
                )
                yield Said(pod, fact, (change.since_ns, change.at_ns))

    def _remove(self, pod: Pod, change: Change) -> Iterator[Said]:
        if pod.deleted_ns is None:
            # An object goes at once only where somebody asked for no grace.
            pod.deleted_ns = change.at_ns
            fact = PodDeletion(uid=pod.uid, how="force", grace_s=0.0, by=self._who(pod))
            yield Said(pod, fact, (min(change.since_ns, change.at_ns), change.at_ns))
        if pod.running and not pod.cut_off:
            earliest_ns = max(pod.deleted_ns, pod.started_ns or 0)
            between = (min(earliest_ns + 1, change.at_ns), change.at_ns)
            yield self._exit(pod, _KILLED, between, Basis.INFERRED)
        pod.gone = True

    @staticmethod
    def _exit(pod: Pod, code: int, between: tuple[int, int], basis: Basis = Basis.OBSERVED) -> Said:
        pod.exited = True
        return Said(pod, PodExited(uid=pod.uid, exit_code=code), between, basis)

    def _between(self, stamp: str | None, change: Change, after_ns: int) -> tuple[int, int]:
        after_ns = min(after_ns, change.at_ns)
        return self._wall.second(stamp, after_ns=after_ns, by_ns=change.at_ns)


def _how(item: Mapping[str, Any], grace_s: float) -> str:
    if item["status"].get("disruption") == _EVICTED:
        return "evict"
    return "delete" if grace_s > 0 else "force"


def _disruption(status: Mapping[str, Any]) -> str | None:
    """Return why Kubernetes says that a pod is disrupted, if it is."""
    for one in status.get("conditions") or ():
        if one.get("type") == "DisruptionTarget" and one.get("status") == "True":
            return str(one.get("reason"))
    return None


def template_of(workflow: str, pod: str) -> str:
    """Return the template in a pod's name, `WORKFLOW-TEMPLATE-HASH`."""
    middle, dash, _ = pod.removeprefix(f"{workflow}-").rpartition("-")
    return middle if dash else pod


def _cpu(requests: Mapping[str, Any]) -> float:
    said = str(requests.get("cpu", "1"))
    return float(said[:-1]) / 1000 if said.endswith("m") else float(said)
