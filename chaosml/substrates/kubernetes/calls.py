"""What is asked of an API server, call by call: written down as it is asked.

The same words serve a run, which keeps them in `calls.jsonl`, and a rehearsal, which
shows what a run would ask.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from chaosml import clock
from chaosml.errors import HistoryError
from chaosml.substrates.kubernetes.api import Api, LineStream, Ran
from chaosml.substrates.kubernetes.machines import Machines

__all__ = ["DOCKER", "READS", "Call", "CallLog", "RecordingApi", "RecordingMachines", "call_of"]

_DIGEST_CHARACTERS = 12
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
DOCKER = "docker"
"""Stands for the group where the machines of a kind cluster are."""
READS = frozenset({"get", "list", "watch"})


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call, in the words of Kubernetes' permissions."""

    verb: str
    resource: str
    """Plural, with a subresource after a slash; empty for the group itself."""
    group: str = ""
    namespace: str | None = None
    name: str | None = None
    selector: str | None = None
    body: str | None = None
    """Kind and digest of what was sent."""
    detail: str | None = None
    """What a merge changes, or where a connection goes."""

    @property
    def changes(self) -> bool:
        """Whether the cluster is another one afterwards."""
        return self.verb not in READS and not self.resource.endswith("reviews")

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        resource, slash, sub = (self.resource or "(resources)").partition("/")
        name = f"/{self.name}" if self.name is not None else ""
        words = [self.verb, f"{resource}{group}{slash}{sub}{name}"]
        if self.selector is not None:
            words.append(f"where {self.selector}")
        words += [word for word in (self.body, self.detail) if word is not None]
        return " ".join(words)


