"""Facts from the status of an Argo Workflow.

Sources: argo-workflows pkg/apis/workflow/v1alpha1/workflow_types.go `NodeStatus`,
workflow/packer/packer.go for statuses that are compressed.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml.event import TaskPhase, WorkflowPhase
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.kubernetes.watches import Change
from chaosml.workflow.names import pod_name

__all__ = ["TERMINAL", "Place", "Said", "WorkflowFollower", "nodes_of", "place_of"]

TERMINAL = frozenset({"Succeeded", "Skipped", "Failed", "Error", "Omitted"})
_WORKFLOW_ENDS = frozenset({"Succeeded", "Failed", "Error"})
_ATTEMPT = re.compile(r"^(?P<parent>.*)\((?P<attempt>\d+)\)$")
_LAST_PART = re.compile(r"^.*?(?:\.|\[\d+\]\.?)?(?P<task>[^.\[\]]+)$")
_ON_EXIT = ".onExit"


@dataclass(frozen=True, slots=True)
class Place:
    """What a vertex executes, in the scenario's words."""

    task: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Said:
    """A fact with its subject and interval."""

    subject: str
    fact: TaskPhase | WorkflowPhase
    between: tuple[int, int]


def place_of(workflow: str, vertex: str, template: str) -> Place:
    """Return which task, in which attempt, a vertex with a pod executes.

    A vertex that is the whole workflow, or its exit handler, is called after its template.
    """
    attempt = _ATTEMPT.match(vertex)
    parent, number = (attempt["parent"], int(attempt["attempt"])) if attempt else (vertex, 0)
    if parent in (workflow, workflow + _ON_EXIT):
        return Place(template, number)
    task = _LAST_PART.match(parent)
    return Place(task["task"] if task else parent, number)


class WorkflowFollower:
    """Compares each status of one workflow with the one before."""

    def __init__(self, name: str, wall: WallClock) -> None:
        self._name = name
        self._wall = wall
        self._vertices: dict[str, TaskPhase] = {}
        self._phase = ("", "")
        self.finished: tuple[str, str] | None = None

    @property
    def vertices(self) -> Mapping[str, TaskPhase]:
        """The last fact of every vertex, by Argo's node name."""
        return self._vertices

    def take(self, change: Change) -> Iterator[Said]:
        """Yield what a status says that the one before did not."""
        status = change.object.get("status") or {}
        for node in sorted(nodes_of(status), key=_age):
            yield from self._take_node(node, change)
        phase = str(status.get("phase") or ""), str(status.get("message") or "")
        if phase[0] and phase != self._phase:
            self._phase = phase
            stamp = status.get("finishedAt") if phase[0] in _WORKFLOW_ENDS else None
            fact = WorkflowPhase(phase=phase[0], message=phase[1])
            yield Said(f"workflow/{self._name}", fact, self._between(stamp, change))
            if phase[0] in _WORKFLOW_ENDS:
                self.finished = phase

    def _take_node(self, node: Mapping[str, Any], change: Change) -> Iterator[Said]:
        fact = self._fact(node)
        if self._vertices.get(fact.vertex) == fact:
            return
        self._vertices[fact.vertex] = fact
        stamp = node.get("finishedAt") if fact.phase in TERMINAL else node.get("startedAt")
        # The phase is known to the API some time after what it speaks of.
        earliest_ns, _ = self._between(stamp, change)
        yield Said(f"task/{fact.task}", fact, (earliest_ns, change.at_ns))

    def _between(self, stamp: str | None, change: Change) -> tuple[int, int]:
        since_ns = min(change.since_ns, change.at_ns)
        return self._wall.second(stamp, after_ns=since_ns, by_ns=change.at_ns)

    def _fact(self, node: Mapping[str, Any]) -> TaskPhase:
        vertex, kind = str(node["name"]), str(node.get("type", ""))
        template = str(node.get("templateName") or "")
        flags = node.get("nodeFlag") or {}
        place = place_of(self._name, vertex, template)
        outputs = node.get("outputs") or {}
        is_pod = kind == "Pod"
        return TaskPhase(
            vertex=vertex,
            display_name=str(node.get("displayName") or vertex),
            template=template,
            type=kind,
            phase=str(node.get("phase") or "Pending"),
            message=str(node.get("message") or ""),
            task=place.task,
            attempt=place.attempt if is_pod else None,
            pod=pod_name(self._name, vertex, template) if is_pod else None,
            hooked=bool(flags.get("hooked")),
            exit_code=outputs.get("exitCode"),
            outputs={
                str(one["name"]): str(one["value"])
                for one in outputs.get("parameters") or ()
                if one.get("value") is not None
            },
        )


def nodes_of(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the nodes of a status, also of one that Argo has compressed."""
    packed = status.get("compressedNodes")
    nodes = status.get("nodes") or {}
    if packed:
        nodes = msgspec.json.decode(gzip.decompress(base64.b64decode(packed)))
    return list(nodes.values())


def _age(node: Mapping[str, Any]) -> tuple[str, str]:
    return str(node.get("startedAt") or ""), str(node["name"])
