"""The variables that tags may name: of the workflow, of a template, of the vertices before.

Source: argo-workflows docs/variables.md and operator.go `setGlobalParameters`,
`buildLocalScope`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping

from chaosml.workflow.functions import to_json
from chaosml.workflow.model import Template, Workflow
from chaosml.workflow.names import node_id, pod_name
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError, Invocation, State
from chaosml.workflow.substitution import UnresolvedReference, substitute

__all__ = [
    "exit_variables",
    "inputs_of",
    "template_variables",
    "vertex_variables",
    "workflow_variables",
]

_DATE_LETTERS = "aAbBdHIjmMpSyYZ"


def workflow_variables(
    workflow: Workflow,
    *,
    name: str,
    uid: str,
    parameters: Mapping[str, str],
    created_at: datetime.datetime,
) -> dict[str, str]:
    """Return `workflow.*`; values of parameters may refer to the workflow itself."""
    metadata, spec = workflow.metadata, workflow.spec
    variables = {
        "workflow.name": name,
        "workflow.uid": uid,
        "workflow.namespace": metadata.namespace or "default",
        "workflow.serviceAccountName": "default",
        "workflow.mainEntrypoint": spec.entrypoint,
        "workflow.labels.json": to_json(metadata.labels),
        "workflow.annotations.json": to_json(metadata.annotations),
        **{f"workflow.labels.{key}": value for key, value in metadata.labels.items()},
        **{f"workflow.annotations.{key}": value for key, value in metadata.annotations.items()},
        **_creation(created_at),
    }
    values: dict[str, str] = {}
    declared = {item.name: item.value for item in spec.arguments.parameters}
    for key, value in {**declared, **parameters}.items():
        if value is not None:
            values[key] = substitute(value, variables)
            variables[f"workflow.parameters.{key}"] = values[key]
    listed = to_json([{"name": key, "value": value} for key, value in values.items()])
    return {**variables, "workflow.parameters": listed, "workflow.parameters.json": listed}


def _creation(at: datetime.datetime) -> dict[str, str]:
    stem = "workflow.creationTimestamp"
    letters = {f"{stem}.{letter}": at.strftime(f"%{letter}") for letter in _DATE_LETTERS}
    return {
        **letters,
        stem: f"{at:%Y-%m-%d %H:%M:%S} +0000 UTC",
        f"{stem}.s": str(int(at.timestamp())),
        f"{stem}.RFC3339": f"{at:%Y-%m-%dT%H:%M:%SZ}",
    }


def template_variables(
    state: State, template: Template, invocation: Invocation, arguments: Mapping[str, str]
) -> dict[str, str]:
    """Return what the body of a template may name, `workflow.*` included.

    Raises:
        ControllerError: a parameter has neither an argument nor a value nor a default.
    """
    variables = dict(state.variables)
    values: dict[str, str] = {}
    for parameter in template.inputs.parameters:
        value = arguments.get(parameter.name)
        if value is None:
            default = parameter.default if parameter.value is None else parameter.value
            if default is None:
                raise ControllerError(f"inputs.parameters.{parameter.name} was not supplied")
            value = _substituted(default, state.variables)
        values[parameter.name] = variables[f"inputs.parameters.{parameter.name}"] = value
    listed = [{"name": name, "value": value} for name, value in values.items()]
    variables["inputs.parameters"] = to_json(listed)
    variables["node.name"] = invocation.vertex
    if template.main is not None:
        variables["pod.name"] = pod_name(state.name, invocation.vertex, template.name)
        for output in template.outputs.parameters:
            if output.value_from.path is not None:
                path = _substituted(output.value_from.path, variables)
                variables[f"outputs.parameters.{output.name}.path"] = path
    else:
        own = "tasks.name" if template.dag is not None else "steps.name"
        variables[own] = invocation.vertex
    return variables


def inputs_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the input parameters among the variables of a template, by name."""
    stem = "inputs.parameters."
    return {
        name.removeprefix(stem): value for name, value in variables.items() if name.startswith(stem)
    }


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    try:
        return substitute(text, variables)
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error


def vertex_variables(state: State, prefix: str, vertex: Vertex) -> dict[str, str]:
    """Return what later tasks or steps may name of a vertex, such as `tasks.a.outputs.result`."""
    variables = {
        f"{prefix}.id": node_id(state.name, vertex.name),
        f"{prefix}.name": vertex.name,
        f"{prefix}.status": vertex.phase,
        **{f"{prefix}.outputs.parameters.{key}": value for key, value in vertex.outputs.items()},
    }
    optional = {
        "exitCode": vertex.exit_code,
        "hostNodeName": vertex.node or None,
        "outputs.result": vertex.result,
        "startedAt": _moment(state, vertex.started_ns),
        "finishedAt": _moment(state, vertex.finished_ns),
    }
    variables.update(
        {f"{prefix}.{key}": value for key, value in optional.items() if value is not None}
    )
    return variables


def _moment(state: State, at_ns: int | None) -> str | None:
    return None if at_ns is None else f"{state.timestamp(at_ns):%Y-%m-%dT%H:%M:%SZ}"


def exit_variables(
    state: State, phase: str, vertices: Iterable[Vertex], now_ns: int
) -> dict[str, str]:
    """Return what only hooks and exit handlers may name: how far it is, and what failed in it."""
    failures = [
        {
            "displayName": vertex.display_name,
            "message": vertex.message,
            "templateName": vertex.template,
            "phase": vertex.phase,
            "podName": pod_name(state.name, vertex.name, vertex.template),
            "finishedAt": _moment(state, vertex.finished_ns),
        }
        for vertex in vertices
        if vertex.phase in ("Failed", "Error")
        and not vertex.name.startswith(f"{state.name}.onExit")
    ]
    listed = json.dumps(failures, separators=(",", ":"), ensure_ascii=False)
    return {
        "workflow.status": phase,
        # Argo quotes the list once more, so that it arrives as the text of a JSON string.
        "workflow.failures": json.dumps(listed, ensure_ascii=False),
        "workflow.duration": f"{(now_ns - state.started_ns) / 1e9:.6f}",
    }
