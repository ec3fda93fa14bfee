"""What a real cluster objects to in the calls of a rehearsal: asked, without changing anything.

Each object that a run would create is sent with `dryRun=All`: the server checks it,
with admission, quota and pod security, and forgets it. Beside them go stand-ins for the
pods of the workflow, which Argo would create.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from chaosml.cluster import docker
from chaosml.errors import SubstrateError
from chaosml.runner.rehearsal import Rehearsal
from chaosml.store.owner import Place
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes import namespace as namespaces
from chaosml.substrates.kubernetes.api import HttpApi, KubernetesApi, path_of
from chaosml.substrates.kubernetes.names import ACCOUNT
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["Objections", "ask", "find"]

_FORBIDDEN = 403
_NOT_FOUND = 404
_CONFLICT = 409
_HOLE = re.compile(r"\{\{.*?\}\}")


class Objections:
    """What stands against a run, and what is worth knowing."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        """A run would fail over it."""
        self.notes: list[str] = []

    def refuse(self, why: object) -> None:
        """Note a reason once."""
        if str(why) not in self.refused:
            self.refused.append(str(why))


def find(place: Place, rehearsal: Rehearsal) -> Objections:
    """Ask the cluster of a place.

    Raises:
        UsageError: there is no such context.
    """
    objections = Objections()
    if place.cluster is not None and not docker.cluster_containers(place.cluster):
        objections.notes.append(
            f"the kind cluster {place.cluster} is not there: a run makes it, and nothing was asked"
        )
        return objections
    try:
        ask(KubernetesApi(place.context), place, rehearsal, objections)
    except SubstrateError as error:
        objections.refuse(error)
    return objections


def ask(api: HttpApi, place: Place, rehearsal: Rehearsal, objections: Objections) -> None:
    """Have a server check what a run would create.

    Raises:
        SubstrateError: the namespace must not be used, or the server does not answer.
    """
    if place.on == "kind" and _is_absent(api, place.namespace):
        objections.notes.append(
            f"the namespace {place.namespace} is not there: a run makes it, and nothing was asked"
        )
        return
    namespaces.check(api, place.namespace, own=False)
    held = leases.find(api, place.namespace)
    if held is not None and not held.is_free:
        objections.refuse(f"the namespace {place.namespace} is in use by the run {held.holder}")
    for path, body in (*rehearsal.created, *_stand_ins(place.namespace, rehearsal)):
        try:
            api.try_out(path, body)
        except ApiError as error:
            _take(error, path, objections)


def _is_absent(api: HttpApi, namespace: str) -> bool:
    try:
        api.get(path_of("namespaces", name=namespace))
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return True
    return False


def _take(error: ApiError, path: str, objections: Objections) -> None:
    if error.status == _CONFLICT and path.endswith("/leases"):
        return
    if error.status == _FORBIDDEN and f'serviceaccount "{ACCOUNT}" not found' in str(error):
        objections.notes.append(
            f"the namespace has no service account {ACCOUNT}, so a run would have no janitor"
        )
        return
    objections.refuse(error)


def _stand_ins(namespace: str, rehearsal: Rehearsal) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield one pod for each template of the first workflow."""
    workflow = next((body for path, body in rehearsal.created if path.endswith("workflows")), None)
    if workflow is None:
        return
    spec = workflow["spec"]
    for template in spec.get("templates") or ():
        container = template.get("container") or template.get("script")
        if container is not None:
            yield path_of("pods", namespace=namespace), _stand_in(namespace, spec, template)


def _stand_in(
    namespace: str, spec: Mapping[str, Any], template: Mapping[str, Any]
) -> dict[str, Any]:
    container = template.get("container") or template.get("script") or {}
    kept = {key: container[key] for key in ("resources", "securityContext") if key in container}
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": _image(container), **kept}],
    }
    for key in ("serviceAccountName", "securityContext", "priorityClassName"):
        value = template.get(key, spec.get(key))
        if value is not None and not _HOLE.search(str(value)):
            pod[key] = value
    name = re.sub(r"[^a-z0-9-]", "-", str(template.get("name", "")).lower()).strip("-")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"chaosml-try-{name}", "namespace": namespace},
        "spec": pod,
    }


def _image(container: Mapping[str, Any]) -> str:
    """Return the image; where a parameter names it, something stands in for that."""
    return _HOLE.sub("any", str(container.get("image", "")))
