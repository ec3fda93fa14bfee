"""What holds vertices back: `parallelism`, `failFast`, and the `timeout` of a template.

Source: argo-workflows workflow/controller/operator.go `checkParallelism`,
`checkTemplateTimeout`, node_counters.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from chaosml.workflow.model import Template
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.retry import parse_duration_ns
from chaosml.workflow.state import (
    ControllerError,
    Invocation,
    Operation,
    ParallelismReached,
    TemplateTimeout,
    is_active_pod,
)
from chaosml.workflow.substitution import UnresolvedReference, substitute

__all__ = ["FAILED_FAST", "admit", "end_if_failed_fast", "timeout_ns"]

FAILED_FAST = "template has failed or errored children and failFast enabled"
_COUNTED = frozenset(("Pod", "Steps", "DAG"))


def admit(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
) -> Vertex | None:
    """Let a vertex be executed; return it if a limit has just ended it instead.

    Raises:
        ParallelismReached: not yet.
        TemplateTimeout: it has waited too long.
        ControllerError: the timeout is none.
    """
    vertex = operation.find(invocation.vertex)
    if vertex is not None:
        _check_timeout(operation, vertex, template, variables)
    limit = operation.before.workflow.spec.parallelism
    if limit is not None and operation.active_pods >= limit:
        raise ParallelismReached
    if vertex is not None and template.main is None:
        return _check_inside(operation, vertex, template)
    if vertex is None and invocation.boundary_template is not None:
        _check_around(operation, invocation)
    return None


def _check_inside(operation: Operation, vertex: Vertex, template: Template) -> Vertex | None:
    """Check the limits that dag or steps set to their own children."""
    if template.fail_fast and _has_failed(operation, vertex.name):
        if not _active_pods(operation, vertex.name):
            return _fail(operation, vertex.name)
        raise ParallelismReached
    limit = template.parallelism
    if limit is not None and _active_pods(operation, vertex.name) >= limit:
        raise ParallelismReached
    return None


def _check_around(operation: Operation, invocation: Invocation) -> None:
    """Check the limits that the dag or steps around set to a new child."""
    boundary = invocation.boundary or ""
    around = operation.before.templates[invocation.boundary_template or ""]
    if around.fail_fast and _has_failed(operation, boundary):
        if not _active_pods(operation, boundary):
            operation.failed_fast.add(boundary)
        raise ParallelismReached
    limit = around.parallelism
    if limit is not None and _active_children(operation, boundary) >= limit:
        raise ParallelismReached


def end_if_failed_fast(operation: Operation, name: str) -> Vertex | None:
    """End a dag or steps whose next child `failFast` has just held back."""
    vertex = operation.vertex(name)
    if name in operation.failed_fast and vertex.phase == "Running":
        return _fail(operation, name)
    return None


def _fail(operation: Operation, name: str) -> Vertex:
    groups = [one for one in operation.vertices() if one.boundary == name]
    groups = [group for group in groups if group.type == "StepGroup"]
    if groups:
        operation.mark(groups[-1].name, "Failed", FAILED_FAST)
    return operation.mark(name, "Failed", FAILED_FAST)


def _has_failed(operation: Operation, boundary: str) -> bool:
    return any(
        vertex.boundary == boundary
        and vertex.type in _COUNTED
        and vertex.phase in ("Failed", "Error")
        for vertex in operation.vertices()
    )


def _active_pods(operation: Operation, boundary: str) -> int:
    return sum(
        vertex.boundary == boundary and is_active_pod(vertex) for vertex in operation.vertices()
    )


def _active_children(operation: Operation, boundary: str) -> int:
    return sum(
        vertex.boundary == boundary
        and vertex.type in _COUNTED
        and vertex.phase in ("Pending", "Running")
        for vertex in operation.vertices()
    )


def _check_timeout(
    operation: Operation, vertex: Vertex, template: Template, variables: Mapping[str, str]
) -> None:
    """End a pod that was not started in time; once it runs, its own deadline ends it."""
    limit_ns = timeout_ns(template, variables)
    if limit_ns is None or vertex.phase != "Pending" or vertex.started_ns is None:
        return
    deadline_ns = vertex.started_ns + limit_ns
    if operation.now_ns <= deadline_ns:
        # Argo looks whether the time is over, not whether it is just up.
        operation.wake_at(deadline_ns + 1)
        return
    operation.mark(vertex.name, "Failed", "timeout")
    if vertex.pod is not None:
        operation.stop_pod(vertex.pod, "timeout")
    raise TemplateTimeout


def timeout_ns(template: Template, variables: Mapping[str, str]) -> int | None:
    """Return the timeout of a template.

    Raises:
        ControllerError: it is no Go duration.
    """
    if not template.timeout:
        return None
    try:
        text = substitute(template.timeout, variables)
        if re.fullmatch(r"\d+", text) and text != "0":
            raise ControllerError(f'time: missing unit in duration "{text}"')
        return parse_duration_ns(text)
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error
    except ControllerError as error:
        raise ControllerError(f"invalid timeout format. {error}") from error
