"""Workflows and pods of a survey as they change, each as what it means for a trial.

A list, then a watch from its version; where the watch is refused, because its version
is too old by then, a list again. Changes are stamped as they arrive, in a thread of
their own: whoever takes them may be busy striking.
"""

from __future__ import annotations

import contextlib
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chaosml import clock
from chaosml.cluster.api import Api
from chaosml.cluster.survey.pipeline import LABEL
from chaosml.cluster.survey.sightings import PodSighting, PodState, VertexSighting
from chaosml.errors import SubstrateError

__all__ = ["Change", "Watch", "read_pod", "read_workflow", "watching"]

Change = tuple[str, tuple[VertexSighting | PodSighting, ...]]
"""The name of a workflow, and what is seen of it now."""

_Object = Mapping[str, Any]

_WATCH_S = 50
_SILENT_S = 60.0
_AGAIN_S = 0.5
_LIST_S = 20.0
_VERTEX = "workflows.argoproj.io/node-name"
_WORKFLOW = "workflows.argoproj.io/workflow"
_ATTEMPT = re.compile(r"\((\d+)\)$")
_MAIN = "main"


class Watch:
    """Follows the objects of one path."""

    def __init__(
        self,
        api: Api,
        path: str,
        read: Callable[[_Object, bool, int], Change | None],
        inbox: queue.SimpleQueue[Change],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            api: Where the objects are.
            path: Of their list.
            read: Makes a change of an object, whether it was removed, and when it was seen.
            inbox: Gets the changes.
        """
        self._api, self._path, self._read, self._inbox = api, path, read, inbox
        self._listed = threading.Event()
        self._stopped = threading.Event()
        self._known: dict[str, _Object] = {}
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        """Begin, and wait for the first list.

        Raises:
            SubstrateError: it did not come.
        """
        self._thread.start()
        if not self._listed.wait(_LIST_S):
            raise SubstrateError(f"the list of {self._path} did not come within {_LIST_S:g} s")

    def stop(self) -> None:
        """Say nothing any more; the thread ends when its stream does."""
        self._stopped.set()

    def _run(self) -> None:
        version = ""
        while not self._stopped.is_set():
            # Whoever waits for a change has a limit of its own and says what it waits for.
            with contextlib.suppress(SubstrateError):
                if not version:
                    version = self._list()
                    self._listed.set()
                version = self._follow(version)
                continue
            version = ""
            self._stopped.wait(_AGAIN_S)

    def _list(self) -> str:
        listed = self._api.get(self._path, [("labelSelector", LABEL)])
        found = {item["metadata"]["uid"]: item for item in listed["items"]}
        for uid in [uid for uid in self._known if uid not in found]:
            self._say(self._known[uid], removed=True)
        for item in found.values():
            self._say(item, removed=False)
        return str(listed["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> str:
        """Follow from a version on; return the one to go on from, none where a list is needed."""
        query = [
            ("labelSelector", LABEL),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(_WATCH_S)),
        ]
        for event in self._api.follow(self._path, query, _SILENT_S):
            if self._stopped.is_set():
                return version
            kind, item = event.get("type"), event.get("object", {})
            if kind not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}:
                return ""
            version = item["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                self._say(item, removed=kind == "DELETED")
        return version

    def _say(self, item: _Object, *, removed: bool) -> None:
        uid = item["metadata"]["uid"]
        if removed:
            self._known.pop(uid, None)
        else:
            self._known[uid] = item
        change = self._read(item, removed, clock.monotonic_ns())
        if change is not None:
            self._inbox.put(change)


@contextlib.contextmanager
def watching(api: Api, namespace: str, inbox: queue.SimpleQueue[Change]) -> Iterator[None]:
    """Follow the workflows and the pods of a survey.

    Raises:
        SubstrateError: they cannot be listed.
    """
    argo = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    watches = [
        Watch(api, argo, read_workflow, inbox),
        Watch(api, f"/api/v1/namespaces/{namespace}/pods", read_pod, inbox),
    ]
    try:
        for watch in watches:
            watch.start()
        yield
    finally:
        for watch in watches:
            watch.stop()


def read_workflow(item: _Object, removed: bool, at_ns: int) -> Change | None:
    """Read a Workflow's status."""
    name = item["metadata"]["name"]
    vertices = (item.get("status") or {}).get("nodes") or {}
    if removed or not vertices:
        return None
    seen = [
        VertexSighting(
            at_ns, _attempt(vertex["name"]), vertex.get("phase", ""), vertex.get("message", "")
        )
        for vertex in vertices.values()
    ]
    return name, tuple(sorted(seen, key=lambda one: -1 if one.attempt is None else one.attempt))


def read_pod(item: _Object, removed: bool, at_ns: int) -> Change | None:
    """Read a pod of a Workflow; None for one that belongs to none."""
    metadata = item["metadata"]
    name = metadata.get("labels", {}).get(_WORKFLOW)
    attempt = _attempt(metadata.get("annotations", {}).get(_VERTEX, ""))
    if name is None or attempt is None:
        return None
    state, code = _state(item.get("status") or {})
    seen = PodSighting(
        at_ns=at_ns,
        attempt=attempt,
        uid=metadata["uid"],
        state=PodState.REMOVED if removed else state,
        node=item.get("spec", {}).get("nodeName", ""),
        exit_code=code,
        name=metadata["name"],
    )
    return name, (seen,)


def _state(status: _Object) -> tuple[PodState, int | None]:
    main = [one for one in status.get("containerStatuses") or () if one["name"] == _MAIN]
    state = main[0].get("state", {}) if main else {}
    if "terminated" in state:
        return PodState.ENDED, state["terminated"].get("exitCode")
    if status.get("phase") in {"Succeeded", "Failed"}:
        return PodState.ENDED, None
    return (PodState.RUNNING if "running" in state else PodState.WAITING), None


def _attempt(vertex: str) -> int | None:
    """Return the attempt in a vertex's name, `WORKFLOW(ATTEMPT)`."""
    found = _ATTEMPT.search(vertex)
    return None if found is None else int(found[1])
