"""How a steps template proceeds: groups one after the other, steps of a group side by side.

Source: argo-workflows workflow/controller/steps.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaosml.workflow.composition import (
    Execute,
    arguments_of,
    child_of,
    outbound,
    outputs_of,
    skip_reason,
)
from chaosml.workflow.model import Step, Template
from chaosml.workflow.names import node_id
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError, Invocation, Operation, is_fulfilled
from chaosml.workflow.variables import vertex_variables

__all__ = ["execute"]


def execute(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
    execute_child: Execute,
) -> Vertex:
    """Go through the groups as far as they are done.

    Raises:
        ControllerError: its outputs cannot be resolved.
    """
    seen = dict(variables)
    for number, steps in enumerate(template.steps or ()):
        group = f"{invocation.vertex}[{number}]"
        if operation.find(group) is None:
            _open_group(operation, invocation, number)
        vertex = _execute_group(operation, invocation, group, steps, seen, execute_child)
        if not is_fulfilled(vertex):
            return operation.vertex(invocation.vertex)
        operation.ends[invocation.vertex] = (group,)
        if vertex.phase != "Succeeded":
            # Even a group in Error makes the steps Failed, not Error.
            return operation.mark(invocation.vertex, "Failed", vertex.message)
        for step in steps:
            ended = operation.vertex(f"{group}.{step.name}")
            seen.update(vertex_variables(operation.before, f"steps.{step.name}", ended))
    return operation.mark(invocation.vertex, "Succeeded", outputs=outputs_of(template, seen))


def _open_group(operation: Operation, invocation: Invocation, number: int) -> None:
    group = f"{invocation.vertex}[{number}]"
    operation.add(
        Invocation(
            vertex=group,
            template="",
            task=invocation.task,
            boundary=invocation.vertex,
            hooked=invocation.hooked,
        ),
        "StepGroup",
        "Running",
    )
    if number == 0:
        operation.connect(invocation.vertex, group)
        return
    before = f"{invocation.vertex}[{number - 1}]"
    for end in tuple(outbound(operation, before)) or (before,):
        operation.connect(end, group)


def _execute_group(
    operation: Operation,
    invocation: Invocation,
    group: str,
    steps: Sequence[Step],
    variables: Mapping[str, str],
    execute_child: Execute,
) -> Vertex:
    vertex = operation.vertex(group)
    if is_fulfilled(vertex):
        return vertex
    try:
        resolved = [_resolve(operation, f"{group}.{step.name}", step, variables) for step in steps]
        for step, (reason, arguments) in zip(steps, resolved, strict=True):
            child = child_of(invocation, step, f"{group}.{step.name}")
            if reason:
                operation.add(child, "Skipped", "Skipped", message=reason)
                operation.connect(group, child.vertex)
            else:
                _execute_step(operation, group, child, arguments, execute_child)
    except ControllerError as error:
        return operation.mark(group, "Error", str(error))
    children = [operation.vertex(f"{group}.{step.name}") for step in steps]
    if not all(is_fulfilled(child) for child in children):
        return vertex
    for ended in children:
        if ended.phase in ("Failed", "Error"):
            failed = node_id(operation.before.name, ended.name)
            return operation.mark(group, "Failed", f"child '{failed}' failed")
    return operation.mark(group, "Succeeded")


def _resolve(
    operation: Operation, name: str, step: Step, variables: Mapping[str, str]
) -> tuple[str | None, dict[str, str]]:
    """Return why a step is skipped, or the arguments that it runs with."""
    reason = skip_reason(step.when, variables) if operation.find(name) is None else None
    return reason, {} if reason else arguments_of(step.arguments, variables)


def _execute_step(
    operation: Operation,
    group: str,
    child: Invocation,
    arguments: Mapping[str, str],
    execute_child: Execute,
) -> None:
    try:
        execute_child(operation, child, arguments)
    except ControllerError as error:
        raise ControllerError(
            f"step group deemed errored due to child {child.vertex} error: {error}"
        ) from error
    finally:
        operation.connect(group, child.vertex)
