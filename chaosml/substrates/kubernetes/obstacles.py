"""What keeps a workflow from going on although nothing of it has failed.

Nobody takes it up, no node has room for a pod, a quota forbids it, its image cannot be
had. Argo waits for all of these without a limit. Waited for until the deadline they would
look like a pipeline that hangs; so each has a limit of its own, after which the
environment is what failed. While a fault holds capacity back, to wait for it is right.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chaosml.errors import SubstrateError, UsageError
from chaosml.event import NodeChanged, TaskPhase
from chaosml.substrates.kubernetes.api import Objects
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.watches import Change, Kind

__all__ = [
    "CLUSTER_CAPACITY_S",
    "KIND_CAPACITY_S",
    "Obstacles",
    "container_statuses",
    "create_workflow",
    "obstacle_of",
]

KIND_CAPACITY_S = 60.0
"""How long a pod may wait for room in a kind cluster, which does not grow."""
CLUSTER_CAPACITY_S = 600.0
"""The same in a cluster whose node groups may grow, which takes minutes."""
_IMAGE_S = 30.0
_TAKEN_UP_S = 30.0

_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_IMAGE = _NEVER | {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"}
_CONFIGURATION = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_QUOTA = "exceeded quota"
_WRONG = (400, 422)
_ENDED = ("Failed", "Error")
_NOBODY = ("harness", "unknown")
"""Who changes a node without an injection."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Something that is waited for."""

    what: str
    limit_s: float
    since_ns: int
    for_capacity: bool = False


def create_workflow(
    api: Objects, path: str, workflow: Mapping[str, Any], file: pathlib.Path
) -> None:
    """Create a Workflow object.

    Raises:
        UsageError: the API refuses the document as it is.
        SubstrateError: it refuses it for another reason, or is away.
    """
    try:
        api.create(path, workflow)
    except ApiError as error:
        if error.status not in _WRONG:
            raise
        raise UsageError(
            f"{file}: the cluster does not accept this workflow: {error}; correct the document"
        ) from error


def obstacle_of(status: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what a pod waits for, of its status: `kind` and `text`; None where for nothing."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return {"kind": "capacity", "text": str(condition.get("message") or "")}
    for container in container_statuses(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason, image = str(waiting.get("reason")), str(container.get("image"))
        text = f"{reason} {waiting.get('message', '')}".strip()
        if reason in _IMAGE:
            kind = "never" if reason in _NEVER else "image"
            return {"kind": kind, "text": text, "image": image}
        if reason in _CONFIGURATION:
            return {"kind": "configuration", "text": text}
    return None


def container_statuses(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the status of a pod says of its containers, those that begin first first."""
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


class Obstacles:
    """Follows what one execution waits for."""

    def __init__(self, file: pathlib.Path, *, capacity_s: float, begun_ns: int) -> None:
        """Begin to wait until the workflow is taken up.

        Args:
            file: The user's document.
            capacity_s: How long pods may wait for room.
            begun_ns: When the workflow was submitted.
        """
        self._file = file
        self._capacity_s = capacity_s
        self._refusal: str | None = None
        self._held_back: set[str] = set()
        """Nodes that an injection has closed or stopped."""
        self._waiting: dict[str, _Waiting] = {
            "workflow": _Waiting(
                "Argo's controller has not taken the workflow up: is it running "
                "(`kubectl get deployments -A` shows workflow-controller), and does it watch this "
                "namespace?",
                _TAKEN_UP_S,
                begun_ns,
            )
        }

    def take_workflow(self, change: Change, vertices: int) -> None:
        """Take a change of the workflow, which has so many vertices."""
        status = change.object.get("status") or {}
        phase = status.get("phase")
        if phase:
            self._waiting.pop("workflow", None)
        if phase in _ENDED and not vertices:
            self._refusal = str(status.get("message") or phase)

    def take_vertex(self, fact: TaskPhase, at_ns: int) -> None:
        """Take a change of a vertex: a quota shows in its message alone."""
        name = f"vertex/{fact.vertex}"
        if fact.phase != "Pending" or _QUOTA not in fact.message:
            self._waiting.pop(name, None)
            return
        what = (
            f"a quota of the namespace keeps {fact.display_name} from getting its pod: "
            f"{fact.message}; raise the quota or ask for less"
        )
        self._wait_for(name, _Waiting(what, self._capacity_s, at_ns, for_capacity=True))

    def take_pod(self, change: Change) -> None:
        """Take a change of a pod."""
        found = (change.object.get("status") or {}).get("obstacle")
        name, pod = f"pod/{change.uid}", change.object["metadata"]["name"]
        if found is None or change.kind is Kind.DELETED:
            self._waiting.pop(name, None)
            return
        text, at_ns = found["text"], change.at_ns
        match found["kind"]:
            case "capacity":
                what = (
                    f"no node takes the pod {pod}: {text}; give the cluster room for it or let "
                    "the step ask for less"
                )
                waiting = _Waiting(what, self._capacity_s, at_ns, for_capacity=True)
            case "configuration":
                what = f"the pod {pod} cannot start: {text}; create in the namespace what it names"
                waiting = _Waiting(what, _IMAGE_S, at_ns)
            case kind:
                what = (
                    f"the image {found['image']} of the pod {pod} cannot be had: {text}; correct "
                    "its name, give the namespace access to its registry, or load it into the nodes"
                )
                waiting = _Waiting(what, 0.0 if kind == "never" else _IMAGE_S, at_ns)
        self._wait_for(name, waiting)

    def take_node(self, fact: NodeChanged, at_ns: int) -> None:
        """Take a change of a node: from then on there is time again to find another place."""
        if fact.state == "ready":
            self._held_back.discard(fact.node)
        elif fact.by not in _NOBODY:
            self._held_back.add(fact.node)
        for name, one in self._waiting.items():
            if one.for_capacity:
                self._waiting[name] = replace(one, since_ns=at_ns)

    def check(self, now_ns: int) -> None:
        """Raise for what has been waited for too long.

        Raises:
            UsageError: Argo refuses the workflow.
            SubstrateError: the environment does not give what the workflow needs.
        """
        if self._refusal is not None:
            raise UsageError(
                f"{self._file}: Argo's controller refuses this workflow: {self._refusal}; "
                "correct the document"
            )
        for one in self._waiting.values():
            if one.for_capacity and self._held_back:
                continue
            waited_s = (now_ns - one.since_ns) / 1e9
            if waited_s >= one.limit_s:
                after = f" (for {waited_s:.0f} s)" if one.limit_s else ""
                raise SubstrateError(one.what + after)

    def _wait_for(self, name: str, waiting: _Waiting) -> None:
        """Begin to wait; what is waited for in other words already keeps its beginning."""
        before = self._waiting.get(name)
        if before is not None and before.for_capacity == waiting.for_capacity:
            waiting = replace(waiting, since_ns=before.since_ns)
        self._waiting[name] = waiting
