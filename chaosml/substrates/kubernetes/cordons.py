"""Nodes that we closed for new pods: marked as ours, and opened again whatever happens."""

from __future__ import annotations

from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.api import Api, ApiError, path_of
from chaosml.substrates.kubernetes.overlay import label_value

__all__ = ["Cordons"]

_MARK = "chaosml.dev/cordoned-by"
"""Annotation with the run that closed the node: what a dead run left is known by it."""
_NOT_FOUND = 404
_FORBIDDEN = 403


class Cordons:
    """The nodes that one run keeps closed."""

    def __init__(self, api: Api, run: str) -> None:
        self._api = api
        self._run = run
        self._closed: set[str] = set()

    def __contains__(self, node: str) -> bool:
        return node in self._closed

    def close(self, node: str) -> None:
        """Let no new pod onto a node.

        Raises:
            SubstrateError: there is no permission for that.
        """
        self._patch(node, mark=label_value(self._run), closed=True)
        self._closed.add(node)

    def open(self, node: str) -> None:
        """Let pods onto a node again; one that is gone is left alone."""
        try:
            self._patch(node, mark=None, closed=None)
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

    def heal_leftovers(self) -> None:
        """Open the nodes that a dead run closed; only while the lease is held."""
        for item in self._api.get(path_of("nodes")).get("items") or ():
            if _MARK in (item["metadata"].get("annotations") or {}):
                self.open(str(item["metadata"]["name"]))

    def _patch(self, node: str, *, mark: str | None, closed: bool | None) -> None:
        body = {"metadata": {"annotations": {_MARK: mark}}, "spec": {"unschedulable": closed}}
        try:
            self._api.patch(path_of("nodes", name=node), body)
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            raise SubstrateError(
                f"no permission to patch node {node}; `chaosml doctor` prints the ClusterRole"
            ) from error
