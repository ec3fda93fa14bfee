"""What dead runs left of kind's machines: workers that are stopped, kubelets that are changed."""

from __future__ import annotations

from collections.abc import Callable

from chaosml.substrates.kubernetes.api import Objects
from chaosml.substrates.kubernetes.kubelets import MARK, Kubelets
from chaosml.substrates.kubernetes.lease import Lease, holdings
from chaosml.substrates.kubernetes.machines import Machines

__all__ = ["heal_kubelets", "revive"]

_LOOK = f"cat {MARK} 2>/dev/null || true"


def revive(
    api: Objects, machines: Machines, lease: Lease, done: Callable[[str], None]
) -> tuple[str, ...]:
    """Start the workers that dead runs left stopped and return them; the lease is held.

    A node that a living run of another namespace keeps stopped is that run's.
    """
    stopped = machines.workers(stopped=True)
    claimed: frozenset[str] = frozenset()
    if stopped:
        claimed = claimed.union(*(one.stopped for one in holdings(api) if not one.is_free))
    mine = tuple(node for node in stopped if node in lease.stopped or node not in claimed)
    for node in mine:
        machines.start(node)
        done(f"started node {node}")
    for node in lease.stopped.difference(stopped).union(mine):
        lease.note_started(node)
    return mine


def heal_kubelets(
    api: Objects, machines: Machines, namespace: str, done: Callable[[str], None]
) -> None:
    """Restore the kubelets that dead runs changed; the lease of the namespace is held.

    One that a living run of another namespace has changed is that run's.

    Raises:
        SubstrateError: Docker does not answer, or a kubelet does not start.
    """
    marked = {node: machines.look(node, _LOOK).strip() for node in machines.workers()}
    if not any(marked.values()):
        return
    busy = {one.namespace for one in holdings(api) if not one.is_free} - {namespace}
    kubelets = Kubelets(api, machines, namespace)
    for node, owner in marked.items():
        if owner and owner not in busy:
            kubelets.restore(node)
            done(f"restored the kubelet of node {node}")
