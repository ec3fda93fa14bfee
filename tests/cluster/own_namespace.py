"""A namespace of a module's own in the cluster, from which everything goes again at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from chaosml.substrates.kubernetes.api import KubernetesApi, path_of

__all__ = ["own_namespace"]


@contextlib.contextmanager
def own_namespace(name: str) -> Iterator[KubernetesApi]:
    """Open a namespace in the cluster; close it with the janitor's account that it has there."""
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    with borrowed(ClusterOptions(namespace=name)) as info:
        api = KubernetesApi(info.context)
        try:
            yield api
        finally:
            api.delete(path_of("namespaces", name=name))
            bindings = path_of("clusterrolebindings", group="rbac.authorization.k8s.io/v1")
            api.delete(f"{bindings}/chaosml-janitor-{name}")
