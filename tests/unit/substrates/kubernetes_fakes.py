"""An API server in memory: watches that can be closed, dropped, or too old for their version."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from chaosml.substrates.kubernetes.api import ApiUnreachable, Ran
from chaosml.substrates.kubernetes.refusals import ApiError

CLOSE = object()
DROP = object()
WAIT = object()


class Stream:
    """A scripted answer: lines, then how it ends; waits to be closed where nothing ends it."""

    def __init__(self, script: list[Any]) -> None:
        self._script = script
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        for item in self._script:
            if item is CLOSE:
                return
            if item is WAIT:
                # Long enough to be seen as an empty stream.
                self._closed.wait(0.03)
                continue
            if item is DROP:
                raise ApiUnreachable("dropped")
            yield item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n"
        self._closed.wait(10)

    def close(self) -> None:
        self._closed.set()


class FakeApi:
    """Answers lists and streams from scripts and notes what was asked."""

    def __init__(self, lists: list[Any] | None = None, streams: list[Any] | None = None) -> None:
        self.lists = list(lists or [])
        self.streams = list(streams or [])
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: list[Ran] = []
        """How commands in containers end, in order."""
        self.refusals: dict[tuple[str, str], ApiError] = {}

    def get(self, path: str, **query: str) -> dict[str, Any]:
        self._ask("GET", path, query)
        if path in self.objects:
            return self.objects[path]
        if not self.lists:
            raise ApiError(404, "NotFound", f"nothing at {path}")
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def create(self, path: str, body: Any) -> dict[str, Any]:
        self._ask("POST", path, body)
        return dict(body)

    def replace(self, path: str, body: Any) -> dict[str, Any]:
        self._ask("PUT", path, body)
        return dict(body)

    def patch(self, path: str, body: Any) -> dict[str, Any]:
        self._ask("PATCH", path, body)
        return dict(body)

    def delete(self, path: str, body: Any = None) -> dict[str, Any]:
        self._ask("DELETE", path, body)
        return {}

    def stream(self, path: str, **query: str) -> Stream:
        self._ask("STREAM", path, query)
        script = self.streams.pop(0) if self.streams else []
        if isinstance(script, Exception):
            raise script
        return Stream(script)

    def dial(self, namespace: str, pod: str, port: int) -> Any:
        raise ApiUnreachable("no pods here")

    def run(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Ran:
        self._ask("RUN", f"{pod}/{container}", tuple(command))
        return self.answers.pop(0) if self.answers else Ran(0, "")

    def _ask(self, method: str, path: str, what: Any) -> None:
        self.asked.append((method, path, what))
        if (method, path) in self.refusals:
            raise self.refusals[method, path]


def item(uid: str, version: int, **more: Any) -> dict[str, Any]:
    """Return an object with nothing but its identity and version."""
    metadata = {"uid": uid, "name": f"name-{uid}", "resourceVersion": str(version), **more}
    return {"metadata": metadata}


def listed(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    """Return a list of objects as of a version."""
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


def event(kind: str, thing: dict[str, Any]) -> dict[str, Any]:
    """Return a line of a watch."""
    return {"type": kind, "object": thing}


def gone() -> dict[str, Any]:
    """Return the line that says that a version is too old."""
    return event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"})
