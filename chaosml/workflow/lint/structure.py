"""Checks of a Workflow's structure: names, kinds of template, what refers to what, cycles.

The rules are those of Argo's linter (`workflow/validate/validate.go`), so that a
document which passes here is one that Argo takes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from chaosml.document import Loc, nearest
from chaosml.errors import Problem
from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.lint.loops import check_loop
from chaosml.workflow.lint.outline import Outline, hooks_of, vertices_of
from chaosml.workflow.model import Arguments, Dag, Step, Task, Template
from chaosml.workflow.names import own_name

__all__ = ["check_structure", "dependencies_of"]

_NAME_MAX = 63
_FIELD_NAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_FIELD_NAME_MAX = 128
_PARAMETER_NAME = re.compile(r"[-a-zA-Z0-9_]+")
_RESULT_OF_LOOP = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_-]*)\.(AnySucceeded|AllFailed)")
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def check_structure(known: Outline, given: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the structure.

    Args:
        known: The sound parts of the document.
        given: Parameters of the workflow that get their values from outside.
    """
    yield from _check_metadata(known)
    yield from _check_workflow_arguments(known, given)
    yield from _check_template_names(known)
    for key in ("entrypoint", "onExit"):
        yield from _check_entry(known, key, given)
    yield from _check_workflow_hooks(known, given)
    for loc, template in known.located():
        yield from _check_template(known, loc, template)
    yield from _check_recursion(known)


def _check_metadata(known: Outline) -> Iterator[Problem]:
    metadata = known.metadata
    if metadata is None:
        return
    at: Loc = ("metadata",)
    if (metadata.name is None) == (metadata.generate_name is None):
        message = "metadata: give a name or a generateName, and not both"
        yield known.document.problem(at, message, key=True)
    name = metadata.name
    if name is not None and len(name) > _NAME_MAX:
        message = f"metadata.name: {len(name)} characters; Argo takes at most {_NAME_MAX}"
        yield known.document.problem((*at, "name"), message)
    elif name is not None and not _OBJECT_NAME.fullmatch(name):
        message = f'metadata.name: "{name}" is no name: lower-case letters, digits, `-` and `.`'
        yield known.document.problem((*at, "name"), message)


def _check_workflow_arguments(known: Outline, given: Collection[str]) -> Iterator[Problem]:
    at: Loc = ("spec", "arguments", "parameters")
    parameters = known.arguments.parameters if known.arguments is not None else ()
    yield from _check_names(known, at, [parameter.name for parameter in parameters], "parameter")
    for index, parameter in enumerate(parameters):
        if parameter.value is None and parameter.name not in given:
            message = (
                f'the workflow parameter "{parameter.name}" has no value; '
                "give one here or in the scenario's pipeline.parameters"
            )
            yield known.document.problem((*at, index), message)
        if parameter.enum and parameter.value not in (None, *parameter.enum):
            message = f'"{parameter.value}" is none of enum: {", ".join(parameter.enum)}'
            yield known.document.problem((*at, index, "value"), message)


def _check_names(
    known: Outline,
    at: Loc,
    names: Sequence[str],
    what: str,
    keys: Sequence[str] | None = None,
) -> Iterator[Problem]:
    """Check names of a list of objects: their form, and that each is there once.

    `keys` are what must be there once where that is more than the name.
    """
    keys = names if keys is None else keys
    is_parameter = "parameter" in what
    pattern = _PARAMETER_NAME if is_parameter else _FIELD_NAME
    characters = "letters, digits, `-` and `_`" if is_parameter else "letters, digits and `-`"
    for index, name in enumerate(names):
        if not pattern.fullmatch(name) or len(name) > _FIELD_NAME_MAX:
            message = f'"{name}" is no name for a {what}: {characters}, at most {_FIELD_NAME_MAX}'
            yield known.document.problem((*at, index, "name"), message)
        if keys[index] in keys[:index]:
            line, _ = known.document.mark((*at, keys.index(keys[index]), "name"))
            message = f'the {what} "{name}" is given twice; the first is in line {line}'
            yield known.document.problem((*at, index, "name"), message)


def _check_template_names(known: Outline) -> Iterator[Problem]:
    raw: Any = known.document.get(("spec", "templates"))
    names = [
        own_name(template["name"])
        for template in (raw if isinstance(raw, list) else [])
        if isinstance(template, dict) and isinstance(template.get("name"), str)
    ]
    if isinstance(raw, list) and len(names) == len(raw):
        keys = [template["name"] for template in raw]
        yield from _check_names(known, ("spec", "templates"), names, "template", keys)


def _check_entry(known: Outline, key: str, given: Collection[str]) -> Iterator[Problem]:
    """Check the template that a workflow begins or ends with; it gets the workflow's arguments."""
    at: Loc = ("spec", key)
    name = known.names_template(at)
    if name is None:
        return
    if name not in known.names:
        yield known.document.problem(at, f"{key}: {_no_template(known, name)}")
    template = known.template(name)
    if template is None or known.arguments is None:
        return
    passed = {parameter.name for parameter in known.arguments.parameters} | set(given)
    for missing in _missing(template, passed):
        message = (
            f'{key}: the template "{name}" needs the parameter "{missing}", '
            "which spec.arguments does not give"
        )
        yield known.document.problem(at, message)


