"""Nodes that we closed for new pods: marked as ours, and opened again whatever happens."""

from __future__ import annotations

from typing import Any

from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes.api import Objects, path_of
from chaosml.substrates.kubernetes.overlay import label_value
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["Cordons"]

_MARK = "chaosml.dev/cordoned-by"
"""Annotation with namespace and run that closed the node: what a dead run left is known by it."""
_NOT_FOUND = 404
_FORBIDDEN = 403


class Cordons:
    """The nodes that one run keeps closed."""

    def __init__(self, api: Objects, run: str, namespace: str) -> None:
        self._api = api
        self._run = run
        self._namespace = namespace
        self._closed: set[str] = set()

    def __contains__(self, node: str) -> bool:
        return node in self._closed

    def close(self, node: str) -> None:
        """Let no new pod onto a node.

        Raises:
            SubstrateError: there is no permission for that.
        """
        self._patch(node, self._mark, spec={"unschedulable": True})
        self._closed.add(node)

    def claim(self, node: str) -> None:
        """Answer for a node that somebody else is about to close: it is opened with ours."""
        self._patch(node, self._mark)
        self._closed.add(node)

    def open(self, node: str) -> None:
        """Let pods onto a node again; one that is gone is left alone."""
        try:
            self._patch(node, None, spec={"unschedulable": None})
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        self._closed.discard(node)

    def forget(self, node: str) -> None:
        """Know that a node went away, and its state with it."""
        self._closed.discard(node)

    def heal(self) -> None:
        """Open every node that is closed."""
        for node in sorted(self._closed):
            self.open(node)

    def heal_leftovers(self) -> list[str]:
        """Open the nodes that dead runs closed, and return them; only while the lease is held.

        Nodes belong to no namespace: one that a run of another namespace has closed is its
        own for as long as it holds its lease. Who may not list nodes has closed none.
        """
        opened = []
        for node, namespace in self._marked():
            if namespace == self._namespace or self._is_free(namespace):
                self.open(node)
                opened.append(node)
        return opened

    def _marked(self) -> list[tuple[str, str]]:
        """Return the nodes that carry our mark, with the namespace of who closed each."""
        try:
            listed = self._api.get(path_of("nodes"))
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            return []
        found = []
        for item in listed.get("items") or ():
            mark = (item["metadata"].get("annotations") or {}).get(_MARK)
            if mark is not None:
                found.append((str(item["metadata"]["name"]), str(mark).partition("/")[0]))
        return found

    def _is_free(self, namespace: str) -> bool:
        try:
            held = leases.find(self._api, namespace)
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            return False
        return held is None or held.is_free

    @property
    def _mark(self) -> str:
        return f"{self._namespace}/{label_value(self._run)}"

    def _patch(self, node: str, mark: str | None, *, spec: dict[str, Any] | None = None) -> None:
        body = {"metadata": {"annotations": {_MARK: mark}}, "spec": spec or {}}
        try:
            self._api.patch(path_of("nodes", name=node), body)
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            raise SubstrateError(
                f"no permission to patch node {node}; `chaosml doctor` prints the ClusterRole"
            ) from error
