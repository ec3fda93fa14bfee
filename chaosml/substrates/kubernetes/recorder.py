"""What Argo shows of a workflow, written down so that it can be replayed without a cluster.

Each status is recorded as far as it differs from the one before. Beside the statuses
stand the pods, because what becomes of a vertex follows from what became of its pod.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from chaosml.shadow.recording import Header, Node, PodState, RecordingWriter, Status
from chaosml.substrates.kubernetes.pods import MAIN, VERTEX, WAIT
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.kubernetes.watches import Change, Kind

__all__ = ["Recorder"]

_ARGOS = "workflows.argoproj.io/"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Recorder:
    """Records one workflow; every change is handed to it once."""

    def __init__(
        self,
        path: pathlib.Path,
        *,
        wall: WallClock,
        parameters: Mapping[str, str],
        hide: Callable[[str], str],
    ) -> None:
        """Create the file.

        Args:
            path: Where.
            wall: The wall clock of the API's stamps.
            parameters: What the workflow was submitted with.
            hide: Takes what is secret out of a text.

        Raises:
            HistoryError: the disk refuses.
        """
        self._writer = RecordingWriter(path, hide=hide)
        self._wall = wall
        self._parameters = parameters
        self._begun = False
        self._shown: tuple[str, str, str | None] = ("", "", None)
        self._nodes: dict[str, Node] = {}
        self._pods: dict[str, PodState] = {}

    def take_workflow(self, change: Change, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Record a status; `nodes` are those of it, unpacked.

        Raises:
            HistoryError: the disk refuses.
        """
        item = change.object
        self._begin(item)
        status = item.get("status") or {}
        shutdown = (item.get("spec") or {}).get("shutdown")
        shown = str(status.get("phase") or ""), str(status.get("message") or ""), shutdown
        now = {one.name: one for one in map(_node, nodes)}
        differing = tuple(one for name, one in now.items() if self._nodes.get(name) != one)
        removed = tuple(name for name in self._nodes if name not in now)
        if not shown[0] or (shown == self._shown and not differing and not removed):
            return
        self._shown, self._nodes = shown, now
        self._writer.write(
            Status(
                at_ns=change.at_ns + self._wall.offset_ns,
                phase=shown[0],
                message=shown[1],
                shutdown=shutdown,
                nodes=differing,
                removed=removed,
            )
        )

    def take_pod(self, change: Change) -> None:
        """Record what is seen of a pod, if it differs from what was.

        Raises:
            HistoryError: the disk refuses.
        """
        now = _pod(change, change.at_ns + self._wall.offset_ns)
        before = self._pods.get(change.uid)
        if before is None or msgspec.structs.replace(before, at_ns=now.at_ns) != now:
            self._pods[change.uid] = now
            self._writer.write(now)

    def close(self, why_cut: str = "") -> None:
        """End the recording; a second call does nothing.

        Args:
            why_cut: Why it does not reach to the end of the workflow.

        Raises:
            HistoryError: the disk refuses.
        """
        self._writer.close(why_cut)

    def _begin(self, item: Mapping[str, Any]) -> None:
        if self._begun:
            return
        self._begun = True
        metadata = item["metadata"]
        self._writer.write(
            Header(
                workflow=str(metadata["name"]),
                uid=str(metadata["uid"]),
                namespace=str(metadata.get("namespace") or "default"),
                created=str(metadata.get("creationTimestamp") or ""),
                labels=_of_the_user(metadata.get("labels") or {}),
                annotations=_of_the_user(metadata.get("annotations") or {}),
                parameters=dict(self._parameters),
            )
        )


def _of_the_user(texts: Mapping[str, Any]) -> dict[str, str]:
    """Return labels or annotations without those that Argo and `kubectl` add later."""
    return {
        key: str(value)
        for key, value in texts.items()
        if not key.startswith(_ARGOS) and key != _APPLIED
    }


def _node(node: Mapping[str, Any]) -> Node:
    flags, outputs = node.get("nodeFlag") or {}, node.get("outputs") or {}
    elsewhere = node.get("templateRef") or {}
    return Node(
        id=str(node["id"]),
        name=str(node["name"]),
        display_name=str(node.get("displayName") or ""),
        type=str(node.get("type") or ""),
        template=str(node.get("templateName") or elsewhere.get("template") or ""),
        phase=str(node.get("phase") or ""),
        message=str(node.get("message") or ""),
        boundary=str(node.get("boundaryID") or ""),
        children=tuple(node.get("children") or ()),
        retried=bool(flags.get("retried")),
        hooked=bool(flags.get("hooked")),
        inputs=_parameters(node.get("inputs") or {}),
        outputs=_parameters(outputs),
        result=outputs.get("result"),
        exit_code=outputs.get("exitCode"),
        host=str(node.get("hostNodeName") or ""),
        started=str(node.get("startedAt") or ""),
        finished=str(node.get("finishedAt") or ""),
        memoized=bool((node.get("memoizationStatus") or {}).get("hit")),
    )


def _parameters(holder: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(one["name"]): str(one["value"])
        for one in holder.get("parameters") or ()
        if one.get("value") is not None
    }


def _pod(change: Change, at_ns: int) -> PodState:
    item = change.object
    metadata, status = item["metadata"], item["status"]
    main = _terminated(status.get("containerStatuses") or (), MAIN)
    wait = _terminated(status.get("waitStatuses") or (), WAIT)
    return PodState(
        at_ns=at_ns,
        uid=str(metadata["uid"]),
        pod=str(metadata["name"]),
        vertex=str((metadata.get("annotations") or {}).get(VERTEX, metadata["name"])),
        phase=str(status.get("phase") or ""),
        message=str(status.get("message") or ""),
        exit_code=main.get("exitCode"),
        reason=str(main.get("reason") or ""),
        termination=str(main.get("message") or ""),
        wait_exit_code=wait.get("exitCode"),
        deleted=metadata.get("deletionTimestamp") is not None,
        gone=change.kind is Kind.DELETED,
    )


def _terminated(statuses: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    for status in statuses:
        if status.get("name") == name:
            return (status.get("state") or {}).get("terminated") or {}
    return {}
