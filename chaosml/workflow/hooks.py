"""Hooks of tasks, steps and workflows: templates that run when something is the case.

A hook with an expression begins once that is true and is a child of its vertex, which waits
for it; the hook called `exit` begins when the vertex has ended.

Source: argo-workflows workflow/controller/hooks.go, exit_handler.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from chaosml.workflow.composition import Execute, arguments_of
from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.model import LifecycleHook, Work
from chaosml.workflow.names import hook_name
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
from chaosml.workflow.substitution import UnresolvedReference, scope_of, substitute

__all__ = ["all_fulfilled", "holds", "run_exit_hook", "run_hooks"]


def run_hooks(
    operation: Operation,
    work: Work,
    vertex: Vertex,
    parent: Invocation,
    variables: Mapping[str, str],
    execute: Execute,
) -> bool:
    """Run the hooks whose expressions hold or have held; tell whether all of them have ended.

    Args:
        operation: This pass.
        work: The task or step.
        vertex: Its vertex.
        parent: The dag or steps around it.
        variables: What expressions and arguments may name, the vertex itself included.
        execute: Executes a template.

    Raises:
        ControllerError: an expression or argument cannot be resolved, or a hook not be executed.
    """
    ended = True
    for name, hook in work.hooks.items():
        if name == "exit":
            continue
        hooked = hook_name(vertex.name, name)
        if operation.find(hooked) is None and not holds(hook, hooked, variables):
            continue
        invocation = _invocation(
            hook, hooked, hook_name(work.name, name), parent, on_exit=parent.on_exit
        )
        ended &= is_fulfilled(_run(operation, hook, vertex, invocation, variables, execute))
    return ended


def run_exit_hook(
    operation: Operation,
    work: Work,
    vertex: Vertex,
    parent: Invocation,
    variables: Mapping[str, str],
    execute: Execute,
) -> bool:
    """Run the exit hook of a vertex that ran; tell whether there is nothing left to wait for.

    Raises:
        ControllerError: as `run_hooks`.
    """
    hook = work.hooks.get("exit")
    if hook is None or not is_completed(vertex) or not operation.may_run(on_exit=True):
        return True
    name = hook_name(vertex.name, "exit")
    if hook.expression and not holds(hook, name, variables):
        return True
    invocation = _invocation(hook, name, hook_name(work.name, "exit"), parent, on_exit=True)
    return is_fulfilled(_run(operation, hook, vertex, invocation, variables, execute))


def _invocation(
    hook: LifecycleHook, name: str, task: str, parent: Invocation, *, on_exit: bool
) -> Invocation:
    return Invocation(
        vertex=name,
        template=hook.template,
        task=task,
        boundary=parent.vertex,
        boundary_template=parent.template,
        hooked=True,
        on_exit=on_exit,
        depth=parent.depth + 1,
    )


def _run(
    operation: Operation,
    hook: LifecycleHook,
    vertex: Vertex,
    invocation: Invocation,
    variables: Mapping[str, str],
    execute: Execute,
) -> Vertex:
    try:
        return execute(operation, invocation, arguments_of(hook.arguments, variables))
    except (ParallelismReached, TemplateTimeout) as error:
        # Argo makes no difference here between what waits and what is wrong.
        raise ControllerError(str(error)) from error
    finally:
        if operation.find(invocation.vertex) is not None:
            operation.connect(vertex.name, invocation.vertex)


def holds(hook: LifecycleHook, name: str, variables: Mapping[str, str]) -> bool:
    """Tell whether a hook's expression is true.

    Raises:
        ControllerError: there is none, or it cannot be resolved or evaluated.
    """
    if not hook.expression:
        raise ControllerError(f"Expression required for hook {name}")
    try:
        resolved = substitute(hook.expression, variables)
        return parse(resolved, Flavour.EXPR).holds(scope_of(variables))
    except (UnresolvedReference, ExpressionError) as error:
        raise ControllerError(str(error)) from error


def all_fulfilled(operation: Operation, vertex: Vertex) -> bool:
    """Tell whether the hooks of a vertex, and of the vertices that its loop made, have ended."""
    for name in vertex.children:
        child = operation.find(name)
        if child is None or child.boundary != vertex.boundary:
            continue
        if child.hooked and name.startswith(f"{vertex.name}.") and not is_fulfilled(child):
            return False
        if vertex.type == "TaskGroup" and not all_fulfilled(operation, child):
            return False
    return True