def _no_template(known: Outline, name: str) -> str:
    meant = nearest(name, known.names)
    advice = f'did you mean "{meant}"?' if meant else f"there are: {', '.join(known.names)}"
    return f'no template is called "{name}"; {advice}'


def _missing(template: Template, passed: Collection[str]) -> list[str]:
    return [
        parameter.name
        for parameter in template.inputs.parameters
        if parameter.value is None and parameter.default is None and parameter.name not in passed
    ]


def _check_template(known: Outline, loc: Loc, template: Template) -> Iterator[Problem]:
    kinds = [kind for kind in ("container", "script", "dag", "steps") if getattr(template, kind)]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        message = (
            f'the template "{template.name}" needs exactly one of container, script, dag, steps; '
            f"found {found}"
        )
        yield known.document.problem(loc, message)
    for side in ("inputs", "outputs"):
        parameters = getattr(template, side).parameters
        names = [parameter.name for parameter in parameters]
        yield from _check_names(known, (*loc, side, "parameters"), names, f"{side[:-1]} parameter")
    if template.dag is not None:
        yield from _check_dag(known, (*loc, "dag"), template.dag)
    if template.steps is not None:
        yield from _check_steps(known, (*loc, "steps"), template)
    if template.main is not None:
        for key in ("parallelism", "failFast"):
            if known.document.get((*loc, key)) is not None:
                message = f"{key}: Argo takes it only for dag and steps"
                yield known.document.problem((*loc, key), message, key=True)
    for at, vertex in vertices_of(loc, template):
        yield from _check_call(known, at, vertex.name, vertex.template, vertex.arguments)
        yield from check_loop(known, at, vertex)
        for place, name, hook in hooks_of(at, vertex):
            called = f"{vertex.name}.hooks.{name}"
            yield from _check_call(known, place, called, hook.template, hook.arguments)
            if not hook.expression and name != "exit":
                message = f'the hook "{name}" needs an expression; only `exit` goes without one'
                yield known.document.problem(place, message, key=True)


def _check_workflow_hooks(known: Outline, given: Collection[str]) -> Iterator[Problem]:
    """Check the hooks of the workflow itself, of which `exit` gets the workflow's arguments."""
    for at, hook in known.hooks():
        name = str(at[-1])
        if name != "exit" or hook.arguments.parameters or known.arguments is None:
            yield from _check_call(known, at, f"hooks.{name}", hook.template, hook.arguments)
        else:
            passed = [one.name for one in known.arguments.parameters]
            yield from _check_template_of(known, at, "hooks.exit", hook.template, [*passed, *given])
        if name == "exit" and hook.expression:
            message = "Argo does not look at the expression of the workflow's exit hook; remove it"
            yield known.document.problem((*at, "expression"), message, key=True)
        elif name != "exit" and not hook.expression:
            message = f'the hook "{name}" needs an expression; only `exit` goes without one'
            yield known.document.problem(at, message, key=True)
    if known.names_template(("spec", "onExit")) and known.document.get(("spec", "hooks", "exit")):
        message = "onExit and hooks.exit are the same; Argo takes onExit; remove one"
        yield known.document.problem(("spec", "hooks", "exit"), message, key=True)


def _check_call(
    known: Outline, at: Loc, name: str, template_name: str, arguments: Arguments
) -> Iterator[Problem]:
    """Check that a task, step or hook names a template and passes what it needs."""
    parameters = arguments.parameters
    passed = [parameter.name for parameter in parameters]
    place = (*at, "arguments", "parameters")
    yield from _check_names(known, place, passed, "parameter")
    for index, parameter in enumerate(parameters):
        if parameter.value is None:
            message = f'the parameter "{parameter.name}" is passed without a value'
            yield known.document.problem((*place, index), message)
    yield from _check_template_of(known, at, name, template_name, passed)


def _check_template_of(
    known: Outline, at: Loc, name: str, template_name: str, passed: Sequence[str]
) -> Iterator[Problem]:
    if template_name not in known.names:
        message = f'"{name}": {_no_template(known, template_name)}'
        yield known.document.problem((*at, "template"), message)
    template = known.template(template_name)
    for missing in _missing(template, passed) if template is not None else ():
        meant = nearest(missing, set(passed) - _declared(template))
        advice = f'; "{meant}" is passed and not declared' if meant else ""
        message = (
            f'"{name}" does not pass "{missing}", which the template "{template_name}" '
            f"declares without a value or default{advice}"
        )
        yield known.document.problem(at, message)


def _declared(template: Template | None) -> set[str]:
    return {parameter.name for parameter in template.inputs.parameters} if template else set()


