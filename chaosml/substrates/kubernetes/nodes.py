"""Facts from the nodes of a cluster, and whose doing their changes are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chaosml.event import NodeChanged
from chaosml.substrates.kubernetes.watches import Change, Kind

__all__ = ["NodeFollower", "trim"]

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_HARNESS = "harness"
_UNKNOWN = "unknown"


def trim(item: dict[str, Any]) -> dict[str, Any]:
    """Keep of a node object what its state is read from."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    wanted = ("uid", "name", "labels", "annotations", "creationTimestamp", "resourceVersion")
    return {
        "metadata": {key: metadata[key] for key in wanted if key in metadata},
        "spec": {"unschedulable": bool(spec.get("unschedulable")), "closedBy": _closer(metadata)},
        "status": {
            "conditions": [
                one for one in status.get("conditions") or () if one.get("type") == "Ready"
            ]
        },
    }


class NodeFollower:
    """Knows the state of every worker: `ready`, `cordoned`, `stopped` or `removed`."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._owners: dict[str, str] = {}
        """Whose doing the next changes of a node are."""
        self._stopped: dict[str, str] = {}
        """Nodes that we keep stopped, and by whom."""
        self._returning: set[str] = set()
        """Nodes that were started again and have not been ready since."""
        self._cordoned: dict[str, bool] = {}

    @property
    def names(self) -> Sequence[str]:
        """The workers that take part, by name."""
        return tuple(
            sorted(node for node, state in self._states.items() if state in ("ready", "cordoned"))
        )

    def is_cordoned(self, node: str) -> bool:
        """Whether the API says that the node takes no new pod."""
        return self._cordoned.get(node, False)

    def is_ready(self, node: str) -> bool:
        """Whether the node takes pods."""
        return self._states.get(node) == "ready"

    def states(self) -> Iterator[NodeChanged]:
        """Yield how every worker stands, for the beginning of an execution."""
        for node, state in sorted(self._states.items()):
            yield NodeChanged(node=node, state=state, by=_HARNESS)

    def take(self, change: Change) -> Iterator[NodeChanged]:
        """Yield what a change of a node says."""
        metadata = change.object["metadata"]
        node = str(metadata["name"])
        if _CONTROL_PLANE in (metadata.get("labels") or {}):
            return
        if change.kind is Kind.DELETED:
            self._cordoned.pop(node, None)
            yield from self._turn(node, "removed")
            return
        self._cordoned[node] = change.object["spec"]["unschedulable"]
        state = _state_of(change.object)
        if node in self._stopped or (node in self._returning and state == "stopped"):
            return
        self._returning.discard(node)
        # What we do ourselves is noted before the API shows it: this is somebody else's doing.
        closer = change.object["spec"].get("closedBy") if state == "cordoned" else None
        yield from self._turn(node, state, closer)

    def act(self, node: str, state: str, by: str) -> Iterator[NodeChanged]:
        """Note our own doing, before the API shows it."""
        self._owners[node] = by
        if state == "stopped":
            self._stopped[node] = by
        yield from self._turn(node, state)

    def revive(self, node: str, by: str) -> None:
        """Note that a stopped node was started; the API will show when it is ready."""
        self._stopped.pop(node, None)
        self._returning.add(node)
        self._owners[node] = by

    def _turn(self, node: str, state: str, by: str | None = None) -> Iterator[NodeChanged]:
        before = self._states.get(node)
        if before == state:
            return
        self._states[node] = state
        first = _HARNESS if before is None else _UNKNOWN
        yield NodeChanged(node=node, state=state, by=by or self._owners.get(node, first))


def _closer(metadata: dict[str, Any]) -> str | None:
    """Return which program closed a node, as it called itself to the API server."""
    for entry in metadata.get("managedFields") or ():
        if "f:unschedulable" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            return str(entry.get("manager"))
    return None


def _state_of(item: dict[str, Any]) -> str:
    ready = any(one.get("status") == "True" for one in item["status"]["conditions"])
    if not ready:
        return "stopped"
    return "cordoned" if item["spec"]["unschedulable"] else "ready"
