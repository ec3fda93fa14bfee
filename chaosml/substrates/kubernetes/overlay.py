"""The Workflow that is submitted: the user's document and what is laid over it.

The overlay sets the identity of the execution (name, parameters, labels), adds
variables to every container and takes the pod garbage collection out, since a pod
that is collected has taken its evidence with it. Nothing else of the document changes.

Templates that the document refers to (`workflowTemplateRef`, `templateRef`) are put into
what is submitted: the user's own objects stay as they are, nothing has to be removed
afterwards, and Argo cannot have missed them yet.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from chaosml.document import read_all
from chaosml.errors import ScenarioError
from chaosml.substrates.protocol import Submission, merge_overlay
from chaosml.workflow.libraries import resolve
from chaosml.workflow.names import own_name
from chaosml.workflow.protocol import EnvironmentVariable

__all__ = ["EXECUTION_LABEL", "RUN_LABEL", "Overlay", "compose", "diff", "label_value"]

RUN_LABEL = "chaosml.dev/run"
EXECUTION_LABEL = "chaosml.dev/execution"

_LABEL_CHARACTERS_MAX = 63
_POD_LISTS = ("initContainers", "sidecars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What is laid over a Workflow document."""

    name: str
    run: str
    environment: Sequence[EnvironmentVariable] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Sequence[EnvironmentVariable]] = field(default_factory=dict)
    """By template: variables of its containers alone, see `Submission.overlays`."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the workflow and its pods."""
        return {RUN_LABEL: label_value(self.run), EXECUTION_LABEL: label_value(self.name)}

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document to submit; the one given stays as it is."""
        workflow = copy.deepcopy(dict(document))
        metadata = workflow.setdefault("metadata", {})
        metadata.pop("generateName", None)
        metadata["name"] = self.name
        metadata["labels"] = {**(metadata.get("labels") or {}), **self.labels}
        spec = workflow["spec"]
        spec.pop("podGC", None)
        self._label_pods(spec)
        self._set_parameters(spec)
        for template in _templates(spec):
            own = self.environments.get(str(template.get("name")), ())
            variables = [_render(one) for one in merge_overlay(self.environment, own)]
            for container in _containers(template):
                _extend(container, variables)
        _rename_inlined(spec)
        return workflow

    def _label_pods(self, spec: dict[str, Any]) -> None:
        metadata = spec.setdefault("podMetadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **self.labels}

    def _set_parameters(self, spec: dict[str, Any]) -> None:
        if not self.parameters:
            return
        arguments = spec.setdefault("arguments", {})
        declared = arguments.setdefault("parameters", [])
        left = dict(self.parameters)
        for parameter in declared:
            if parameter["name"] in left:
                parameter.pop("valueFrom", None)
                parameter["value"] = left.pop(parameter["name"])
        declared += [{"name": name, "value": value} for name, value in left.items()]


def compose(submission: Submission, run: str) -> dict[str, Any]:
    """Return the Workflow of a submission's file, whole, with the overlay of a run.

    Raises:
        ScenarioError: the file cannot be read, or refers to what it does not hold.
    """
    document, problems = resolve(read_all(submission.workflow_file))
    if problems:
        raise ScenarioError(problems)
    overlay = Overlay(
        name=submission.name,
        run=run,
        environment=submission.overlay,
        environments=submission.overlays,
        parameters=submission.parameters,
    )
    return overlay.apply(document.data)


class _WithoutAnchors(yaml.SafeDumper):
    """Writes what an anchor names at every place where it is used, as the API gets it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def label_value(text: str) -> str:
    """Return the text as a label may hold it: its end, where it is too long."""
    allowed = re.sub(r"[^A-Za-z0-9._-]", "-", text)[-_LABEL_CHARACTERS_MAX:]
    return allowed.strip("._-")


def diff(
    document: Mapping[str, Any],
    submitted: Mapping[str, Any],
    titles: tuple[str, str] = ("workflow", "submitted"),
) -> str:
    """Return what the overlay changes, as a unified diff of both documents in YAML."""
    before, after = (
        yaml.dump(dict(one), Dumper=_WithoutAnchors, sort_keys=False).splitlines()
        for one in (document, submitted)
    )
    lines = difflib.unified_diff(before, after, *titles, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _containers(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every container that a template starts."""
    for single in ("container", "script"):
        if template.get(single):
            yield template[single]
    for several in _POD_LISTS:
        yield from template.get(several) or ()
    yield from (template.get("containerSet") or {}).get("containers") or ()


def _templates(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every template, also those that stand inside of a task or a step."""
    waiting = list(spec.get("templates") or ())
    while waiting:
        template = waiting.pop()
        yield template
        tasks = list((template.get("dag") or {}).get("tasks") or ())
        for group in template.get("steps") or ():
            tasks += group
        waiting += [task["inline"] for task in tasks if task.get("inline")]


def _rename_inlined(spec: Mapping[str, Any]) -> None:
    """Give templates that came from elsewhere, called `LIBRARY/TEMPLATE`, names that Argo takes.

    That is their own name, which is also the one in their pods' names, unless it is taken.
    """
    templates = [one for one in spec.get("templates") or () if isinstance(one.get("name"), str)]
    taken = {one["name"] for one in templates if "/" not in one["name"]}
    names: dict[str, str] = {}
    for template in templates:
        name = template["name"]
        if "/" in name:
            own = own_name(name)
            name = own if own not in taken else re.sub(r"[^A-Za-z0-9-]", "-", name)
            while name in taken:
                name += "-x"
            taken.add(name)
            names[template["name"]] = name
            template["name"] = name
    for call in _callers(spec):
        call["template"] = names.get(call["template"], call["template"])


def _callers(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every part of a spec that names a template: tasks, steps and hooks."""
    calls: list[Any] = [dict(spec)]
    for template in _templates(spec):
        calls += (template.get("dag") or {}).get("tasks") or ()
        for group in template.get("steps") or ():
            calls += group
    for call in list(calls):
        calls += (call.get("hooks") or {}).values()
    yield from (call for call in calls if isinstance(call.get("template"), str))


def _extend(container: dict[str, Any], variables: Sequence[Mapping[str, Any]]) -> None:
    """Put the variables first, in front of the document's without those of the same name."""
    ours = {variable["name"] for variable in variables}
    theirs = [one for one in container.get("env") or () if one.get("name") not in ours]
    container["env"] = [copy.deepcopy(dict(variable)) for variable in variables] + theirs


def _render(variable: EnvironmentVariable) -> dict[str, Any]:
    if variable.field is not None:
        source: dict[str, Any] = {"fieldRef": {"fieldPath": variable.field}}
        return {"name": variable.name, "valueFrom": source}
    if variable.secret is not None:
        name, key = variable.secret
        source = {"secretKeyRef": {"name": name, "key": key}}
        return {"name": variable.name, "valueFrom": source}
    return {"name": variable.name, "value": variable.value or ""}