def _check_steps(known: Outline, at: Loc, template: Template) -> Iterator[Problem]:
    seen: dict[str, Loc] = {}
    for number, group in enumerate(template.steps or ()):
        if not group:
            yield known.document.problem((*at, number), "a group of steps is empty")
        for index, step in enumerate(group):
            place = (*at, number, index, "name")
            if not _FIELD_NAME.fullmatch(step.name):
                message = f'"{step.name}" is no name for a step: letters, digits and `-`'
                yield known.document.problem(place, message)
            if seen.setdefault(step.name, place) != place:
                line, _ = known.document.mark(seen[step.name])
                message = f'the step "{step.name}" is given twice; the first is in line {line}'
                yield known.document.problem(place, message)


def _check_dag(known: Outline, at: Loc, dag: Dag) -> Iterator[Problem]:
    names = [task.name for task in dag.tasks]
    yield from _check_names(known, (*at, "tasks"), names, "task")
    uses_depends = any(task.depends is not None for task in dag.tasks)
    for index, task in enumerate(dag.tasks):
        place = (*at, "tasks", index)
        if uses_depends and task.dependencies:
            message = f'"{task.name}": Argo takes depends or dependencies in one dag, not both'
            yield known.document.problem((*place, "dependencies"), message, key=True)
        if uses_depends and task.name[:1].isdigit():
            message = f'"{task.name}" begins with a digit, which Argo refuses in a dag with depends'
            yield known.document.problem((*place, "name"), message)
        if uses_depends and (task.continue_on.failed or task.continue_on.error):
            message = f'"{task.name}": Argo takes no continueOn in a dag with depends'
            yield known.document.problem((*place, "continueOn"), message, key=True)
        loops = {one.name for one in dag.tasks if one.loops}
        yield from _check_dependencies(known, place, task, names, loops)
    for target in (dag.target or "").split():
        if "{{" not in target and target not in names:
            yield known.document.problem((*at, "target"), _no_task(target, names))
    yield from _check_cycles(known, at, dag)


def _no_task(name: str, names: Sequence[str]) -> str:
    meant = nearest(name, names)
    advice = f'did you mean "{meant}"?' if meant else f"there are: {', '.join(names)}"
    return f'no task of this dag is called "{name}"; {advice}'


def _check_dependencies(
    known: Outline, place: Loc, task: Task, names: Sequence[str], loops: Collection[str]
) -> Iterator[Problem]:
    for index, dependency in enumerate(task.dependencies):
        if dependency not in names:
            message = _no_task(dependency, names)
            yield known.document.problem((*place, "dependencies", index), message)
    if task.depends is None:
        return
    at = (*place, "depends")
    try:
        expression = parse(task.depends, Flavour.DEPENDS)
    except ExpressionError as error:
        message = f"depends: {error} (character {error.position + 1})"
        yield known.document.problem(at, message)
        return
    for name in expression.references:
        if name not in names:
            yield known.document.problem(at, _no_task(name, names))
    for name, result in _RESULT_OF_LOOP.findall(task.depends):
        if name in names and name not in loops:
            message = f'{name}.{result}: only a task with a loop has this result; "{name}" has none'
            yield known.document.problem(at, message)


def dependencies_of(task: Task) -> tuple[str, ...]:
    """Return the tasks that a task waits for, as far as they can be read."""
    if task.depends is None:
        return task.dependencies
    try:
        return (*task.dependencies, *parse(task.depends, Flavour.DEPENDS).references)
    except ExpressionError:
        return task.dependencies


def _check_cycles(known: Outline, at: Loc, dag: Dag) -> Iterator[Problem]:
    edges = {task.name: dependencies_of(task) for task in dag.tasks}
    cycle = _find_cycle(edges)
    if cycle:
        index = next(index for index, task in enumerate(dag.tasks) if task.name == cycle[0])
        message = f"the tasks wait for one another: {' → '.join(cycle)}; remove one dependency"
        yield known.document.problem((*at, "tasks", index), message)


def _check_recursion(known: Outline) -> Iterator[Problem]:
    """Refuse templates that contain themselves without a `when` that could end it."""
    edges = {
        template.name: tuple(
            name
            for _, vertex in vertices_of((), template)
            if vertex.when is None
            for name in (vertex.template, *_unconditional_hooks(vertex))
        )
        for template in known.templates.values()
    }
    cycle = _find_cycle(edges)
    if cycle:
        at: Loc = ("spec", "templates", known.names[cycle[0]])
        path = " → ".join(cycle)
        message = f"templates contain one another without an end: {path}; add a `when`"
        yield known.document.problem(at, message)


def _unconditional_hooks(vertex: Task | Step) -> list[str]:
    return [hook.template for hook in vertex.hooks.values() if not hook.expression]


def _find_cycle(edges: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Return the names on a cycle, the first repeated at the end; None where there is none."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            name, leaving = waiting.pop()
            if leaving:
                done.add(path.pop())
            elif name in path:
                return [*path[path.index(name) :], name]
            elif name in edges and name not in done:
                path.append(name)
                waiting.append((name, True))
                waiting += [(other, False) for other in reversed(edges[name])]
    return None
