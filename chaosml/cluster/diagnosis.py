"""What runs miss on this machine or in a cluster, and the command that gives it.

Checks build on one another: where one fails, those that need it are not made, so that
a missing Docker is said once and not five times.
"""

from __future__ import annotations

import enum
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaosml.cluster import argo, docker, janitor, kind, permissions
from chaosml.cluster.api import Api, connect, connect_kind, contexts
from chaosml.cluster.inspection import inspect
from chaosml.cluster.options import CLUSTER_NAME, NAMESPACE, parse_version
from chaosml.errors import SubstrateError
from chaosml.substrates.embedded.needs import needs
from chaosml.substrates.kubernetes.names import ACCOUNT

__all__ = ["Check", "State", "doctor", "look_at_machine"]

_OLDEST_ARGO = (3, 6)
_ENABLED = "chaosml.dev/enabled"
_NOT_FOUND = 404
_GROUP = "/apis/argoproj.io/v1alpha1"


class State(enum.StrEnum):
    """How much a check's outcome matters."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing depends on it."""
    MISSING = "missing"
    """A run fails without it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    state: State
    found: str
    remedy: str = ""
    """What to do about it, a command where there is one."""
    document: str = ""
    """YAML that belongs to the remedy."""


def look_at_machine() -> list[Check]:
    """Look at everything that embedded runs need."""
    return [
        Check(
            need.subject, State.MISSING if need.remedy else State.OK, need.found, need.remedy or ""
        )
        for need in needs()
    ]


def doctor(
    context: str | None = None,
    namespace: str = NAMESPACE,
    faults: Sequence[str] | None = None,
    cluster: str = CLUSTER_NAME,
) -> list[Check]:
    """Look at everything that runs on a cluster need.

    Args:
        context: A cluster of the user's kubeconfig; without it, the kind cluster of chaosml.
        namespace: Where runs would happen.
        faults: Whose permissions to check; all without it.
        cluster: Name of the kind cluster that is looked at without a context.

    Raises:
        UsageError: no such context, or no such fault.
    """
    rules = permissions.needed(permissions.FAULTS if faults is None else faults)
    checks = [_system(), *_machine(needed=context is None)]
    library = _library()
    checks.append(library)
    if library.state is State.MISSING:
        return checks
    if context is None:
        if any(check.state is State.MISSING for check in checks):
            return checks
        found = _kind_cluster(cluster)
        checks.append(found)
        if found.state is State.OK:
            checks += _cluster(lambda: connect_kind(cluster), namespace, rules)
        return checks
    return checks + list(_cluster(lambda: connect(context), namespace, rules))


def _system() -> Check:
    if platform.system() == "Linux":
        return Check("system", State.OK, "Linux")
    return Check("system", State.NOTE, f"{platform.system()}: no embedded runs", "use --on kind")


def _machine(*, needed: bool) -> Iterator[Check]:
    yield _program("Docker", docker.server_version, needed)
    yield _program("kind", kind.version, needed)
    if shutil.which("kubectl") is None:
        yield Check("kubectl", State.NOTE, "not installed; chaosml does not need it")
    else:
        yield Check("kubectl", State.OK, "installed (chaosml does not need it)")


def _program(subject: str, version: Callable[[], str], needed: bool) -> Check:
    try:
        return Check(subject, State.OK, version())
    except SubstrateError as error:
        state = State.MISSING if needed else State.NOTE
        found, _, remedy = str(error).rpartition(": ")
        return Check(subject, state, found, remedy)


def _library() -> Check:
    try:
        contexts()
    except SubstrateError as error:
        found, _, remedy = str(error).rpartition(": ")
        return Check("Python client", State.MISSING, found, remedy)
    return Check("Python client", State.OK, "kubernetes is installed")


def _kind_cluster(name: str) -> Check:
    found = inspect(name)
    if not found.exists:
        return Check(f"cluster {name}", State.NOTE, "not made yet", "chaosml cluster up")
    if not found.ready:
        return Check(
            f"cluster {name}", State.MISSING, "; ".join(found.problems), "chaosml cluster up"
        )
    return Check(f"cluster {name}", State.OK, f"{len(found.nodes)} nodes are ready")


def _cluster(
    connection: Callable[[], Api], namespace: str, rules: Sequence[permissions.Rule]
) -> Iterator[Check]:
    try:
        api = connection()
        answer = api.ask("get", "/version")
    except SubstrateError as error:
        yield Check("API", State.MISSING, str(error), "kubectl cluster-info, and your VPN")
        return
    if not answer.succeeded:
        remedy = "log in to the cluster again"
        yield Check("API", State.MISSING, f"{api.where} refuses us: {answer.message}", remedy)
        return
    yield Check("API", State.OK, f"{api.where}, Kubernetes {answer.body['gitVersion']}")
    try:
        yield from _argo(api)
        yield _namespace(api, namespace)
        yield _permissions(api, namespace, rules)
        yield _janitor(api, namespace, rules)
    except SubstrateError as error:
        yield Check("API", State.MISSING, str(error), "try again")


def _argo(api: Api) -> Iterator[Check]:
    if not api.ask("get", _GROUP).succeeded:
        yield Check(
            "Argo Workflows",
            State.MISSING,
            "not installed",
            "on kind: chaosml cluster up; elsewhere: "
            "https://argo-workflows.readthedocs.io/en/latest/installation/",
        )
        return
    try:
        found = argo.find(api)
    except SubstrateError as error:
        yield Check("Argo Workflows", State.NOTE, f"installed; version unknown: {error}")
        return
    if found is None:
        yield Check(
            "Argo Workflows",
            State.MISSING,
            "its resources are there, no controller is",
            "install it again",
        )
        return
    yield _controller(found)
    yield Check("Argo executor", State.OK, found.executor_image)
    switch = "on" if found.finalizer else "off"
    yield Check("Argo pod finalizer", State.OK, f"{switch} (ARGO_POD_STATUS_CAPTURE_FINALIZER)")


def _controller(found: argo.ArgoInstall) -> Check:
    said = f"{found.version} in namespace {found.namespace}"
    version = parse_version(found.version)
    if version is not None and version < _OLDEST_ARGO:
        return Check("Argo Workflows", State.MISSING, f"{said}: too old", "install v3.6 or newer")
    if not found.available:
        scale = f"kubectl -n {found.namespace} scale deployment/workflow-controller --replicas=1"
        remedy = (
            scale
            if found.replicas < 1
            else f"kubectl -n {found.namespace} describe pods -l app=workflow-controller"
        )
        return Check("Argo Workflows", State.MISSING, f"{said}: its controller is down", remedy)
    return Check("Argo Workflows", State.OK, said)


def _namespace(api: Api, namespace: str) -> Check:
    subject = f"namespace {namespace}"
    answer = api.ask("get", f"/api/v1/namespaces/{namespace}")
    label = f"kubectl label namespace {namespace} {_ENABLED}=true"
    if answer.status == 404:
        create = f"kubectl create namespace {namespace} && {label}"
        return Check(subject, State.MISSING, "does not exist", create)
    if not answer.succeeded:
        return Check(subject, State.MISSING, answer.message, "see the permissions below")
    labels = answer.body["metadata"].get("labels", {})
    if labels.get(_ENABLED) != "true":
        return Check(subject, State.MISSING, f"is not opened by {_ENABLED}=true", label)
    return Check(subject, State.OK, f"is opened by {_ENABLED}=true")


def _janitor(api: Api, namespace: str, rules: Sequence[permissions.Rule]) -> Check:
    subject = "janitor"
    answer = api.ask("get", f"/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}")
    if answer.succeeded:
        return Check(subject, State.OK, f"has its service account {ACCOUNT}")
    if answer.status != _NOT_FOUND:
        found = f"unknown: {answer.message}"
        return Check(subject, State.NOTE, found, "a run says whether it has one")
    nodes = any(rule.resource == "nodes" and "patch" in rule.verbs for rule in rules)
    return Check(
        subject,
        State.NOTE,
        "none: where a run is killed, nobody heals before the next one or `chaosml recover`",
        "have the service account below created",
        janitor.documents_yaml(namespace, nodes=nodes),
    )


def _permissions(api: Api, namespace: str, rules: Sequence[permissions.Rule]) -> Check:
    refused = permissions.missing(api, namespace, rules)
    if not refused:
        return Check("permissions", State.OK, "all that runs and faults need")
    return Check(
        "permissions",
        State.MISSING,
        f"you may not {'; '.join(str(rule) for rule in refused)}",
        "have the Role below created and bound to you",
        permissions.role_yaml(rules, namespace),
    )
