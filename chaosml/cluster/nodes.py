"""The nodes of a kind cluster: made, repaired, or replaced.

    nothing there ────────────────────────► make
    a node that never joined ─────────────► remove, make
    stopped, unregistered, closed nodes ──► restart, open; if that does not help: remove, make
    whole, but somebody else's ───────────► refuse
    whole, but from another configuration ► remove, make

A mark in the cluster says that its nodes were made by us and to their end.
"""

from __future__ import annotations

import contextlib
from collections import Counter

from chaosml.clock import Deadline, wait_until
from chaosml.cluster import docker, kind
from chaosml.cluster.api import Api, connect_kind, require_client
from chaosml.cluster.inspection import (
    MARK,
    ClusterStatus,
    Mark,
    Node,
    holder,
    inspect,
    read_config,
)
from chaosml.cluster.options import NODE_IMAGE, ClusterOptions
from chaosml.cluster.program import Tell
from chaosml.errors import SubstrateError

__all__ = ["ensure_nodes", "refuse_if_used"]

_READY_S = 120.0
_REPAIR_S = 60.0
_JOINED_S = 15.0
_POLL_S = 0.5
_JOINED = "/etc/kubernetes/kubelet.conf"
"""The kubelet's credentials: kubeadm writes them when a node has joined."""


def ensure_nodes(options: ClusterOptions, tell: Tell) -> bool:
    """See to it that every node is there and ready; return whether the cluster is new.

    Raises:
        UsageError: the kind configuration is wrong.
        SubstrateError: the cluster belongs to somebody else, is in use, or cannot be made; the
            Kubernetes client is not installed.
    """
    require_client()
    digest, roles = read_config(options.config_file)
    found = inspect(options.name)
    if not found.exists:
        _make(options, digest, roles, tell)
        return True
    why = _repair(found, options, tell)
    if why is None:
        found = inspect(options.name)
        why = _conflict(found, options, digest, roles)
    if why is None:
        if found.mark is None:
            image = found.nodes[0].image
            _write_mark(connect_kind(options.name), Mark(digest, image))
        return False
    refuse_if_used(options.name)
    tell(f"replacing cluster {options.name}: {why}")
    kind.delete(options.name)
    _make(options, digest, roles, tell)
    return True


def refuse_if_used(cluster: str) -> None:
    """Leave a cluster alone that a run uses; one that does not answer carries no run.

    Raises:
        SubstrateError: a run holds the Lease of its namespace.
    """
    try:
        user = holder(connect_kind(cluster))
    except SubstrateError:
        return
    if user is not None:
        raise SubstrateError(
            f"cluster {cluster} is used by {user}: wait for its end, or choose another --name"
        )


def _make(options: ClusterOptions, digest: str, roles: Counter[str], tell: Tell) -> None:
    image = options.node_image or NODE_IMAGE
    tell(f"making cluster {options.name} of {roles.total()} nodes")
    made = False
    try:
        kind.create(options.name, options.config_file, image, lambda step: tell(f"  {step}"))
        made = True
    finally:
        if not made:
            # Also after Ctrl-C: the error that ended it is the one to tell.
            with contextlib.suppress(SubstrateError):
                kind.delete(options.name)
    why = _await_ready(options.name, _READY_S)
    if why is not None:
        raise SubstrateError(
            f"the nodes of the new cluster {options.name} do not get ready: {why}; see "
            f"docker logs {options.name}-control-plane, and whether memory and disk are enough"
        )
    _write_mark(connect_kind(options.name), Mark(digest, image))


def _repair(found: ClusterStatus, options: ClusterOptions, tell: Tell) -> str | None:
    """Bring nodes back that faults or a restart of the machine have taken; say why it cannot."""
    answers = found.kubernetes is not None
    absent = [
        node
        for node in found.nodes
        if not node.running or (answers and not node.registered) or _is_silent(node)
    ]
    closed = [node for node in found.nodes if node.registered and not node.schedulable]
    if answers and (absent or closed):
        refuse_if_used(options.name)
    for node in found.nodes:
        if node.lost:
            return node.problem
        if node.running and not _has_joined(node.name):
            return f"node {node.name} never joined it"
    for node in absent:
        tell(f"restarting node {node.name}")
        restarted = docker.restart(node.name)
        if restarted.code != 0:
            return f"node {node.name} does not start ({restarted.complaint})"
    for node in absent:
        if not _has_joined(node.name):
            return f"node {node.name} never joined it"
    if absent or not answers or not all(node.ready for node in found.nodes):
        tell("waiting for the nodes to be ready")
        why = _await_ready(options.name, _REPAIR_S)
        if why is not None:
            return why
    if closed:
        _open(options.name, [node.name for node in closed], tell)
    return None


def _conflict(
    found: ClusterStatus, options: ClusterOptions, digest: str, roles: Counter[str]
) -> str | None:
    """Say why a whole cluster is not the one that is asked for."""
    if found.mark is None:
        there = Counter(node.role for node in found.nodes)
        if there == roles:
            return None
        raise SubstrateError(
            f"a kind cluster named {options.name} is there that chaosml did not make "
            f"({there.total()} nodes where {options.config_file.name} asks for {roles.total()}): "
            f"remove it (kind delete cluster --name {options.name}), or choose another --name"
        )
    if options.config is not None and found.mark.config != digest:
        return "it was made from another configuration"
    if options.node_image is not None and found.mark.node_image != options.node_image:
        return f"its node image is {found.mark.node_image}, not {options.node_image}"
    return None


def _has_joined(node: str) -> bool:
    what = f"looking whether node {node} has joined"
    return docker.in_container(node, ["test", "-s", _JOINED], what, _JOINED_S).code == 0


def _is_silent(node: Node) -> bool:
    """Tell whether a node's kubelet was stopped: a fault that nobody has undone."""
    if not node.running or not node.registered or node.ready:
        return False
    what = f"looking whether the kubelet of node {node.name} runs"
    asked = docker.in_container(node.name, ["systemctl", "is-active", "kubelet"], what, _JOINED_S)
    return asked.stdout.strip() == "inactive"


def _await_ready(cluster: str, limit_s: float) -> str | None:
    """Wait until every node is ready; say what was missing when the limit passed."""
    last = ["nothing was seen"]

    def ready() -> bool:
        found = inspect(cluster)
        unready = [node.problem for node in found.nodes if node.running and not node.ready]
        absent = [node.problem for node in found.nodes if not node.running]
        if found.kubernetes is None:
            last[:] = found.problems
        else:
            last[:] = [problem for problem in absent + unready if problem is not None]
        return not last

    deadline = Deadline(f"nodes of cluster {cluster} being ready", limit_s)
    if wait_until(ready, deadline, _POLL_S):
        return None
    return f"after {limit_s:g} s: {'; '.join(last)}"


def _open(cluster: str, nodes: list[str], tell: Tell) -> None:
    api = connect_kind(cluster)
    for node in nodes:
        tell(f"opening node {node} for pods")
        answer = api.ask(
            "patch",
            f"/api/v1/nodes/{node}",
            {"spec": {"unschedulable": None}},
            content_type="application/merge-patch+json",
        )
        if not answer.succeeded:
            raise SubstrateError(f"node {node} cannot be opened for pods: {answer.message}")


def _write_mark(api: Api, mark: Mark) -> None:
    namespace, _, name = MARK.removeprefix("/api/v1/namespaces/").partition("/configmaps/")
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": {"config": mark.config, "node-image": mark.node_image},
        }
    )
