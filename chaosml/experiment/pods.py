"""Pods of a task of a workflow in a cluster, for experiments that we do not run.

Only in a namespace that is labelled for it, as for every fault of ours. A pod is named by
workflow and task, and found by what Argo writes on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes import namespace as namespaces
from chaosml.substrates.kubernetes.api import Api, path_of
from chaosml.substrates.kubernetes.pods import VERTEX, Pod, template_of
from chaosml.substrates.kubernetes.removals import Removals
from chaosml.substrates.kubernetes.workflows import place_of

__all__ = ["delete", "evict", "find", "open_api"]

_WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
_GRACE_S = 30.0


def open_api(context: str) -> Api:
    """Return the API of a context.

    Raises:
        UsageError: there is no such context.
        SubstrateError: the client of Kubernetes is not installed.
    """
    from chaosml.substrates.kubernetes.api import KubernetesApi

    return KubernetesApi(context)


def find(api: Api, namespace: str, workflow: str, task: str) -> Sequence[Pod]:
    """Return the running pods of a task, the latest attempt first.

    Raises:
        SubstrateError: the API does not say.
    """
    listed = api.get(
        path_of("pods", namespace=namespace), labelSelector=f"{_WORKFLOW_LABEL}={workflow}"
    )
    found = [_pod(item, workflow) for item in listed.get("items") or () if _is_running(item)]
    mine = [pod for pod in found if pod.task == task]
    return sorted(mine, key=lambda pod: (-pod.attempt, pod.name))


def delete(
    api: Api, namespace: str, workflow: str, task: str, *, grace_s: float | None = None
) -> dict[str, Any]:
    """Delete the running pod of a task; return which one.

    Args:
        api: The cluster.
        namespace: Of the workflow; it must be labelled.
        workflow: Name of the Workflow object.
        task: Name of the task.
        grace_s: Instead of the pod's own grace period, in seconds; 0 means at once.

    Raises:
        SubstrateError: there is none, or the namespace or the API refuses.
    """
    pod = _target(api, namespace, workflow, task)
    if not Removals(api, namespace).delete(pod, grace_s):
        raise SubstrateError(f"pod {pod.name} was gone before it was deleted")
    return _told(pod)


def evict(api: Api, namespace: str, workflow: str, task: str) -> dict[str, Any]:
    """Evict the running pod of a task; return which one.

    Raises:
        SubstrateError: there is none, a budget refuses, or the namespace or the API does.
    """
    pod = _target(api, namespace, workflow, task)
    try:
        gone = not Removals(api, namespace).evict(pod)
    except FaultRefused as error:
        raise SubstrateError(str(error)) from error
    if gone:
        raise SubstrateError(f"pod {pod.name} was gone before it was evicted")
    return _told(pod)


def _target(api: Api, namespace: str, workflow: str, task: str) -> Pod:
    namespaces.check_label(api, namespace, own=False)
    found = find(api, namespace, workflow, task)
    if not found:
        raise SubstrateError(
            f"no pod of task {task!r} of workflow {workflow!r} runs in the namespace {namespace}"
        )
    return found[0]


def _told(pod: Pod) -> dict[str, Any]:
    return {"pod": pod.name, "uid": pod.uid, "task": pod.task, "attempt": pod.attempt}


def _is_running(item: Mapping[str, Any]) -> bool:
    deleted = item["metadata"].get("deletionTimestamp")
    return not deleted and (item.get("status") or {}).get("phase") == "Running"


def _pod(item: Mapping[str, Any], workflow: str) -> Pod:
    metadata = item["metadata"]
    name = str(metadata["name"])
    vertex = str((metadata.get("annotations") or {}).get(VERTEX, name))
    place = place_of(workflow, vertex, template_of(workflow, name))
    return Pod(
        uid=str(metadata.get("uid", "")),
        name=name,
        vertex=vertex,
        task=place.task,
        attempt=place.attempt,
        grace_s=float(item["spec"].get("terminationGracePeriodSeconds") or _GRACE_S),
    )
