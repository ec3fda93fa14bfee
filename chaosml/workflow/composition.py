"""What dags and steps have in common: children, outputs, and who comes after whom.

Source: argo-workflows workflow/controller/scope.go, operator.go `getOutboundNodes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.functions import show
from chaosml.workflow.loops import Expansion, expand
from chaosml.workflow.model import Arguments, Step, Task, Template, ValueFrom, Work
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError, Invocation, Operation
from chaosml.workflow.substitution import UnresolvedReference, scope_of, substitute

__all__ = [
    "EMPTY_LOOP",
    "Execute",
    "arguments_of",
    "child_of",
    "expand_child",
    "outbound",
    "outputs_of",
    "skip_reason",
]

EMPTY_LOOP = "Skipped, empty params"

Execute: TypeAlias = Callable[[Operation, Invocation, Mapping[str, str]], Vertex]


def child_of(parent: Invocation, child: Task | Step, name: str) -> Invocation:
    """Return the invocation of a task or step inside of `parent`."""
    return Invocation(
        vertex=name,
        template=child.template,
        task=child.name,
        boundary=parent.vertex,
        boundary_template=parent.template,
        hooked=parent.hooked,
        on_exit=parent.on_exit,
        depth=parent.depth + 1,
        # Argo looks for the Retry vertex right above the pod or the dag or steps around it.
        avoiding=None if parent.attempt is None else parent.avoiding,
    )


def skip_reason(when: str | None, variables: Mapping[str, str]) -> str | None:
    """Return the message of a child whose `when` is false; None if it shall run.

    Raises:
        ControllerError: the condition cannot be resolved, parsed or evaluated.
    """
    if not when:
        return None
    try:
        resolved = substitute(when, variables)
        holds = parse(resolved, Flavour.WHEN).holds({})
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error
    except ExpressionError as error:
        raise ControllerError(f"Invalid 'when' expression '{resolved}': {error}") from error
    return None if holds else f"when '{resolved}' evaluated false"


def expand_child(work: Work, variables: Mapping[str, str]) -> tuple[Expansion, ...]:
    """Return what a loop expands to; nothing, too, if there is no list but also no need for one.

    Raises:
        ControllerError: there is no list of items, and `when` does not say that none is needed.
    """
    try:
        return expand(work, variables)
    except ControllerError:
        try:
            if skip_reason(work.when, variables) is not None:
                return ()
        except ControllerError:
            pass  # A condition on the item says nothing about the list.
        raise


def arguments_of(arguments: Arguments, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a child is given.

    Raises:
        ControllerError: one of them cannot be resolved.
    """
    try:
        return {
            argument.name: substitute(argument.value, variables)
            for argument in arguments.parameters
            if argument.value is not None
        }
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error


def outputs_of(template: Template, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the output parameters of a dag or steps template that has succeeded.

    Raises:
        ControllerError: one has neither a value nor a default.
    """
    return {
        output.name: _output(output.value_from, variables) for output in template.outputs.parameters
    }


def _output(source: ValueFrom, variables: Mapping[str, str]) -> str:
    try:
        if source.parameter is not None:
            return _parameter(source.parameter, variables)
        return show(parse(source.expression or "", Flavour.EXPR).evaluate(scope_of(variables)))
    except (UnresolvedReference, ExpressionError) as error:
        if source.default is not None:
            return substitute(source.default, variables)
        raise ControllerError(str(error)) from error


def _parameter(source: str, variables: Mapping[str, str]) -> str:
    """Resolve `{{tasks.a.outputs.parameters.x}}`; Argo takes it without the braces too."""
    return substitute(source if "{{" in source else f"{{{{{source}}}}}", variables)


def outbound(operation: Operation, name: str) -> Iterator[str]:
    """Yield the vertices at which a finished vertex ends: the parents of what follows it."""
    vertex = operation.vertex(name)
    if vertex.type == "Retry":
        attempts = [child for child in vertex.children if operation.find(child) is not None]
        # The attempt itself, though it be a dag or steps with ends of its own.
        yield attempts[-1] if attempts else name
    elif vertex.type in ("StepGroup", "TaskGroup"):
        for child in vertex.children:
            yield from outbound(operation, child) if operation.find(child) else ()
        if vertex.type == "TaskGroup" and not vertex.children:
            yield name
    elif vertex.memoized:
        yield name
    elif vertex.type in ("DAG", "Steps"):
        for last in operation.ends.get(name, ()):
            yield from outbound(operation, last)
    else:
        yield name
