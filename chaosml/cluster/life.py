"""The life of a kind cluster: ready for runs, looked at, borrowed, removed.

up ─► nodes (made, repaired or replaced) ─► images ─► Argo ─► namespace
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosml.clock import Deadline, wait_until
from chaosml.cluster import argo, docker, images, janitor, kind
from chaosml.cluster.api import Api, connect_kind
from chaosml.cluster.inspection import ClusterStatus, inspect, read_config
from chaosml.cluster.nodes import ensure_nodes, refuse_if_used
from chaosml.cluster.options import CLUSTER_NAME, ClusterOptions
from chaosml.cluster.program import Tell
from chaosml.cluster.waiting import why_pods_wait
from chaosml.errors import SubstrateError

__all__ = ["ClusterInfo", "borrowed", "down", "status", "up"]

_LOCK_S = 900.0
_DNS_S = 120.0
_ACCOUNT_S = 60.0
_POLL_S = 0.3
_ENABLED = "chaosml.dev/enabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterInfo:
    """A cluster that is ready for runs."""

    name: str
    context: str
    """Name in the user's kubeconfig."""
    namespace: str
    nodes: tuple[str, ...]
    kubernetes: str
    argo: argo.ArgoInstall
    image: str
    toxiproxy_image: str
    created: bool
    """Whether this call made it."""


def _tell_nobody(message: str) -> None:
    """Report progress to nobody."""


def status(name: str = CLUSTER_NAME) -> ClusterStatus:
    """Look at a cluster without changing it.

    Raises:
        SubstrateError: Docker or kind cannot be asked.
    """
    docker.server_version()
    kind.version()
    return inspect(name)


def down(
    name: str = CLUSTER_NAME,
    *,
    force: bool = False,
    tell: Tell = _tell_nobody,
) -> bool:
    """Remove a cluster, however much of it there is; return whether there was any.

    Args:
        name: The cluster.
        force: Remove it although a run uses it.
        tell: Called with what is being done.

    Raises:
        SubstrateError: a run uses it, or it could not be removed.
    """
    docker.server_version()
    kind.version()
    with _lock(name):
        if not docker.cluster_containers(name):
            return False
        if not force:
            refuse_if_used(name)
        tell(f"removing cluster {name}")
        kind.delete(name)
        return True


def up(options: ClusterOptions | None = None, tell: Tell = _tell_nobody) -> ClusterInfo:
    """Make a cluster ready for runs, or find it so; seconds if it is.

    Args:
        options: What it shall be made of.
        tell: Called with what is being done, one line each.

    Raises:
        UsageError: a file that the options name is wrong.
        SubstrateError: it cannot be made, or does not get ready; the message says what to do.
    """
    options = options or ClusterOptions()
    docker.server_version()
    kind.version()
    documents = argo.render(options)
    read_config(options.config_file)
    with _lock(options.name):
        created = ensure_nodes(options, tell)
        api = connect_kind(options.name)
        nodes = tuple(container.name for container in docker.cluster_containers(options.name))
        found = argo.find(api)
        if found is not None and not (found.available and argo.fits(found, options)):
            refuse_if_used(options.name)
        image = _ensure_images(api, options, nodes, documents, tell)
        installed = argo.ensure(api, options, tell)
        _open_namespace(api, options.namespace)
        janitor.apply(api, options.namespace)
        _await_dns(api)
        if not created:
            # It may have been made under another KUBECONFIG.
            kind.export_context(options.name)
        return ClusterInfo(
            name=options.name,
            context=kind.context(options.name),
            namespace=options.namespace,
            nodes=nodes,
            kubernetes=api.get("/version")["gitVersion"],
            argo=installed,
            image=image,
            toxiproxy_image=options.toxiproxy_image,
            created=created,
        )


@contextlib.contextmanager
def borrowed(options: ClusterOptions, tell: Tell = _tell_nobody) -> Iterator[ClusterInfo]:
    """Have a cluster for a while; one that was made for it goes again, unless `keep`.

    Raises:
        SubstrateError: as `up` and `down`.
    """
    docker.server_version()
    there = bool(docker.cluster_containers(options.name))
    try:
        yield up(options, tell)
    finally:
        if not there and not options.keep:
            down(options.name, force=True, tell=tell)


def _ensure_images(
    api: Api,
    options: ClusterOptions,
    nodes: Sequence[str],
    documents: list[dict[str, Any]],
    tell: Tell,
) -> str:
    wanted = [options.toxiproxy_image]
    if options.names_argo or argo.find(api) is None:
        wanted += argo.images(documents)
    if options.image is not None:
        wanted.append(options.image)
    images.ensure_in_nodes(options.name, nodes, wanted, tell)
    if options.image is not None:
        return options.image
    image = images.build_own(tell)
    images.load_own(options.name, nodes, image, tell)
    return image


def _open_namespace(api: Api, namespace: str) -> None:
    """Create the namespace of runs, labelled as open for them, with its ServiceAccount."""
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {_ENABLED: "true"}},
        }
    )
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    deadline = Deadline(f"the ServiceAccount of namespace {namespace}", _ACCOUNT_S)
    if not wait_until(lambda: api.find(path) is not None, deadline, _POLL_S):
        raise SubstrateError(f"{deadline.what} was not there within {_ACCOUNT_S:g} s")


def _await_dns(api: Api) -> None:
    """Wait until names of Services can be resolved."""
    path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"

    def available() -> bool:
        return bool(api.get(path).get("status", {}).get("availableReplicas", 0))

    deadline = Deadline("the cluster's DNS being available", _DNS_S)
    if not wait_until(available, deadline, _POLL_S):
        why = why_pods_wait(api, "kube-system", "k8s-app=kube-dns")
        raise SubstrateError(f"{deadline.what} took longer than {_DNS_S:g} s: {why}")


@contextlib.contextmanager
def _lock(cluster: str) -> Iterator[None]:
    """Let one process at a time make, repair or remove a cluster of this name."""
    path = pathlib.Path(tempfile.gettempdir()) / f"chaosml-{os.getuid()}-cluster-{cluster}.lock"
    with path.open("w") as file:

        def locked() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        deadline = Deadline(f"another chaosml that works on cluster {cluster}", _LOCK_S)
        if not wait_until(locked, deadline, _POLL_S):
            raise SubstrateError(f"{deadline.what} has not ended within {_LOCK_S:g} s ({path})")
        yield
