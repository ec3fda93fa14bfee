"""How a steps template proceeds: groups one after the other, steps of a group side by side.

Source: argo-workflows workflow/controller/steps.go.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

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
from chaosml.workflow.loops import Expansion, aggregate
from chaosml.workflow.model import Step, Template
from chaosml.workflow.names import node_id
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import (
    ControllerError,
    Invocation,
    Operation,
    ParallelismReached,
    TemplateTimeout,
    is_fulfilled,
)
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
        name = f"{invocation.vertex}[{number}]"
        if operation.find(name) is None:
            _open_group(operation, invocation, number)
        group = _Group(operation, invocation, name, seen, execute_child)
        vertex = group.execute(steps)
        if not is_fulfilled(vertex):
            ended = limits.end_if_failed_fast(operation, invocation.vertex)
            return ended or operation.vertex(invocation.vertex)
        operation.ends[invocation.vertex] = (name,)
        if vertex.phase != "Succeeded":
            # Even a group in Error makes the steps Failed, not Error.
            return operation.mark(invocation.vertex, "Failed", vertex.message)
        for step in steps:
            try:
                seen.update(group.variables_of(step))
            except ControllerError as error:
                operation.mark(name, "Error", str(error))
                return operation.mark(invocation.vertex, "Failed", str(error))
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
            on_exit=invocation.on_exit,
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Child:
    """A step, or one item of its loop."""

    step: Step
    name: str
    skipped: str | None
    arguments: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Group:
    """One group of steps in one pass of the controller."""

    operation: Operation
    invocation: Invocation
    name: str
    variables: Mapping[str, str]
    execute_child: Execute

    def execute(self, steps: Sequence[Step]) -> Vertex:
        vertex = self.operation.vertex(self.name)
        if is_fulfilled(vertex):
            return vertex
        try:
            children = [child for step in steps for child in self.resolve(step)]
            for child in children:
                self.start(child)
            ended = self.run_hooks(children)
        except ControllerError as error:
            return self.operation.mark(self.name, "Error", str(error))
        except TemplateTimeout as error:
            return self.operation.mark(self.name, "Failed", str(error))
        if not ended:
            return self.operation.vertex(self.name)
        for child in children:
            found = self.operation.find(child.name)
            if found is None or found.phase not in ("Failed", "Error"):
                continue
            if not child.step.continue_on.accepts(found.phase):
                failed = node_id(self.operation.before.name, found.name)
                return self.operation.mark(self.name, "Failed", f"child '{failed}' failed")
        return self.operation.mark(self.name, "Succeeded")

    def resolve(self, step: Step) -> list[_Child]:
        """Return what a step is executed as.

        Raises:
            ControllerError: its items, condition or arguments cannot be resolved.
        """
        if not step.loops:
            return [self.resolve_item(step, Expansion(step.name, {}))]
        expansions = expand_child(step, self.variables)
        if not expansions:
            return [_Child(step, f"{self.name}.{step.name}", EMPTY_LOOP, {})]
        return [self.resolve_item(step, item) for item in expansions]

    def resolve_item(self, step: Step, item: Expansion) -> _Child:
        name = f"{self.name}.{item.name}"
        seen = {**self.variables, **item.variables}
        found = self.operation.find(name)
        if found is not None and found.type == "Skipped":
            return _Child(step, name, found.message, {})
        reason = skip_reason(step.when, seen) if found is None else None
        return _Child(step, name, reason, {} if reason else arguments_of(step.arguments, seen))

    def start(self, child: _Child) -> None:
        """Execute a step as far as it gets; one that a parallelism holds back stays away.

        Raises:
            ControllerError: it cannot be executed.
        """
        invocation = child_of(self.invocation, child.step, child.name)
        if child.skipped is not None:
            if self.operation.find(child.name) is None:
                self.operation.add(invocation, "Skipped", "Skipped", message=child.skipped)
            self.operation.connect(self.name, child.name)
            return
        try:
            self.execute_child(self.operation, invocation, child.arguments)
        except ParallelismReached:
            pass  # The next pass tries again.
        except ControllerError as error:
            raise ControllerError(
                f"step group deemed errored due to child {child.name} error: {error}"
            ) from error
        finally:
            if self.operation.find(child.name) is not None:
                self.operation.connect(self.name, child.name)

    def run_hooks(self, children: Sequence[_Child]) -> bool:
        """Run the hooks of the steps; tell whether all steps and hooks have ended.

        Raises:
            ControllerError: something is wrong with a hook.
        """
        ended = True
        for child in children:
            vertex = self.operation.find(child.name)
            if vertex is None or child.skipped is not None:
                continue
            if child.step.hooks:
                seen = self.seen_by_hooks(child.step, vertex)
                around = (self.operation, child.step, vertex, self.invocation, seen)
                if not hooks.run_hooks(*around, self.execute_child):
                    return False
                ended &= hooks.run_exit_hook(*around, self.execute_child)
            ended &= is_fulfilled(vertex)
        return ended

    def seen_by_hooks(self, step: Step, vertex: Vertex) -> dict[str, str]:
        own = vertex_variables(self.operation.before, f"steps.{step.name}", vertex)
        return {**self.variables, **own}

    def variables_of(self, step: Step) -> dict[str, str]:
        """Return what later steps see of a step.

        Raises:
            ControllerError: what a loop gave cannot be put together.
        """
        prefix, name = f"steps.{step.name}", f"{self.name}.{step.name}"
        vertex = self.operation.find(name)
        if vertex is not None:
            return vertex_variables(self.operation.before, prefix, vertex)
        found = [self.operation.find(one) for one in self.operation.vertex(self.name).children]
        items = [one for one in found if one is not None and one.name.startswith(f"{name}(")]
        ran = [one for one in items if one.type != "Skipped"]
        return aggregate(prefix, ran) if ran else {}
