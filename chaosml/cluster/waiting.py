"""Why pods do not run: the words of the scheduler, the kubelet and the container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chaosml.cluster.api import Api

__all__ = ["why_pods_wait"]


def why_pods_wait(api: Api, namespace: str, selector: str) -> str:
    """Say in one line what keeps the pods of a selector from being ready.

    Raises:
        SubstrateError: the API does not answer.
    """
    listed = api.get(f"/api/v1/namespaces/{namespace}/pods", query=[("labelSelector", selector)])
    reasons = [
        f"pod {pod['metadata']['name']}: {reason}"
        for pod in listed["items"]
        for reason in _reasons(pod.get("status", {}))
    ]
    if reasons:
        return "; ".join(reasons)
    if listed["items"]:
        return f"its {len(listed['items'])} pods name no reason"
    return f"there is no pod {selector} in namespace {namespace}; is there a quota?"


def _reasons(status: Mapping[str, Any]) -> Iterator[str]:
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            yield condition.get("message") or condition.get("reason", "not scheduled")
    for container in status.get("containerStatuses", []):
        state = container.get("state", {})
        for kind in ("waiting", "terminated"):
            if kind in state:
                reason = state[kind].get("reason", kind)
                message = state[kind].get("message", "")
                image = container.get("image", "")
                yield f"{reason} ({image}) {message}".strip()
