"""What a run that died left in a cluster, healed from here: without waiting for its Lease.

A Lease whose holder was a process of this host that is gone is free at once; any other
has to expire first. Whoever heals holds it meanwhile, as a run does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from chaosml import clock
from chaosml.cluster import docker
from chaosml.errors import SubstrateError
from chaosml.store.owner import Place, Process
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes import leftovers
from chaosml.substrates.kubernetes.api import Api, KubernetesApi, path_of
from chaosml.substrates.kubernetes.janitor import SUFFIX
from chaosml.substrates.kubernetes.lease import Holding, Lease
from chaosml.substrates.kubernetes.machines import KindMachines, Machines
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.revival import heal_kubelets, revive

__all__ = ["heal", "recover_place"]

_JANITOR_S = leases.DURATION_S + 30.0
_READY_S = 60.0
_POLL_S = 0.5
_NOT_FOUND = 404


def recover_place(place: Place, done: Callable[[str], None], *, run: str | None = None) -> None:
    """Heal a namespace of a cluster now.

    Args:
        place: Which; a kind cluster that does not exist has nothing to heal.
        done: Called with each thing that was undone.
        run: The dead run: a living one that uses the namespace since has healed it already.

    Raises:
        UsageError: there is no such context.
        SubstrateError: a living run uses the namespace, or something could not be healed.
    """
    machines = None
    if place.cluster is not None:
        if not docker.cluster_containers(place.cluster):
            return
        machines = KindMachines(place.cluster)
    api = KubernetesApi(place.context)
    if run is not None and _is_used_since(api, place.namespace, run):
        return
    heal(api, place.namespace, machines, done)


def _is_used_since(api: Api, namespace: str, run: str) -> bool:
    held = leases.find(api, namespace)
    return held is not None and not held.is_free and held.holder not in (run, run + SUFFIX)


def heal(api: Api, namespace: str, machines: Machines | None, done: Callable[[str], None]) -> None:
    """Heal a namespace, and the machines of a kind cluster.

    Raises:
        SubstrateError: a living run uses the namespace, or something could not be healed.
    """
    _await_janitor(api, namespace)
    lease = Lease(api, namespace, f"recover-{os.getpid()}", owner=Process.current())
    try:
        before = lease.acquire()
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        # No such namespace: nothing of ours is there.
        return
    try:
        _tell_before(before, done)
        leftovers.heal(api, namespace, done=done)
        if machines is not None:
            heal_kubelets(api, machines, namespace, done)
            _await_ready(api, revive(api, machines, lease, done))
    finally:
        lease.release()


def _tell_before(before: Holding | None, done: Callable[[str], None]) -> None:
    if before is None:
        return
    if before.healed is not None:
        for what in before.healed.what:
            done(f"the janitor, after {before.healed.run} had died: {what}")
    elif before.holder:
        done(f"freed the namespace {before.namespace} from the run {before.holder}, which is dead")


def _await_janitor(api: Api, namespace: str) -> None:
    """Let a janitor that heals right now come to its end."""

    def is_over() -> bool:
        held = leases.find(api, namespace)
        return held is None or held.is_free or not held.holder.endswith(SUFFIX)

    deadline = clock.Deadline("end of the janitor's healing", _JANITOR_S)
    if not clock.wait_until(is_over, deadline, _POLL_S):
        raise SubstrateError(f"the janitor of {namespace} has not ended in {_JANITOR_S:.0f} s")


def _await_ready(api: Api, nodes: Collection[str]) -> None:
    """Wait until nodes that were started take pods again."""
    deadline = clock.Deadline(f"readiness of {', '.join(nodes)}", _READY_S)
    if not clock.wait_until(lambda: _ready(api).issuperset(nodes), deadline, _POLL_S):
        raise SubstrateError(
            f"the nodes {', '.join(nodes)} were started and are not ready after {_READY_S:.0f} s; "
            "`chaosml cluster up` repairs or replaces them"
        )


def _ready(api: Api) -> set[str]:
    return {
        str(item["metadata"]["name"])
        for item in api.get(path_of("nodes")).get("items") or ()
        for one in (item.get("status") or {}).get("conditions") or ()
        if (one["type"], one["status"]) == ("Ready", "True")
    }
