"""Which nodes faults may strike: every one where the cluster is ours, else those set free for it.

Nodes belong to no namespace, so the label of the namespace says nothing of them. Their
owner labels one, and it must carry nobody else's pods: who would be evicted, or would find
the node closed, has agreed to nothing. Pods of DaemonSets are on every node and stay there.
"""

from __future__ import annotations

from typing import Any

from chaosml.errors import FaultRefused, SubstrateError, UsageError
from chaosml.substrates.kubernetes.api import Api, path_of
from chaosml.substrates.kubernetes.namespace import ENABLED_LABEL
from chaosml.substrates.kubernetes.overlay import RUN_LABEL, label_value
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["Guard"]

_FORBIDDEN = 403
_MIRROR = "kubernetes.io/config.mirror"
_ENDED = frozenset({"Succeeded", "Failed"})
_SHOWN_MAX = 3


class Guard:
    """Lets faults at nodes pass, or not."""

    def __init__(self, api: Api, run: str, *, own: bool) -> None:
        self._api = api
        self._run = run
        self._own = own

    def check_any(self) -> None:
        """Refuse a run with node faults where no node may be struck.

        Raises:
            UsageError: no node is labelled.
            SubstrateError: there is no permission to look.
        """
        if self._own:
            return
        labelled = self._list(path_of("nodes"), labelSelector=f"{ENABLED_LABEL}=true")
        if not labelled:
            raise UsageError(
                "faults at nodes need a node that carries nobody else's pods and is set free for "
                f"them: kubectl label node NAME {ENABLED_LABEL}=true, and let the target run on "
                "it, such as by a nodeSelector"
            )
        # Asked now, because a refusal in the middle of a run would cost the run.
        name = str(labelled[0]["metadata"]["name"])
        self._list(path_of("pods"), fieldSelector=f"spec.nodeName={name}")

    def check(self, node: str) -> None:
        """Refuse a node that is not set free, or that others use.

        Raises:
            FaultRefused: which of both it is.
            SubstrateError: there is no permission to look.
        """
        if self._own:
            return
        there = self._api.get(path_of("nodes", name=node))
        if (there["metadata"].get("labels") or {}).get(ENABLED_LABEL) != "true":
            raise FaultRefused(
                "node-not-enabled",
                f"node {node} is not set free for faults; if it is: "
                f"kubectl label node {node} {ENABLED_LABEL}=true; else let the target run on one "
                "that is, such as by a nodeSelector",
            )
        pods = self._list(path_of("pods"), fieldSelector=f"spec.nodeName={node}")
        others = sorted(_name(pod) for pod in pods if self._is_foreign(pod))
        if others:
            shown = ", ".join(others[:_SHOWN_MAX])
            more = f" and {len(others) - _SHOWN_MAX} more" if len(others) > _SHOWN_MAX else ""
            raise FaultRefused(
                "node-in-use", f"node {node} carries pods of others: {shown}{more}; move them away"
            )

    def _is_foreign(self, pod: dict[str, Any]) -> bool:
        metadata = pod["metadata"]
        owners = {owner.get("kind") for owner in metadata.get("ownerReferences") or ()}
        if "DaemonSet" in owners or _MIRROR in (metadata.get("annotations") or {}):
            return False
        if (pod.get("status") or {}).get("phase") in _ENDED:
            return False
        return (metadata.get("labels") or {}).get(RUN_LABEL) != label_value(self._run)

    def _list(self, path: str, **query: str) -> list[dict[str, Any]]:
        try:
            return list(self._api.get(path, **query).get("items") or ())
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            raise SubstrateError(
                f"faults at nodes need to know who uses a node ({error}); "
                "`chaosml doctor` prints the ClusterRole"
            ) from error


def _name(pod: dict[str, Any]) -> str:
    return f"{pod['metadata'].get('namespace', 'default')}/{pod['metadata']['name']}"
