"""A cluster that is only imagined: it answers as a real one would, and nothing happens.

For rehearsals. It keeps what is created in it, tells its watches, and has an Argo that
starts one pod for every task that it is told of, and ends a workflow when it is told to.
"""

from __future__ import annotations

import copy
import itertools
import queue
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from chaosml.substrates.kubernetes.api import Ran, path_of
from chaosml.substrates.kubernetes.namespace import ENABLED_LABEL, WORKFLOWS
from chaosml.substrates.kubernetes.pods import MAIN, VERTEX
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.workflow.names import pod_name

__all__ = ["ImaginedCluster", "ImaginedMachines"]

_NOT_FOUND = 404
_CONFLICT = 409
_NODES = ("node-1", "node-2")
_STAMP = "2000-01-01T00:00:00Z"
_CONTAINER = {
    "status": {"state": "CONTAINER_EXITED", "exitCode": 137, "finishedAt": _STAMP},
    "info": {"pid": 1},
}

_Object = dict[str, Any]


class _Stream:
    """Lines of a watch, until it is closed."""

    def __init__(self, lines: Sequence[bytes] = (), *, open_ended: bool = False) -> None:
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        for line in lines:
            self._lines.put(line)
        if not open_ended:
            self._lines.put(None)

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line."""
        while (line := self._lines.get()) is not None:
            yield line

    def put(self, line: bytes) -> None:
        """Say one more line."""
        self._lines.put(line)

    def close(self) -> None:
        """End the iteration."""
        self._lines.put(None)


class ImaginedCluster:
    """An API server with two nodes and an Argo."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._version = itertools.count(1)
        self._objects: dict[str, _Object] = {}
        self._watches: list[tuple[str, str, _Stream]] = []
        self.created: list[tuple[str, _Object]] = []
        """Path and body of everything that was asked to be created."""
        self.tasks: tuple[str, ...] = ()
        """The tasks whose pods run in the next workflow, the last one on a node of its own."""
        self.read: set[str] = set()
        """The pods whose logs were asked for."""
        for node in _NODES:
            self.add_node(node)
        labels = {ENABLED_LABEL: "true"}
        self._objects[path_of("namespaces", name=namespace)] = {"metadata": {"labels": labels}}
        self._objects[f"/apis/{WORKFLOWS}"] = {}

    # --- calls ---

    def get(self, path: str, **query: str) -> _Object:
        """Return an object, or the list of what is below a path."""
        if path in self._objects:
            return copy.deepcopy(self._objects[path])
        if path.endswith("/events"):
            return {"items": [{}]}
        if path.startswith("/api/v1/nodes/") and "/proxy/" in path:
            return self._ask_kubelet(path.rpartition("/")[2])
        collection = path.rpartition("/")[2]
        if f"{collection}/" in _COLLECTIONS:
            return {
                "metadata": {"resourceVersion": str(next(self._version))},
                "items": self._below(path, query.get("labelSelector", "")),
            }
        raise ApiError(_NOT_FOUND, "NotFound", f"nothing is at {path}")

    def _ask_kubelet(self, what: str) -> _Object:
        """Return what a kubelet says of its pods, or of what its node has left."""
        if what == "pods":
            return {"items": self._below(path_of("pods", namespace=self._namespace), "")}
        free = {"availableBytes": 1 << 40, "inodesFree": 1 << 30}
        return {"node": {"memory": free, "fs": free}}

    def create(self, path: str, body: Mapping[str, Any]) -> _Object:
        """Keep an object; an eviction removes the pod, a review allows everything."""
        if path.endswith("reviews"):
            return {"status": {"allowed": True}}
        if path.endswith("/eviction"):
            self.delete(path.removesuffix("/eviction"))
            return {}
        self.created.append((path, copy.deepcopy(dict(body))))
        at = f"{path}/{body['metadata']['name']}"
        if at in self._objects:
            raise ApiError(_CONFLICT, "AlreadyExists", f"{at} is there")
        item = copy.deepcopy(dict(body))
        if path.endswith("/pods"):
            item["status"] = {"phase": "Running"}
        self._put(at, item)
        if path.endswith("/workflows"):
            self._start(str(body["metadata"]["name"]), body)
        return item

    def replace(self, path: str, body: Mapping[str, Any]) -> _Object:
        """Put another object in the place of one, unless it has changed since it was read."""
        there = self.get(path)["metadata"]["resourceVersion"]
        if body["metadata"].get("resourceVersion", there) != there:
            raise ApiError(_CONFLICT, "Conflict", f"{path} has changed")
        self._put(path, copy.deepcopy(dict(body)))
        return self.get(path)

    def patch(self, path: str, body: Mapping[str, Any]) -> _Object:
        """Merge into an object."""
        item = self.get(path)
        _merge(item, body)
        self._put(path, item)
        return item

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> _Object:
        """Remove an object; the pods of a node go with it."""
        item = self.get(path)
        node = item["metadata"]["name"] if path.startswith(path_of("nodes")) else None
        del self._objects[path]
        self._tell("DELETED", path, item)
        for pod in [at for at, one in self._objects.items() if _node_of(one) == node]:
            if node is not None:
                self.delete(pod)
        return {}

    def stream(self, path: str, **query: str) -> _Stream:
        """Begin a watch; logs are empty."""
        if query.get("watch") != "true":
            self.read.add(path.removesuffix("/log").rpartition("/")[2])
            return _Stream()
        stream = _Stream(open_ended=True)
        self._watches.append((path, query.get("labelSelector", ""), stream))
        return stream

    def dial(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Connect to nobody."""
        near, far = socket.socketpair()
        far.close()
        return near

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Ran:
        """Say what a command says that stops a program."""
        return Ran(0, "stopped 1\n")

    # --- what happens in it ---

    def add_node(self, name: str) -> None:
        """Let a node join, or return."""
        self._put(
            path_of("nodes", name=name),
            {
                "metadata": {"name": name, "labels": {ENABLED_LABEL: "true"}},
                "spec": {},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            },
        )

    def replace_pod(self, workflow: str, task: str) -> None:
        """Let the same attempt of a task have a new pod."""
        path = path_of("workflows", namespace=self._namespace, name=workflow, group=WORKFLOWS)
        self._run_pod(workflow, task, self.get(path))

    def end_workflow(self, name: str) -> None:
        """Let every pod of a workflow end well, and the workflow too."""
        path = path_of("workflows", namespace=self._namespace, name=name, group=WORKFLOWS)
        for at, item in list(self._objects.items()):
            if _vertex_of(item).startswith(f"{name}."):
                end = {"exitCode": 0, "startedAt": _STAMP, "finishedAt": _STAMP}
                self._put(at, _in_state(item, {"terminated": end}))
        if path in self._objects:
            item = self.get(path)
            item["status"] = {**item["status"], "phase": "Succeeded", "finishedAt": _STAMP}
            self._put(path, item)

    def _start(self, workflow: str, body: Mapping[str, Any]) -> None:
        nodes = {}
        for task in self.tasks:
            vertex = f"{workflow}.{task}(0)"
            self._run_pod(workflow, task, body)
            nodes[vertex] = {
                "id": vertex,
                "name": vertex,
                "displayName": f"{task}(0)",
                "type": "Pod",
                "templateName": task,
                "phase": "Running",
            }
        path = path_of("workflows", namespace=self._namespace, name=workflow, group=WORKFLOWS)
        self._put(path, {**self.get(path), "status": {"phase": "Running", "nodes": nodes}})

    def _run_pod(self, workflow: str, task: str, body: Mapping[str, Any]) -> None:
        """Let a fresh pod of a task run, in the place of one that is there."""
        vertex = f"{workflow}.{task}(0)"
        name = pod_name(workflow, vertex, task)
        at = path_of("pods", namespace=self._namespace, name=name)
        if at in self._objects:
            self.delete(at)
        pod: _Object = {
            "metadata": {
                "name": name,
                "labels": dict(body["spec"].get("podMetadata", {}).get("labels") or {}),
                "annotations": {VERTEX: vertex},
            },
            "spec": {
                "nodeName": _NODES[task == self.tasks[-1]],
                "containers": [{"name": MAIN}],
            },
        }
        self._put(at, _in_state(pod, {"running": {"startedAt": _STAMP}}))

    # --- objects and watches ---

    def _below(self, path: str, selector: str) -> list[_Object]:
        return [
            copy.deepcopy(item)
            for at, item in sorted(self._objects.items())
            if at.rpartition("/")[0] == path and _fits(item, selector)
        ]

    def _put(self, path: str, item: _Object) -> None:
        before = self._objects.get(path)
        metadata = item.setdefault("metadata", {})
        known = {} if before is None else before["metadata"]
        metadata["uid"] = known.get("uid") or f"uid-{next(self._version)}"
        metadata["resourceVersion"] = str(next(self._version))
        self._objects[path] = item
        self._tell("ADDED" if before is None else "MODIFIED", path, item)

    def _tell(self, kind: str, path: str, item: _Object) -> None:
        told = copy.deepcopy(item)
        told["metadata"]["resourceVersion"] = str(next(self._version))
        line = msgspec.json.encode({"type": kind, "object": told}) + b"\n"
        for watched, selector, stream in self._watches:
            if path.rpartition("/")[0] == watched and _fits(item, selector):
                stream.put(line)


class ImaginedMachines:
    """The workers of an imagined kind cluster."""

    def __init__(self, cluster: ImaginedCluster) -> None:
        self._cluster = cluster

    def workers(self, *, stopped: bool = False) -> Sequence[str]:
        """Return the workers; none was left stopped."""
        return () if stopped else _NODES

    def kill(self, node: str) -> None:
        """Kill nothing."""

    def start(self, node: str) -> None:
        """Let a node return."""
        self._cluster.add_node(node)

    def look(self, node: str, script: str, *arguments: str) -> str:
        """Return what a runtime says of its one container; what is imagined has no files."""
        if script.startswith("crictl inspect"):
            return msgspec.json.encode(_CONTAINER).decode()
        if script.startswith("crictl ps"):
            return "imagined"
        return "dead" if "/proc/" in script else ""

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        """Run nothing; a login manager that is asked for is there."""
        return "listening, watching"

    def read_log(self, node: str, *, namespace: str, pod: str, uid: str) -> list[bytes]:
        """Return no lines."""
        return []

    def main_containers(self, node: str, *, namespace: str) -> Mapping[str, tuple[str, str]]:
        """Return nothing: what is imagined has no runtime."""
        return {}


_COLLECTIONS = ("leases/", "nodes/", "pods/", "services/", "workflows/")


def _fits(item: _Object, selector: str) -> bool:
    name, equals, value = selector.partition("=")
    labels = item["metadata"].get("labels") or {}
    return not selector or (name in labels and (not equals or labels[name] == value))


def _merge(item: dict[str, Any], change: Mapping[str, Any]) -> None:
    """Merge as RFC 7386 says: null removes."""
    for key, value in change.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, Mapping):
            _merge(item.setdefault(key, {}), value)
        else:
            item[key] = value


def _in_state(pod: _Object, state: _Object) -> _Object:
    status = {"name": MAIN, "imageID": "", "state": state}
    return {**pod, "status": {"phase": "Running", "containerStatuses": [status]}}


def _node_of(item: _Object) -> str | None:
    node = (item.get("spec") or {}).get("nodeName")
    return None if node is None else str(node)


def _vertex_of(item: _Object) -> str:
    annotations = item.get("metadata", {}).get("annotations") or {}
    return str(annotations.get(VERTEX, ""))
