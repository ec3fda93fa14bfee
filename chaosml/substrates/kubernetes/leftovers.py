"""What a run that died left in a cluster, and its removal: only what carries our marks.

Whoever heals must hold the Lease of the namespace, so that nothing of a living run is
touched. Every part is tried, also where another one failed, and doing it twice does no
harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.api import Objects, delete_if_there, path_of
from chaosml.substrates.kubernetes.cordons import Cordons
from chaosml.substrates.kubernetes.namespace import WORKFLOWS
from chaosml.substrates.kubernetes.overlay import RUN_LABEL
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["heal"]

_FORBIDDEN = 403
_NOT_FOUND = 404
_KINDS = (("workflows", WORKFLOWS), ("pods", "v1"), ("services", "v1"))
"""Workflows first: Argo would make their pods anew."""


def heal(
    api: Objects, namespace: str, *, spare: Collection[str] = (), done: Callable[[str], None]
) -> None:
    """Remove what carries the mark of a run, open the nodes that one closed.

    Args:
        api: The cluster.
        namespace: Whose Lease the caller holds.
        spare: Names of pods that stay.
        done: Called with each thing that was undone.

    Raises:
        SubstrateError: something could not be undone; the rest was.
    """
    problems = []
    for resource, group in _KINDS:
        try:
            _remove_all(api, namespace, resource, group, spare, done)
        except SubstrateError as error:
            problems.append(str(error))
    try:
        _open_nodes(api, namespace, done)
    except SubstrateError as error:
        problems.append(str(error))
    if problems:
        raise SubstrateError("not everything could be healed: " + "; ".join(problems))


def _remove_all(
    api: Objects,
    namespace: str,
    resource: str,
    group: str,
    spare: Collection[str],
    done: Callable[[str], None],
) -> None:
    path = path_of(resource, namespace=namespace, group=group)
    try:
        listed = api.get(path, labelSelector=RUN_LABEL)
    except ApiError as error:
        # Who may not even list them has made none.
        if error.status in (_NOT_FOUND, _FORBIDDEN):
            return
        raise
    at_once = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
    for name in (str(item["metadata"]["name"]) for item in listed.get("items") or ()):
        spared = resource == "pods" and name in spare
        if not spared and delete_if_there(api, f"{path}/{name}", at_once):
            done(f"deleted {resource.removesuffix('s')} {name}")


def _open_nodes(api: Objects, namespace: str, done: Callable[[str], None]) -> None:
    for node in Cordons(api, run="", namespace=namespace).heal_leftovers():
        done(f"opened node {node} for pods")
