"""Installing Argo Workflows: our manifest filled in, applied, and waited for."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Callable
from typing import Any

import yaml

from chaosml.clock import Deadline, wait_until
from chaosml.cluster.api import Api
from chaosml.cluster.argo.found import CONTROLLER, MANIFEST_ANNOTATION, ArgoInstall, describe, find
from chaosml.cluster.options import ARGO_VERSION, ClusterOptions
from chaosml.cluster.waiting import why_pods_wait
from chaosml.errors import SubstrateError, UsageError

__all__ = ["ensure", "fits", "images", "render"]

_Document = dict[str, Any]

_CONTROLLER_IMAGE = "quay.io/argoproj/workflow-controller"
_ESTABLISHED_S = 30.0
_AVAILABLE_S = 180.0
_POLL_S = 0.3


def render(options: ClusterOptions) -> list[_Document]:
    """Return the documents to install: the manifest with version, images and settings.

    Raises:
        UsageError: the manifest holds no Deployment `workflow-controller`.
    """
    documents = _read(options)
    deployment = _deployment(documents, options)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    if options.argo_controller_image is not None:
        container["image"] = options.argo_controller_image
    elif options.argo_version is not None or options.argo_manifest is None:
        container["image"] = f"{_CONTROLLER_IMAGE}:{options.argo_version or ARGO_VERSION}"
    if options.argo_executor_image is not None:
        container["args"] = [
            *container.get("args", []),
            f"--executor-image={options.argo_executor_image}",
        ]
    for name, value in sorted((options.argo_environment or {}).items()):
        others = [variable for variable in container.get("env", []) if variable["name"] != name]
        container["env"] = [*others, {"name": name, "value": value}]
    digest = hashlib.sha256(json.dumps(documents, sort_keys=True).encode()).hexdigest()
    deployment["metadata"].setdefault("annotations", {})[MANIFEST_ANNOTATION] = digest
    return documents


def images(documents: list[_Document]) -> tuple[str, str]:
    """Return the images of controller and executor in rendered documents."""
    found = _described(documents)
    return found.controller_image, found.executor_image


def ensure(api: Api, options: ClusterOptions, tell: Callable[[str], None]) -> ArgoInstall:
    """Make the cluster run the Argo that is asked for, or any if none is.

    Raises:
        UsageError: the manifest is not one of Argo Workflows.
        SubstrateError: it could not be installed, or does not get available.
    """
    found = find(api)
    documents = render(options)
    wanted = _described(documents)
    if found is not None and options.names_argo and found.namespace != wanted.namespace:
        raise SubstrateError(
            f"Argo {found.version} is in namespace {found.namespace} already, and two controllers "
            f"would run each workflow twice: remove it, or leave out the options of Argo"
        )
    if found is None or not fits(found, options):
        return _install(api, documents, tell)
    if found.available:
        return found
    if found.manifest is None:
        raise SubstrateError(
            f"Argo {found.version} in namespace {found.namespace} is not available and was "
            f"installed by somebody else: repair it, such as kubectl -n {found.namespace} scale "
            f"deployment/{CONTROLLER} --replicas=1"
        )
    return _repair(api, found, tell)


def fits(found: ArgoInstall, options: ClusterOptions) -> bool:
    """Return whether the Argo that is there is the one that is asked for, or any will do."""
    return not options.names_argo or found.manifest == _described(render(options)).manifest


def _repair(api: Api, found: ArgoInstall, tell: Callable[[str], None]) -> ArgoInstall:
    """Give our own controller its replica back, and the time to start."""
    tell(f"waiting for Argo Workflows {found.version}")
    if found.replicas < 1:
        answer = api.ask(
            "patch",
            _path(found.namespace),
            {"spec": {"replicas": 1}},
            content_type="application/merge-patch+json",
        )
        if not answer.succeeded:
            raise SubstrateError(f"{api.where}: {CONTROLLER} cannot be scaled: {answer.message}")
    return _await(api, found.namespace)


def _install(api: Api, documents: list[_Document], tell: Callable[[str], None]) -> ArgoInstall:
    wanted = _described(documents)
    tell(f"installing Argo Workflows {wanted.version}")
    definitions = [
        document for document in documents if document["kind"] == "CustomResourceDefinition"
    ]
    # Namespaces and kinds before what lies in them or is of them.
    first = [document for document in documents if document["kind"] == "Namespace"]
    early = first + definitions
    for document in early:
        api.apply(document)
    _await_definitions(api, definitions)
    for document in documents:
        if document not in early:
            api.apply(document)
    return _await(api, wanted.namespace)


def _await_definitions(api: Api, definitions: list[_Document]) -> None:
    def established() -> bool:
        return all(
            any(
                condition["type"] == "Established" and condition["status"] == "True"
                for condition in (api.find(api.path_of(document)) or {})
                .get("status", {})
                .get("conditions", [])
            )
            for document in definitions
        )

    deadline = Deadline("Argo's resource definitions being established", _ESTABLISHED_S)
    if not wait_until(established, deadline, _POLL_S):
        raise SubstrateError(f"{deadline.what} took longer than {deadline.seconds:g} s")


def _await(api: Api, namespace: str) -> ArgoInstall:
    """Wait until a controller runs and leads: one that waits to lead looks at no workflow."""
    deadline = Deadline(f"Argo's {CONTROLLER} being available", _AVAILABLE_S)
    found = [describe(api.get(_path(namespace)))]

    def leads() -> bool:
        found[0] = describe(api.get(_path(namespace)))
        return found[0].available and _has_leader(api, namespace)

    if not wait_until(leads, deadline, _POLL_S):
        why = why_pods_wait(api, namespace, f"app={CONTROLLER}")
        raise SubstrateError(f"{deadline.what} took longer than {deadline.seconds:g} s: {why}")
    return found[0]


def _has_leader(api: Api, namespace: str) -> bool:
    """Return whether a running pod holds the controllers' lease, or there is none to hold."""
    lease = api.find(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{CONTROLLER}")
    pods = api.get(
        f"/api/v1/namespaces/{namespace}/pods", query=[("labelSelector", f"app={CONTROLLER}")]
    )["items"]
    names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return lease is not None and lease["spec"].get("holderIdentity") in names


def _path(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{CONTROLLER}"


def _read(options: ClusterOptions) -> list[_Document]:
    if options.argo_manifest is None:
        text = importlib.resources.files(__package__).joinpath("install.yaml").read_text("utf-8")
    else:
        text = options.argo_manifest.read_text(encoding="utf-8")
    try:
        documents = [document for document in yaml.safe_load_all(text) if document]
    except yaml.YAMLError as error:
        raise UsageError(f"{options.argo_manifest}: is not YAML: {error}") from error
    if not all(
        isinstance(document, dict) and {"kind", "apiVersion", "metadata"} <= document.keys()
        for document in documents
    ):
        raise UsageError(f"{options.argo_manifest}: holds what is no Kubernetes document")
    return documents


def _deployment(documents: list[_Document], options: ClusterOptions | None = None) -> _Document:
    for document in documents:
        if document["kind"] == "Deployment" and document["metadata"]["name"] == CONTROLLER:
            return document
    where = "the manifest" if options is None else str(options.argo_manifest)
    raise UsageError(f"{where}: holds no Deployment {CONTROLLER!r}; is it Argo Workflows?")


def _described(documents: list[_Document]) -> ArgoInstall:
    deployment = _deployment(documents)
    metadata = {"namespace": "argo", **deployment["metadata"]}
    return describe({**deployment, "metadata": metadata})
