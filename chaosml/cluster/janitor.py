"""What the janitor may do in a cluster: its service account with the smallest rights.

`cluster up` makes it on kind. On any other cluster whoever owns it creates it, or not:
a run uses it where it is there.
"""

from __future__ import annotations

from typing import Any

import yaml

from chaosml.cluster.api import Api
from chaosml.substrates.kubernetes.names import ACCOUNT, LEASE

__all__ = ["apply", "documents", "documents_yaml"]

_RBAC = "rbac.authorization.k8s.io"
_IN_NAMESPACE: list[dict[str, Any]] = [
    {
        "apiGroups": [""],
        "resources": ["pods", "services"],
        "verbs": ["delete", "list"],
    },
    {
        "apiGroups": ["argoproj.io"],
        "resources": ["workflows"],
        "verbs": ["delete", "list"],
    },
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": [LEASE],
        "verbs": ["get", "update"],
    },
]
_EVERYWHERE: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch"]}
]


def documents(namespace: str, *, nodes: bool = True) -> list[dict[str, Any]]:
    """Return the objects that a namespace needs for a janitor.

    Args:
        namespace: Where runs happen.
        nodes: Whether runs there may close nodes, so that somebody has to open them again.
    """
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    local = {"name": ACCOUNT, "namespace": namespace}
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": dict(local)},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": dict(local),
            "rules": _IN_NAMESPACE,
        },
        _binding("RoleBinding", "Role", dict(local), account),
    ]
    if nodes:
        found += [
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": ACCOUNT},
                "rules": _EVERYWHERE,
            },
            _binding(
                "ClusterRoleBinding",
                "ClusterRole",
                {"name": f"{ACCOUNT}-{namespace}"},
                account,
            ),
        ]
    return found


def documents_yaml(namespace: str, *, nodes: bool = True) -> str:
    """Return the same as YAML, for whoever owns the cluster."""
    return yaml.safe_dump_all(
        documents(namespace, nodes=nodes), sort_keys=False, default_flow_style=None
    )


def apply(api: Api, namespace: str) -> None:
    """Create the objects, or bring them up to date.

    Raises:
        SubstrateError: the API refused one.
    """
    for document in documents(namespace):
        api.apply(document)


def _binding(
    kind: str, role: str, metadata: dict[str, Any], account: dict[str, Any]
) -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": role, "name": ACCOUNT},
        "subjects": [account],
    }