def call_of(
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Call:
    """Return a call of the HTTP API in the words of permissions."""
    query = query or {}
    parts = path.strip("/").split("/")
    core = parts[0] == "api"
    group, rest = ("", parts[2:]) if core else (parts[1], parts[3:])
    namespace = None
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name, sub = (*rest, "", "", "")[:3]
    verb = _VERBS.get(method)
    if verb is None:
        verb = "watch" if query.get("watch") == "true" else "get" if name or not rest else "list"
    selectors = [query[key] for key in ("labelSelector", "fieldSelector") if key in query]
    return Call(
        verb=verb,
        resource=f"{resource}/{sub}" if sub else resource,
        group=group,
        namespace=namespace,
        name=name or _name_in(body) or None,
        selector=",".join(selectors) or None,
        body=None if body is None or method == "DELETE" else _digest(body),
        detail=_detail(method, body),
    )


def _name_in(body: Mapping[str, Any] | None) -> str:
    return str(((body or {}).get("metadata") or {}).get("name", ""))


def _digest(body: Mapping[str, Any]) -> str:
    text = msgspec.json.encode(body, order="sorted")
    digest = hashlib.sha256(text).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{body.get('kind', 'merge')} sha256:{digest}"


def _detail(method: str, body: Mapping[str, Any] | None) -> str | None:
    if body is None:
        return None
    if method == "DELETE":
        grace = body.get("gracePeriodSeconds")
        words = [] if grace is None else [f"grace {grace}s"]
        words += [str(body["propagationPolicy"])] if "propagationPolicy" in body else []
        return ", ".join(words) or None
    if method == "PATCH":
        return msgspec.json.encode(body, order="sorted").decode()
    attributes = (body.get("spec") or {}).get("resourceAttributes")
    if attributes is not None:
        sub = f"/{attributes['subresource']}" if "subresource" in attributes else ""
        return f"may I {attributes['verb']} {attributes['resource']}{sub}?"
    return None


class RecordingApi:
    """Tells of each call before it is made."""

    def __init__(self, api: Api, record: Callable[[Call], None]) -> None:
        self._api = api
        self._record = record

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return an object or a list."""
        self._record(call_of("GET", path, query=query))
        return self._api.get(path, **query)

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""
        self._record(call_of("POST", path, body=body))
        return self._api.create(path, body)

    def replace(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an object."""
        self._record(call_of("PUT", path, body=body))
        return self._api.replace(path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Merge into an object."""
        self._record(call_of("PATCH", path, body=body))
        return self._api.patch(path, body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Delete an object."""
        self._record(call_of("DELETE", path, body=body))
        return self._api.delete(path, body)

    def stream(self, path: str, **query: str) -> LineStream:
        """Begin an answer that goes on."""
        self._record(call_of("GET", path, query=query))
        return self._api.stream(path, **query)

    def dial(self, namespace: str, pod: str, port: int) -> socket.socket:
        """Connect to a port on a pod's loopback interface."""
        self._record(
            Call(
                verb="create",
                resource="pods/portforward",
                namespace=namespace,
                name=pod,
                detail=f"port {port}",
            )
        )
        return self._api.dial(namespace, pod, port)

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Ran:
        """Run a command in a container and wait for its end."""
        self._record(
            Call(
                verb="create",
                resource="pods/exec",
                namespace=namespace,
                name=pod,
                detail=f"{container}: {command[0]}",
            )
        )
        return self._api.run(namespace, pod, container, command)


class RecordingMachines:
    """Tells of each change of a machine before it is made."""

    def __init__(self, machines: Machines, record: Callable[[Call], None]) -> None:
        self._machines = machines
        self._record = record

    def workers(self, *, stopped: bool = False) -> Sequence[str]:
        """Return the workers that run, or those that are stopped."""
        return self._machines.workers(stopped=stopped)

    def kill(self, node: str) -> None:
        """Kill a worker."""
        self._record(_docker("kill", node))
        self._machines.kill(node)

    def start(self, node: str) -> None:
        """Start a worker again."""
        self._record(_docker("start", node))
        self._machines.start(node)

    def look(self, node: str, script: str, *arguments: str) -> str:
        """Return what a script prints; not recorded: it only reads."""
        return self._machines.look(node, script, *arguments)

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        """Run a script on a worker that changes something."""
        self._record(_docker("exec", node))
        return self._machines.run(node, script, *arguments, data=data)

    def read_log(self, node: str, *, namespace: str, pod: str, uid: str) -> list[bytes]:
        """Return the lines of a main container's log on a dead disk."""
        return self._machines.read_log(node, namespace=namespace, pod=pod, uid=uid)

    def main_containers(self, node: str, *, namespace: str) -> Mapping[str, tuple[str, str]]:
        """Ask a node's runtime when its containers ran; not recorded: it only reads."""
        return self._machines.main_containers(node, namespace=namespace)


def _docker(verb: str, node: str) -> Call:
    return Call(verb=verb, resource="containers", group=DOCKER, name=node)


class _Line(msgspec.Struct, frozen=True):
    """A line of the file."""

    at_ns: int
    call: Call


class CallLog:
    """A file with every call of a run, one a line; calls come from several threads."""

    def __init__(self, path: pathlib.Path) -> None:
        """Begin the file.

        Raises:
            HistoryError: the file system refuses.
        """
        self._path = path
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()
        self._problem: OSError | None = None
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise HistoryError(f"cannot write {path}: {error.strerror}") from error

    def take(self, call: Call) -> None:
        """Write a call down, before it is made; a file that refuses is known at the end."""
        with self._lock:
            line = self._encoder.encode(_Line(clock.monotonic_ns(), call)) + b"\n"
            if self._problem is None:
                try:
                    os.write(self._file, line)
                except OSError as error:
                    self._problem = error

    def close(self) -> None:
        """End the file; what is called after it is not written down.

        Raises:
            HistoryError: it lacks calls, because the file system refused them.
        """
        with self._lock:
            if self._problem is None:
                os.close(self._file)
                self._problem = OSError("it is closed")
            elif self._problem.errno is not None:
                raise HistoryError(f"{self._path} lacks calls: {self._problem.strerror}")
