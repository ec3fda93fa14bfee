"""Whether a namespace may be used: Argo is there, the label is set, the rights suffice."""

from __future__ import annotations

from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.api import Objects, path_of
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["ENABLED_LABEL", "WORKFLOWS", "check", "check_label"]

ENABLED_LABEL = "chaosml.dev/enabled"
WORKFLOWS = "argoproj.io/v1alpha1"

_NOT_FOUND = 404
_RIGHTS = (
    ("create", "argoproj.io", "workflows"),
    ("watch", "argoproj.io", "workflows"),
    ("delete", "argoproj.io", "workflows"),
    ("create", "", "pods"),
    ("watch", "", "pods"),
    ("delete", "", "pods"),
    ("get", "", "pods/log"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods/eviction"),
    ("create", "coordination.k8s.io", "leases"),
)


def check(api: Objects, namespace: str, *, own: bool) -> None:
    """Refuse a namespace that must not or cannot be used.

    Args:
        api: The cluster.
        namespace: Its name.
        own: Whether the cluster is ours, so that the namespace may be created in it.

    Raises:
        SubstrateError: what is missing, and the command that gives it.
    """
    _check_argo(api)
    check_label(api, namespace, own=own)
    missing = [
        f"{verb} {resource}"
        for verb, group, resource in _RIGHTS
        if not _may(api, namespace, verb, group, resource)
    ]
    if missing:
        raise SubstrateError(
            f"no permission in the namespace {namespace} to: {', '.join(missing)}; "
            "`chaosml doctor` prints the Role that gives them"
        )


def _check_argo(api: Objects) -> None:
    try:
        api.get(f"/apis/{WORKFLOWS}")
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        raise SubstrateError(
            "Argo Workflows is not installed in this cluster; `chaosml cluster up` installs it "
            "on kind"
        ) from error


def check_label(api: Objects, namespace: str, *, own: bool) -> None:
    """Refuse a namespace that is not set free for faults.

    Args:
        api: The cluster.
        namespace: Its name.
        own: Whether the cluster is ours, so that the namespace may be created in it.

    Raises:
        SubstrateError: it is not there or has no label, and the command that gives it.
    """
    try:
        there = api.get(path_of("namespaces", name=namespace))
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        if not own:
            raise SubstrateError(
                f"there is no namespace {namespace}; kubectl create namespace {namespace} && "
                f"kubectl label namespace {namespace} {ENABLED_LABEL}=true"
            ) from error
        api.create(
            path_of("namespaces"),
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": namespace, "labels": {ENABLED_LABEL: "true"}},
            },
        )
        return
    if (there["metadata"].get("labels") or {}).get(ENABLED_LABEL) != "true":
        raise SubstrateError(
            f"the namespace {namespace} is not meant for faults; if it is: "
            f"kubectl label namespace {namespace} {ENABLED_LABEL}=true"
        )


def _may(api: Objects, namespace: str, verb: str, group: str, resource: str) -> bool:
    kind, _, sub = resource.partition("/")
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": kind}
    if sub:
        attributes["subresource"] = sub
    review = api.create(
        path_of("selfsubjectaccessreviews", group="authorization.k8s.io/v1"),
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    return bool((review.get("status") or {}).get("allowed"))
