"""The deletion of workflows and pods, and the eviction of pods, as the API is asked for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaosml import clock
from chaosml.errors import FaultRefused
from chaosml.substrates.kubernetes.api import Api, delete_if_there, path_of
from chaosml.substrates.kubernetes.namespace import WORKFLOWS
from chaosml.substrates.kubernetes.overlay import EXECUTION_LABEL, label_value
from chaosml.substrates.kubernetes.pods import Pod
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["Removals"]

_NOT_FOUND = 404
_CONFLICT = 409
_TOO_MANY = 429


class Removals:
    """Removes what is in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def delete(self, pod: Pod, grace_s: float | None) -> bool:
        """Ask for a pod's deletion; return False where it is gone already."""
        options: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if grace_s is not None:
            options["gracePeriodSeconds"] = int(grace_s)
        return self.remove(pod.name, options)

    def remove(self, name: str, options: Mapping[str, Any]) -> bool:
        """Ask for a deletion with given options; return False where the pod is gone already."""
        path = path_of("pods", namespace=self._namespace, name=name)
        try:
            return delete_if_there(self._api, path, options)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            return False

    def remove_pods_of(self, workflow: str) -> None:
        """Remove the pods of a workflow at once, also those that never ran."""
        selector = f"{EXECUTION_LABEL}={label_value(workflow)}"
        listed = self._api.get(path_of("pods", namespace=self._namespace), labelSelector=selector)
        for item in listed.get("items") or ():
            self.remove(item["metadata"]["name"], {"gracePeriodSeconds": 0})

    def remove_workflow(self, name: str, policy: str) -> None:
        """Remove a workflow, its pods too or not, as the propagation policy says."""
        path = path_of("workflows", namespace=self._namespace, name=name, group=WORKFLOWS)
        delete_if_there(self._api, path, {"propagationPolicy": policy})

    def reap(self, workflow: str, pods: Sequence[Pod]) -> Iterator[tuple[str, int]]:
        """Remove a workflow, so that Argo makes no new pods, then its pods.

        Yields:
            The uid of each that was still there, and when its deletion was asked for.
        """
        self.remove_workflow(workflow, "Orphan")
        for pod in pods:
            at_ns = clock.monotonic_ns()
            if self.delete(pod, 0.0):
                yield pod.uid, at_ns
        self.remove_pods_of(workflow)

    def evict(self, pod: Pod) -> bool:
        """Ask for a pod's eviction; return False where it is gone already.

        Raises:
            FaultRefused: a disruption budget does not allow it now.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self._namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        path = path_of("pods/eviction", namespace=self._namespace, name=pod.name)
        try:
            self._api.create(path, body)
        except ApiError as error:
            if error.status == _TOO_MANY:
                raise FaultRefused(
                    "refused-by-pdb",
                    f"the eviction of pod {pod.name} was refused by a PodDisruptionBudget "
                    f"({error}); raise its maxUnavailable, or delete the pod instead (pod.delete)",
                ) from error
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise
            return False
        return True
