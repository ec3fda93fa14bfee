"""How a dag template proceeds: which tasks start, which are omitted, and how it all ends.

Source: argo-workflows workflow/controller/dag.go, workflow/common/ancestry.go.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from chaosml.workflow import hooks, limits
from chaosml.workflow.composition import (
    EMPTY_LOOP,
    Execute,
    arguments_of,
    child_of,
    expand_child,
    outbound,
    outputs_of,
    skip_reason,
)
from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.loops import Expansion, aggregate
from chaosml.workflow.model import Dag, Task, Template
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import (
    ControllerError,
    Invocation,
    Operation,
    ParallelismReached,
    TemplateTimeout,
    is_completed,
    is_fulfilled,
)
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
_ONE_ITEM = Expansion("", {})
"""A task without a loop."""


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
        ControllerError: its outputs, or what a hook of a target needs, cannot be resolved.
    """
    if template.dag is None:
        raise ControllerError(f"Template '{template.name}' missing specification")
    run = _Run(operation, invocation, _Graph(template.dag), variables, execute_child)
    for name in run.graph.upward(run.graph.targets):
        run.execute_task(run.graph.tasks[name])
    hooks_ended = run.execute_hooks_of_targets()
    ended = limits.end_if_failed_fast(operation, invocation.vertex)
    phase = run.phase(fail_fast=template.dag.fail_fast, hooks_ended=hooks_ended)
    if ended is not None or phase == "Running":
        return ended or operation.vertex(invocation.vertex)
    operation.ends[invocation.vertex] = tuple(
        run.vertex_name(name) for name in run.graph.targets if run.vertex(name) is not None
    )
    if phase != "Succeeded":
        return operation.mark(invocation.vertex, phase)
    outputs = outputs_of(template, run.seen(run.graph.tasks, whole=True))
    return operation.mark(invocation.vertex, "Succeeded", outputs=outputs)


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    """One dag in one pass of the controller."""

    operation: Operation
    invocation: Invocation
    graph: _Graph
    variables: Mapping[str, str]
    execute_child: Execute

    def vertex_name(self, task: str) -> str:
        return f"{self.invocation.vertex}.{task}"

    def vertex(self, task: str) -> Vertex | None:
        return self.operation.find(self.vertex_name(task))

    def seen(self, tasks: Iterable[str], *, whole: bool = False) -> dict[str, str]:
        """Return the variables together with those of the tasks that exist.

        Of a task with a loop, others see what its items gave; only the outputs of the dag itself
        see the rest of it (`whole`).
        """
        seen = dict(self.variables)
        for task in tasks:
            vertex = self.vertex(task)
            if vertex is None:
                continue
            prefix = f"tasks.{task}"
            if vertex.type == "TaskGroup":
                seen.update(aggregate(prefix, self.items_of(vertex)))
            if vertex.type != "TaskGroup" or whole:
                seen.update(vertex_variables(self.operation.before, prefix, vertex))
        return seen

    def items_of(self, group: Vertex) -> list[Vertex]:
        """Return the vertices that a loop has made, in the order of its items."""
        found = [self.operation.find(name) for name in group.children]
        return [one for one in found if one and one.name.startswith(f"{group.name}(")]

    def execute_task(self, task: Task) -> None:
        """Do what has become possible for a task and its hooks."""
        child = child_of(self.invocation, task, self.vertex_name(task.name))
        vertex = self.operation.find(child.vertex)
        if vertex is not None and (is_fulfilled(vertex) or vertex.phase == "Running"):
            if not self.run_hooks(task, vertex):
                return
            vertex = self.operation.vertex(child.vertex)
        if vertex is not None and is_fulfilled(vertex):
            self.run_exit_hook(task, vertex, task.name)
            return
        if vertex is None and not self.may_start(task, child):
            return
        try:
            seen = self.seen(self.graph.ancestors(task.name))
            expansions = expand_child(task, seen) if task.loops else (_ONE_ITEM,)
        except ControllerError as error:
            self.operation.mark_error(child, str(error))
            self.connect(child)
            return
        if not task.loops:
            self.execute_item(task, child, seen)
        elif expansions:
            self.execute_loop(task, child, seen, expansions)
        else:
            self.operation.add(child, "Skipped", "Skipped", message=EMPTY_LOOP)
            self.connect(child)

    def run_hooks(self, task: Task, vertex: Vertex) -> bool:
        """Run the hooks of a task; what is wrong with one is an error of the task."""
        if not task.hooks:
            return True
        try:
            return hooks.run_hooks(
                self.operation,
                task,
                vertex,
                self.invocation,
                self.seen_by_hooks(task, vertex),
                self.execute_child,
            )
        except ControllerError as error:
            self.operation.mark(vertex.name, "Error", str(error))
            return False

    def run_exit_hook(self, task: Task, vertex: Vertex, name: str) -> bool:
        """Run the exit hook of a task or of one item of its loop; tell whether it has ended."""
        if "exit" not in task.hooks:
            return True
        try:
            return hooks.run_exit_hook(
                self.operation,
                task,
                vertex,
                self.invocation,
                self.seen_by_hooks(task, vertex),
                self.execute_child,
            )
        except ControllerError:
            return False  # Its vertex, if there is one, says why.

    def execute_hooks_of_targets(self) -> bool:
        """Run the hooks of the targets, which no other task asks for; tell whether exits ended.

        Raises:
            ControllerError: something is wrong with one, which ends the dag.
        """
        ended = True
        for name in self.graph.targets:
            task, vertex = self.graph.tasks[name], self.vertex(name)
            if vertex is None or not task.hooks:
                continue
            seen = self.seen_by_hooks(task, vertex)
            around = (self.operation, task, vertex, self.invocation, seen, self.execute_child)
            hooks.run_hooks(*around)
            ended &= hooks.run_exit_hook(*around)
        return ended

    def seen_by_hooks(self, task: Task, vertex: Vertex) -> dict[str, str]:
        seen = self.seen(self.graph.ancestors(task.name))
        seen.update(vertex_variables(self.operation.before, f"tasks.{task.name}", vertex))
        return seen

    def execute_item(self, task: Task, child: Invocation, seen: Mapping[str, str]) -> bool:
        """Execute a task, or one item of its loop; tell whether others of the loop may follow."""
        vertex = self.operation.find(child.vertex)
        try:
            reason = skip_reason(task.when, seen) if vertex is None else None
            arguments = {} if reason else arguments_of(task.arguments, seen)
        except ControllerError as error:
            self.operation.mark_error(child, str(error))
            self.connect(child)
            return True
        if reason:
            self.operation.add(child, "Skipped", "Skipped", message=reason)
            self.connect(child)
            return True
        try:
            self.execute_child(self.operation, child, arguments)
        except (ParallelismReached, TemplateTimeout):
            return self.operation.find(child.vertex) is not None
        except ControllerError as error:
            self.operation.mark_error(child, f"task '{child.vertex}' errored: {error}")
        self.connect(child)
        vertex = self.operation.vertex(child.vertex)
        return not is_completed(vertex) or self.run_exit_hook(task, vertex, task.name)

    def execute_loop(
        self,
        task: Task,
        group: Invocation,
        seen: Mapping[str, str],
        expansions: tuple[Expansion, ...],
    ) -> None:
        """Execute the items of a loop, and end it when they have ended."""
        if self.operation.find(group.vertex) is None:
            self.operation.add(group, "TaskGroup", "Running")
            self.connect(group)
        for item in expansions:
            child = child_of(self.invocation, task, self.vertex_name(item.name))
            vertex = self.operation.find(child.vertex)
            if vertex is not None and is_fulfilled(vertex):
                goes_on = self.run_exit_hook(task, vertex, item.name)
            else:
                goes_on = self.execute_item(task, child, {**seen, **item.variables})
            if not goes_on:
                return
        vertices = [self.operation.find(self.vertex_name(item.name)) for item in expansions]
        phase = "Succeeded"
        for vertex in vertices:
            if vertex is None or not is_fulfilled(vertex):
                return
            if vertex.phase in ("Failed", "Error"):
                phase = vertex.phase
        self.operation.mark(group.vertex, phase)

    def may_start(self, task: Task, child: Invocation) -> bool:
        """Tell whether a task's turn has come; if it never comes, the task is omitted."""
        results: dict[str, frozenset[str]] = {}
        for name in self.graph.dependencies[task.name]:
            vertex = self.vertex(name)
            if vertex is None or not is_fulfilled(vertex):
                return False
            if not hooks.all_fulfilled(self.operation, vertex):
                return False
            results[name] = self.results_of(vertex)
        try:
            if self.condition_holds(task, results):
                return True
            message, phase = "omitted: depends condition not met", "Omitted"
        except ExpressionError as error:
            message = f"unable to evaluate expression '{task.depends}': {error}"
            phase = "Error"
        self.operation.add(child, "Skipped", phase, message=message)
        self.connect(child)
        return False

    def results_of(self, vertex: Vertex) -> frozenset[str]:
        results = {_RESULTS[vertex.phase]}
        if vertex.type == "TaskGroup":
            phases = [self.operation.vertex(name).phase for name in vertex.children]
            results |= {"AnySucceeded"} if "Succeeded" in phases else set()
            results |= {"AllFailed"} if phases and set(phases) == {"Failed"} else set()
        return frozenset(results)

    def condition_holds(self, task: Task, results: Mapping[str, frozenset[str]]) -> bool:
        if task.depends:
            return parse(task.depends, Flavour.DEPENDS).holds(results)
        for name in task.dependencies:
            accepts = self.graph.tasks[name].continue_on
            if not results[name] & {"Succeeded", "Skipped", "Daemoned"} and not (
                (accepts.error and "Errored" in results[name])
                or (accepts.failed and "Failed" in results[name])
            ):
                return False
        return True

    def connect(self, child: Invocation) -> None:
        """Hang a task below what it depends on, or the dag; an item of a loop below its group."""
        group = self.vertex(child.task)
        if group is not None and group.type == "TaskGroup" and group.name != child.vertex:
            self.operation.connect(group.name, child.vertex)
            return
        dependencies = self.graph.dependencies[child.task]
        if not dependencies:
            self.operation.connect(self.invocation.vertex, child.vertex)
        for name in dependencies:
            for end in outbound(self.operation, self.vertex_name(name)):
                self.operation.connect(end, child.vertex)

    def phase(self, *, fail_fast: bool, hooks_ended: bool) -> str:
        """Return the phase of the dag: that of its targets, where a failure wins.

        A task that was omitted or skipped stands for what its branch came to: the phase of
        the last tasks before it that completed.
        """
        if hooks_ended and not self.operation.may_run(on_exit=self.invocation.on_exit):
            return "Failed"
        branches: dict[str, tuple[str, ...]] = {}
        for name in self.graph.upward(self.graph.targets):
            vertex = self.vertex(name)
            if vertex is None:
                continue
            if not is_fulfilled(vertex) or not hooks.all_fulfilled(self.operation, vertex):
                return "Running"
            if is_completed(vertex):
                branches[name] = (vertex.phase,)
            else:
                needed = self.graph.dependencies[name]
                before = [phase for one in needed for phase in branches[one]]
                branches[name] = tuple(dict.fromkeys(before)) or ("Succeeded",)
        return self.phase_of_targets(branches, fail_fast=fail_fast)

    def phase_of_targets(self, branches: Mapping[str, tuple[str, ...]], *, fail_fast: bool) -> str:
        result = "Succeeded"
        for target in self.graph.targets:
            if target not in branches:
                result = "Running"
                if not fail_fast:
                    break
            failures = [phase for phase in branches.get(target, ()) if phase != "Succeeded"]
            if failures and not self.graph.tasks[target].continue_on.accepts(failures[0]):
                result = failures[0]
                if fail_fast:
                    break
        return result
