"""How a dag template proceeds: which tasks start, which are omitted, and how it all ends.

Source: argo-workflows workflow/controller/dag.go, workflow/common/ancestry.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chaosml.workflow.composition import (
    Execute,
    arguments_of,
    child_of,
    outbound,
    outputs_of,
    skip_reason,
)
from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.model import Dag, Task, Template
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError, Invocation, Operation, is_fulfilled
from chaosml.workflow.variables import vertex_variables

__all__ = ["execute"]

_RESULTS = {
    "Succeeded": "Succeeded",
    "Failed": "Failed",
    "Error": "Errored",
    "Skipped": "Skipped",
    "Omitted": "Omitted",
}
"""The name in `depends` of each phase that a task can end in."""


class _Graph:
    """The tasks of a dag and what each depends on."""

    def __init__(self, dag: Dag) -> None:
        self.tasks = {task.name: task for task in dag.tasks}
        self.dependencies = {task.name: _dependencies(task) for task in dag.tasks}
        self.targets = tuple((dag.target or "").split()) or self._leaves()

    def _leaves(self) -> tuple[str, ...]:
        needed = {name for names in self.dependencies.values() for name in names}
        return tuple(sorted(name for name in self.tasks if name not in needed))

    def upward(self, names: Iterable[str]) -> list[str]:
        """Return the tasks and all that they depend on, each after its dependencies."""
        ordered: dict[str, None] = {}
        waiting = [(name, False) for name in reversed(tuple(names))]
        while waiting:
            name, expanded = waiting.pop()
            if name in ordered:
                continue
            if expanded:
                ordered[name] = None
                continue
            waiting.append((name, True))
            waiting.extend((needed, False) for needed in reversed(self.dependencies[name]))
        return list(ordered)

    def ancestors(self, name: str) -> list[str]:
        """Return every task that this one depends on, at whatever remove."""
        return self.upward(self.dependencies[name])


def _dependencies(task: Task) -> tuple[str, ...]:
    if task.depends:
        return parse(task.depends, Flavour.DEPENDS).references
    return task.dependencies


def execute(
    operation: Operation,
    invocation: Invocation,
    template: Template,
    variables: Mapping[str, str],
    execute_child: Execute,
) -> Vertex:
    """Start what can start, and end the dag when all is done.

    Raises:
        ControllerError: its outputs cannot be resolved.
    """
    if template.dag is None:
        raise ControllerError(f"Template '{template.name}' missing specification")
    graph = _Graph(template.dag)
    for name in graph.upward(graph.targets):
        _execute_task(operation, invocation, graph, graph.tasks[name], variables, execute_child)
    phase = _phase(operation, invocation, graph)
    if phase == "Running":
        return operation.vertex(invocation.vertex)
    operation.ends[invocation.vertex] = tuple(
        _vertex_name(invocation, name)
        for name in graph.targets
        if operation.find(_vertex_name(invocation, name)) is not None
    )
    if phase != "Succeeded":
        return operation.mark(invocation.vertex, phase)
    seen = _with_tasks(operation, invocation, graph.tasks, variables)
    return operation.mark(invocation.vertex, "Succeeded", outputs=outputs_of(template, seen))


def _vertex_name(invocation: Invocation, task: str) -> str:
    return f"{invocation.vertex}.{task}"


def _task_vertex(operation: Operation, invocation: Invocation, task: str) -> Vertex | None:
    return operation.find(_vertex_name(invocation, task))


def _with_tasks(
    operation: Operation,
    invocation: Invocation,
    tasks: Iterable[str],
    variables: Mapping[str, str],
) -> dict[str, str]:
    """Return the variables together with those of the tasks that exist."""
    seen = dict(variables)
    for task in tasks:
        vertex = _task_vertex(operation, invocation, task)
        if vertex is not None:
            seen.update(vertex_variables(operation.before, f"tasks.{task}", vertex))
    return seen


def _execute_task(
    operation: Operation,
    invocation: Invocation,
    graph: _Graph,
    task: Task,
    variables: Mapping[str, str],
    execute_child: Execute,
) -> None:
    child = child_of(invocation, task, _vertex_name(invocation, task.name))
    vertex = operation.find(child.vertex)
    if vertex is not None and is_fulfilled(vertex):
        return
    if vertex is None and not _may_start(operation, invocation, graph, task, child):
        return
    seen = _with_tasks(operation, invocation, graph.ancestors(task.name), variables)
    try:
        reason = skip_reason(task.when, seen) if vertex is None else None
        arguments = {} if reason else arguments_of(task.arguments, seen)
    except ControllerError as error:
        operation.mark_error(child, str(error))
        _connect(operation, invocation, graph, child)
        return
    if reason:
        operation.add(child, "Skipped", "Skipped", message=reason)
    else:
        _execute_child(operation, child, arguments, execute_child)
    _connect(operation, invocation, graph, child)


def _may_start(
    operation: Operation, invocation: Invocation, graph: _Graph, task: Task, child: Invocation
) -> bool:
    """Tell whether a task's turn has come; if it never comes, the task is omitted."""
    results: dict[str, frozenset[str]] = {}
    for name in graph.dependencies[task.name]:
        vertex = _task_vertex(operation, invocation, name)
        if vertex is None or not is_fulfilled(vertex):
            return False
        results[name] = frozenset((_RESULTS[vertex.phase],))
    condition = task.depends or " && ".join(task.dependencies)
    try:
        if not condition or parse(condition, Flavour.DEPENDS).holds(results):
            return True
        message, phase = "omitted: depends condition not met", "Omitted"
    except ExpressionError as error:
        message, phase = f"unable to evaluate expression '{condition}': {error}", "Error"
    operation.add(child, "Skipped", phase, message=message)
    _connect(operation, invocation, graph, child)
    return False


def _execute_child(
    operation: Operation, child: Invocation, arguments: Mapping[str, str], execute_child: Execute
) -> None:
    try:
        execute_child(operation, child, arguments)
    except ControllerError as error:
        operation.mark_error(child, f"task '{child.vertex}' errored: {error}")


def _connect(
    operation: Operation, invocation: Invocation, graph: _Graph, child: Invocation
) -> None:
    """Hang a task below the last vertices of what it depends on, or below the dag itself."""
    dependencies = graph.dependencies[child.task]
    if not dependencies:
        operation.connect(invocation.vertex, child.vertex)
    for name in dependencies:
        for end in outbound(operation, _vertex_name(invocation, name)):
            operation.connect(end, child.vertex)


def _phase(operation: Operation, invocation: Invocation, graph: _Graph) -> str:
    """Return the phase of the dag: that of its targets, where a failure wins.

    A task that was omitted or skipped stands for what its branch came to: the phase of
    the last tasks before it that completed.
    """
    if not operation.may_run(hooked=invocation.hooked):
        return "Failed"
    branches: dict[str, tuple[str, ...]] = {}
    for name in graph.upward(graph.targets):
        vertex = _task_vertex(operation, invocation, name)
        if vertex is None:
            continue
        if not is_fulfilled(vertex):
            return "Running"
        if vertex.phase in ("Succeeded", "Failed", "Error"):
            branches[name] = (vertex.phase,)
        else:
            before = [phase for needed in graph.dependencies[name] for phase in branches[needed]]
            branches[name] = tuple(dict.fromkeys(before)) or ("Succeeded",)
    for target in graph.targets:
        failures = [phase for phase in branches.get(target, ()) if phase != "Succeeded"]
        if failures:
            return failures[0]
    return "Succeeded" if all(target in branches for target in graph.targets) else "Running"
