"""The Argo Workflows that a cluster has: version, executor, and the settings that matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosml.cluster.api import Api

__all__ = ["CONTROLLER", "MANIFEST_ANNOTATION", "ArgoInstall", "describe", "find"]

CONTROLLER = "workflow-controller"
MANIFEST_ANNOTATION = "chaosml.dev/manifest"
"""Digest of the manifest that we installed; absent from a controller that others did."""

_FINALIZER = "ARGO_POD_STATUS_CAPTURE_FINALIZER"
_EXECUTOR_ARGUMENT = "--executor-image"
_TRUE = {"1", "t", "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgoInstall:
    """A workflow controller, as its Deployment describes it."""

    namespace: str
    version: str
    """From the tag of its image, such as v4.0.5; `unknown` if it has none."""
    controller_image: str
    executor_image: str
    finalizer: bool
    """Whether pods keep a finalizer until their status is read
    (`ARGO_POD_STATUS_CAPTURE_FINALIZER`): it decides how a pod's death is seen."""
    replicas: int
    available: bool
    manifest: str | None


def find(api: Api) -> ArgoInstall | None:
    """Return the cluster's workflow controller; None if there is none.

    Raises:
        SubstrateError: the API does not answer, or does not let us look.
    """
    listed = api.get(
        "/apis/apps/v1/deployments", query=[("fieldSelector", f"metadata.name={CONTROLLER}")]
    )
    deployments = listed["items"]
    return describe(deployments[0]) if deployments else None


def describe(deployment: Mapping[str, Any]) -> ArgoInstall:
    """Read a controller's Deployment."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    status = deployment.get("status", {})
    container = _controller_container(spec["template"]["spec"])
    image = container["image"]
    current = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    settled = status.get("updatedReplicas", 0) == status.get("replicas", 0)
    return ArgoInstall(
        namespace=metadata["namespace"],
        version=_tag_of(image) or "unknown",
        controller_image=image,
        executor_image=_executor_image(container),
        finalizer=_environment(container).get(_FINALIZER, "").lower() in _TRUE,
        replicas=spec.get("replicas", 1),
        available=current and settled and status.get("availableReplicas", 0) > 0,
        manifest=metadata.get("annotations", {}).get(MANIFEST_ANNOTATION),
    )


def _controller_container(pod_spec: Mapping[str, Any]) -> Mapping[str, Any]:
    containers: list[Mapping[str, Any]] = pod_spec["containers"]
    named = [container for container in containers if container["name"] == CONTROLLER]
    return (named or containers)[0]


def _environment(container: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of a container that have a plain value."""
    return {
        variable["name"]: variable["value"]
        for variable in container.get("env", [])
        if "value" in variable
    }


def _executor_image(container: Mapping[str, Any]) -> str:
    """Return the image that the controller puts into every pod.

    It is named by an argument; else it is argoexec of the controller's own version
    (Argo's workflow/controller/controller.go, `executorImage`).
    """
    arguments = [*container.get("command", []), *container.get("args", [])]
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == _EXECUTOR_ARGUMENT:
            return value if equals else "".join(arguments[index + 1 : index + 2])
    return f"quay.io/argoproj/argoexec:{_tag_of(container['image']) or 'latest'}"


def _tag_of(image: str) -> str | None:
    """Return the tag of an image's name."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or None
