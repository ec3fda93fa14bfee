"""Templates that only the cluster has, taken into the file of the Workflow that refers to them.

The file that comes about is whole: it is what is checked, submitted, digested, kept in the run
directory and judged with. So a template that is changed in the cluster between two runs changes
the digest of the workflow, and a run is judged again without the cluster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from chaosml.document import Document, parse, read, read_all
from chaosml.errors import ScenarioError, UsageError
from chaosml.runner.options import RunOptions
from chaosml.store.owner import Place
from chaosml.workflow.libraries import Reference, missing

__all__ = ["completed"]

_NOT_FOUND = 404
_RESOURCES = {
    "WorkflowTemplate": "workflowtemplates",
    "ClusterWorkflowTemplate": "clusterworkflowtemplates",
}


@contextlib.contextmanager
def completed(path: pathlib.Path, options: RunOptions) -> Iterator[RunOptions]:
    """Yield options that name a file with everything that the scenario's workflow refers to.

    Args:
        path: The scenario.
        options: Where it runs; embedded, or with a file that is whole, they stay as they are.

    Raises:
        UsageError: the cluster has no such template either.
        SubstrateError: the cluster cannot be asked.
    """
    place, file = options.place, _workflow_file(path, options)
    if place is None or file is None or not (documents := _documents(file)):
        yield options
        return
    if not missing(documents):
        yield options
        return
    with tempfile.TemporaryDirectory(prefix="chaosml-") as folder:
        whole = pathlib.Path(folder) / file.name
        whole.write_text(_complete(file, documents, place), encoding="utf-8")
        yield dataclasses.replace(options, pipeline=whole)


def _workflow_file(path: pathlib.Path, options: RunOptions) -> pathlib.Path | None:
    if options.pipeline is not None:
        return options.pipeline
    try:
        named = read(path).get(("pipeline", "workflow"))
    except ScenarioError:
        return None
    return path.parent / named if isinstance(named, str) else None


def _documents(file: pathlib.Path) -> list[Document]:
    """Return the documents of a file; none where loading it will say what is wrong."""
    try:
        return list(read_all(file))
    except ScenarioError:
        return []


def _complete(file: pathlib.Path, documents: list[Document], place: Place) -> str:
    # Imported here: the client of Kubernetes is an extra.
    from chaosml.substrates.kubernetes.api import KubernetesApi

    api = KubernetesApi(place.context)
    text = file.read_text(encoding="utf-8").rstrip("\n") + "\n"
    known = list(documents)
    while lacking := missing(known):
        for reference in lacking:
            added = _fetch(api, reference, place, file)
            text += added
            known.append(parse(added.partition("---\n")[2], file))
    return text


def _fetch(api: Any, reference: Reference, place: Place, file: pathlib.Path) -> str:
    """Return a template of the cluster as a further document, with where it came from."""
    from chaosml.substrates.kubernetes.api import path_of
    from chaosml.substrates.kubernetes.refusals import ApiError

    scoped = place.namespace if reference.kind == "WorkflowTemplate" else None
    resource = _RESOURCES[reference.kind]
    path = path_of(resource, namespace=scoped, name=reference.name, group="argoproj.io/v1alpha1")
    try:
        found = api.get(path)
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        where = f"the namespace {scoped}" if scoped else "the cluster"
        raise UsageError(
            f'{file}: there is no {reference.kind} "{reference.name}" in the file, nor in '
            f"{where} of the context {place.context}"
        ) from error
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": reference.kind,
        "metadata": {"name": reference.name},
        "spec": found["spec"],
    }
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()
    version = found["metadata"].get("resourceVersion", "unknown")
    origin = f"# from the context {place.context}, resourceVersion {version}, sha256 {digest}\n"
    return f"{origin}---\n{yaml.safe_dump(document, sort_keys=False)}"
