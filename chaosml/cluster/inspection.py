"""What a kind cluster consists of now: containers, nodes of the API, our mark, Argo."""

from __future__ import annotations

import datetime
import hashlib
import json
import pathlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml

from chaosml import clock
from chaosml.cluster import docker, kind
from chaosml.cluster.api import Api, connect_kind
from chaosml.cluster.argo import ArgoInstall, find
from chaosml.errors import SubstrateError, UsageError
from chaosml.store.owner import Process
from chaosml.substrates.kubernetes.names import LEASE, OWNER

__all__ = [
    "MARK",
    "ClusterStatus",
    "Mark",
    "Node",
    "holder",
    "inspect",
    "read_config",
    "read_mark",
    "read_nodes",
]

MARK = "/api/v1/namespaces/kube-system/configmaps/chaosml-cluster"
"""ConfigMap that says that a cluster is ours and was made to its end."""

_LEASES = "/apis/coordination.k8s.io/v1/leases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: the container that is it, and what the API knows of it."""

    name: str
    role: str
    image: str
    running: bool
    """Whether its container runs."""
    lost: bool = False
    """Whether the API knows it and Docker has no container of its name."""
    registered: bool = False
    """Whether the API has a Node object for it."""
    ready: bool = False
    schedulable: bool = False

    @property
    def problem(self) -> str | None:
        """What is wrong with it, if anything."""
        if self.lost:
            return f"node {self.name} has lost its container"
        if not self.running:
            return f"node {self.name} is stopped"
        if not self.registered:
            return f"node {self.name} is not registered"
        if not self.ready:
            return f"node {self.name} is not ready"
        return None if self.schedulable else f"node {self.name} is closed for new pods"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a finished cluster was made from."""

    config: str
    """Digest of the kind configuration."""
    node_image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """A kind cluster, whole or not."""

    name: str
    context: str
    nodes: tuple[Node, ...]
    kubernetes: str | None = None
    """Version of the API server; None if it does not answer."""
    mark: Mark | None = None
    argo: ArgoInstall | None = None
    problems: tuple[str, ...] = ()
    """What `up` would repair; empty for a cluster that is ready."""

    @property
    def exists(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.nodes)

    @property
    def ready(self) -> bool:
        """Whether runs can use it as it is."""
        return self.exists and not self.problems


def inspect(cluster: str) -> ClusterStatus:
    """Look at a kind cluster without changing it.

    Raises:
        SubstrateError: Docker cannot be asked.
    """
    found = docker.cluster_containers(cluster)
    nodes = tuple(
        Node(name=each.name, role=each.role, image=each.image, running=each.running)
        for each in found
    )
    context = kind.context(cluster)
    bare = ClusterStatus(name=cluster, context=context, nodes=nodes)
    if not nodes:
        return bare
    try:
        api = connect_kind(cluster)
        version = api.get("/version")["gitVersion"]
        nodes = read_nodes(api, nodes)
        mark, argo = read_mark(api), find(api)
    except SubstrateError as error:
        stopped = [node.problem or "" for node in nodes if not node.running]
        return ClusterStatus(
            name=cluster, context=context, nodes=nodes, problems=(*stopped, str(error))
        )
    return ClusterStatus(
        name=cluster,
        context=context,
        nodes=nodes,
        kubernetes=version,
        mark=mark,
        argo=argo,
        problems=_problems(nodes, mark, argo),
    )


def _problems(
    nodes: tuple[Node, ...], mark: Mark | None, argo: ArgoInstall | None
) -> tuple[str, ...]:
    problems = [node.problem for node in nodes if node.problem is not None]
    if mark is None:
        problems.append("it was not made to its end, or not by chaosml")
    if argo is None:
        problems.append("Argo Workflows is not installed")
    elif not argo.available:
        problems.append(f"Argo Workflows {argo.version} is not available")
    return tuple(problems)


def read_nodes(api: Api, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return nodes with what the API knows of them, and those that only the API knows.

    Raises:
        SubstrateError: the API does not answer.
    """
    known = {item["metadata"]["name"]: item for item in api.get("/api/v1/nodes")["items"]}
    there = {node.name for node in nodes}
    lost = (
        Node(name=name, role="unknown", image="", running=False, lost=True)
        for name in sorted(known)
        if name not in there
    )
    return (*(_with_api(node, known.get(node.name)) for node in nodes), *lost)


def _with_api(node: Node, item: Mapping[str, Any] | None) -> Node:
    ready = item is not None and any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in item.get("status", {}).get("conditions", [])
    )
    return Node(
        name=node.name,
        role=node.role,
        image=node.image,
        running=node.running,
        registered=item is not None,
        ready=ready,
        schedulable=item is not None and not item["spec"].get("unschedulable", False),
    )


def read_mark(api: Api) -> Mark | None:
    """Return the mark of a cluster that we have made; None if it has none.

    Raises:
        SubstrateError: the API does not answer.
    """
    document = api.find(MARK)
    if document is None:
        return None
    data = document.get("data", {})
    return Mark(data.get("config", ""), data.get("node-image", ""))


def holder(api: Api) -> str | None:
    """Return who holds the Lease of a namespace, that is, uses the cluster; None if nobody.

    Raises:
        SubstrateError: the API does not answer.
    """
    listed = api.ask("get", _LEASES)
    for lease in listed.body.get("items", []) if listed.succeeded else []:
        metadata, spec = lease["metadata"], lease.get("spec", {})
        identity, renewed = spec.get("holderIdentity"), spec.get("renewTime")
        if metadata["name"] == LEASE and identity and renewed and not _is_dead(metadata):
            length = datetime.timedelta(seconds=spec.get("leaseDurationSeconds", 0))
            if datetime.datetime.fromisoformat(renewed) + length > clock.utc_now():
                return f"{identity} (namespace {metadata['namespace']})"
    return None


def _is_dead(metadata: Mapping[str, Any]) -> bool:
    """Whether whoever holds a Lease was a process of this host that is gone."""
    said = (metadata.get("annotations") or {}).get(OWNER)
    try:
        return said is not None and msgspec.json.decode(said, type=Process).is_provably_dead
    except msgspec.MsgspecError:
        return False


def read_config(path: pathlib.Path) -> tuple[str, Counter[str]]:
    """Return the digest of a kind configuration and how many nodes of each role it asks for.

    Raises:
        UsageError: it is no kind configuration.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "Cluster":
        raise UsageError(f"{path}: is no kind configuration; it must say `kind: Cluster`")
    nodes = document.get("nodes") or [{"role": "control-plane"}]
    roles = Counter(str(node.get("role", "control-plane")) for node in nodes)
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return digest, roles
