"""Checks of what the `{{…}}` tags of a Workflow name, and of its expressions.

Every variable that exists at a place is listed, as `variables` provides them at
run time; a tag that names none of them would end an execution half-way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosml.document import Loc, nearest
from chaosml.errors import Problem
from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.lint.outline import Outline, hooks_of, texts, vertices_of
from chaosml.workflow.lint.structure import dependencies_of
from chaosml.workflow.model import Step, Task, Template
from chaosml.workflow.substitution import UnresolvedReference, references

__all__ = ["check_references"]

_TAG = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_RETRY = frozenset(
    ("retries", *(f"lastRetry.{key}" for key in ("exitCode", "duration", "status", "message")))
)
_EXIT = frozenset(("workflow.status", "workflow.failures", "workflow.duration"))
_OF_VERTEX = ("id", "name", "status", "exitCode", "hostNodeName", "startedAt", "finishedAt")
_CREATION = (".s", ".RFC3339", *(f".{letter}" for letter in "aAbBdHIjmMpSyYZ"), "")
_SHARED_RETRIES: tuple[Loc, ...] = (
    ("spec", "retryStrategy"),
    ("spec", "templateDefaults", "retryStrategy"),
)
_ELSEWHERE = ("dag", "steps", "inputs", "outputs")


@dataclass(frozen=True, slots=True)
class _Scope:
    """The variables of one place."""

    names: frozenset[str]
    explain: Callable[[str], str | None] = field(default=lambda name: None)
    """Says why a variable does not exist here, where more is known than that."""
    has_item: bool = False
    """Whether there is an `item`, of which nobody knows the keys."""

    def complaint(self, name: str, *, whole_maps: bool) -> str | None:
        """Return what is wrong with a reference; None where it exists."""
        if name in self.names or (self.has_item and name.partition(".")[0] == "item"):
            return None
        if whole_maps and any(known.startswith(f"{name}.") for known in self.names):
            return None
        explained = self.explain(name)
        if explained is not None:
            return explained
        meant = nearest(name, self.names)
        advice = f'did you mean "{meant}"?' if meant else "nothing here has that name"
        return f"unknown variable; {advice}"

    def plus(self, names: Iterable[str]) -> _Scope:
        return _Scope(self.names | frozenset(names), self.explain, self.has_item)

    def with_item(self) -> _Scope:
        return _Scope(self.names, self.explain, has_item=True)


def check_references(known: Outline) -> Iterator[Problem]:
    """Yield every tag and expression that cannot be resolved."""
    shared = _Scope(frozenset(_workflow_names(known)), _explain_workflow(known))
    yield from _check_spec(known, shared)
    entry = known.reachable(known.names_template(("spec", "entrypoint")))
    for loc, template in known.located():
        around = shared if template.name in entry else shared.plus(_EXIT)
        yield from _check_template(known, loc, template, around)


def _workflow_names(known: Outline) -> Iterator[str]:
    for key in ("name", "uid", "namespace", "serviceAccountName", "mainEntrypoint"):
        yield f"workflow.{key}"
    yield from (f"workflow.creationTimestamp{form}" for form in _CREATION)
    yield from ("workflow.parameters", "workflow.parameters.json")
    yield from ("workflow.labels.json", "workflow.annotations.json")
    if known.arguments is not None:
        yield from (f"workflow.parameters.{one.name}" for one in known.arguments.parameters)
    if known.metadata is not None:
        yield from (f"workflow.labels.{key}" for key in known.metadata.labels)
        yield from (f"workflow.annotations.{key}" for key in known.metadata.annotations)


def _explain_workflow(known: Outline) -> Callable[[str], str | None]:
    def explain(name: str) -> str | None:
        if name in _EXIT:
            return "only an exit handler (spec.onExit) or a hook of the workflow can name it"
        if name in _RETRY:
            return "it exists only where there is a retryStrategy"
        if name == "item" or name.startswith("item."):
            return "only the arguments and `when` of a task or step with a loop have items"
        if name.startswith("workflow.outputs."):
            return "globalName is not supported by the embedded substrate"
        if name.startswith("workflow.parameters."):
            if known.arguments is None:
                return ""
            declared = [one.name for one in known.arguments.parameters]
            return _undeclared("the workflow declares no parameter", name, declared)
        return None

    return explain


def _undeclared(what: str, name: str, declared: Iterable[str]) -> str:
    word = name.split(".", 2)[-1]
    meant = nearest(word, declared)
    advice = f'; did you mean "{meant}"?' if meant else ""
    return f'{what} "{word}"{advice}'


def _check_spec(known: Outline, shared: _Scope) -> Iterator[Problem]:
    raw = known.document.get(("spec",))
    for key, value in raw.items() if isinstance(raw, dict) else ():
        if key == "templates":
            continue
        scope = shared
        if key in ("retryStrategy", "templateDefaults"):
            scope = shared.plus(_RETRY)
        elif key in ("podSpecPatch", "podMetadata"):
            scope = shared.plus((*_RETRY, "pod.name", "node.name"))
        elif key == "hooks":
            scope = shared.plus(_EXIT)
        elif key == "arguments":
            own = (name for name in shared.names if not name.startswith("workflow.parameters"))
            scope = _Scope(frozenset(own), shared.explain)
        yield from _check_texts(known, ("spec", key), value, scope)
    for place in _SHARED_RETRIES:
        yield from _check_retry_expression(known, place)
    for at, hook in known.hooks():
        if hook.expression:
            source = _TAG.sub("0", hook.expression)
            yield from _check_expression(known, (*at, "expression"), source, shared.plus(_EXIT))


def _check_template(
    known: Outline, loc: Loc, template: Template, around: _Scope
) -> Iterator[Problem]:
    raw: Any = known.document.get(loc)
    yield from _check_texts(known, (*loc, "inputs"), raw.get("inputs"), around)
    scope = _template_scope(known, template, around, retries="retryStrategy" in raw)
    for key, value in raw.items():
        if key not in _ELSEWHERE:
            yield from _check_texts(known, (*loc, key), value, scope)
    yield from _check_retry_expression(known, (*loc, "retryStrategy"))
    yield from _check_vertices(known, loc, template, scope)
    yield from _check_outputs(known, loc, template, scope)


def _template_scope(known: Outline, template: Template, around: _Scope, *, retries: bool) -> _Scope:
    inputs = [parameter.name for parameter in template.inputs.parameters]
    names = {"inputs.parameters", "node.name"}
    names |= {f"inputs.parameters.{name}" for name in inputs}
    if template.main is not None:
        names.add("pod.name")
        names |= {f"outputs.parameters.{one.name}.path" for one in template.outputs.parameters}
    else:
        names.add("tasks.name" if template.dag is not None else "steps.name")
    if retries or _has_shared_retries(known):
        names |= _RETRY

    def explain(name: str) -> str | None:
        if name.startswith("inputs.parameters."):
            what = f'the template "{template.name}" declares no input parameter'
            return _undeclared(what, name, inputs)
        if name.startswith(("inputs.artifacts", "outputs.artifacts")):
            return "artifacts are not supported by the embedded substrate"
        if name.startswith(("tasks.", "steps.")) and template.main is not None:
            return "only arguments of tasks and steps can name it; pass it as an input parameter"
        return around.explain(name)

    return _Scope(around.names | names, explain)


def _has_shared_retries(known: Outline) -> bool:
    return any(known.document.get(place) is not None for place in _SHARED_RETRIES)


def _check_vertices(
    known: Outline, loc: Loc, template: Template, scope: _Scope
) -> Iterator[Problem]:
    """Check arguments and conditions, which see what the vertex comes after."""
    before = _visible(template)
    vertices = dict(vertices_of(loc, template))
    by_name = {vertex.name: vertex for vertex in vertices.values()}
    for at, vertex in vertices.items():
        inner = _vertex_scope(known, template, scope, by_name, before[vertex.name], vertex.name)
        raw: Any = known.document.get(at)
        for key in ("withItems", "withParam", "withSequence"):
            yield from _check_texts(known, (*at, key), raw.get(key), inner)
        for key in ("arguments", "when"):
            scope_of_key = inner.with_item() if vertex.loops else inner
            yield from _check_texts(known, (*at, key), raw.get(key), scope_of_key)
        if vertex.when is not None:
            yield from _check_condition(known, (*at, "when"), vertex.when)
        prefix = f"{'tasks' if template.dag is not None else 'steps'}.{vertex.name}"
        called = known.template(vertex.template)
        given = called.outputs.parameters if called is not None else ()
        own = [f"{prefix}.status", *(f"{prefix}.outputs.parameters.{one.name}" for one in given)]
        yield from _check_hooks(known, at, vertex, _hook_scope(inner, prefix, own))


def _hook_scope(around: _Scope, prefix: str, own: Iterable[str]) -> _Scope:
    def explain(name: str) -> str | None:
        if name.startswith(f"{prefix}."):
            return "a hook sees of its own vertex only the status and the output parameters"
        return around.explain(name)

    return _Scope(around.names | frozenset(own), explain)


def _check_hooks(known: Outline, at: Loc, vertex: Task | Step, scope: _Scope) -> Iterator[Problem]:
    """Check the hooks of a task or step, which see the status and outputs of the vertex itself."""
    for place, _, hook in hooks_of(at, vertex):
        yield from _check_texts(known, place, known.document.get(place), scope)
        if hook.expression:
            # A tag stands for text that is put in before; `0` is right as a number and in quotes.
            source = _TAG.sub("0", hook.expression)
            yield from _check_expression(known, (*place, "expression"), source, scope)


def _visible(template: Template) -> Mapping[str, frozenset[str]]:
    """Return, for every task or step, the names of those that have ended before it begins."""
    if template.dag is not None:
        edges = {task.name: dependencies_of(task) for task in template.dag.tasks}
        return {name: _ancestors(name, edges) for name in edges}
    visible: dict[str, frozenset[str]] = {}
    earlier: frozenset[str] = frozenset()
    for group in template.steps or ():
        visible.update({step.name: earlier for step in group})
        earlier |= {step.name for step in group}
    return visible


def _ancestors(name: str, edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(edges.get(name, ()))
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += edges.get(current, ())
    return frozenset(found)


def _vertex_scope(
    known: Outline,
    template: Template,
    scope: _Scope,
    by_name: Mapping[str, Task | Step],
    visible: frozenset[str],
    own: str | None,
) -> _Scope:
    """Return the scope of one task or step, or of the outputs around them where `own` is None."""
    prefix = "tasks" if template.dag is not None else "steps"
    names = set(scope.names)
    for name in visible & by_name.keys():
        seen = _names_of_vertex(known, by_name[name], whole=own is None and prefix == "tasks")
        names |= {f"{prefix}.{name}.{key}" for key in seen}

    def explain(name: str) -> str | None:
        head, _, rest = name.partition(".")
        if head not in ("tasks", "steps"):
            return scope.explain(name)
        if head != prefix:
            return f"here it is {prefix}.…"
        return _explain_vertex(known, rest, by_name, visible, own)

    return _Scope(frozenset(names), explain)


def _names_of_vertex(known: Outline, vertex: Task | Step, *, whole: bool) -> Iterator[str]:
    """Yield what can be named of a vertex; of a loop others see only what its items gave."""
    if whole or not vertex.loops:
        yield from _OF_VERTEX
    if vertex.loops:
        yield from ("outputs.parameters", "outputs.result")
    template = known.template(vertex.template)
    if template is None:
        return
    if template.main is not None:
        yield "outputs.result"
    yield from (f"outputs.parameters.{one.name}" for one in template.outputs.parameters)


def _explain_vertex(
    known: Outline,
    rest: str,
    by_name: Mapping[str, Task | Step],
    visible: frozenset[str],
    own: str | None,
) -> str:
    other, _, key = rest.partition(".")
    if other not in by_name:
        meant = nearest(other, by_name)
        return f'nothing here is called "{other}"' + (f'; did you mean "{meant}"?' if meant else "")
    if other not in visible:
        return f'"{other}" has not ended when "{own}" begins; let "{own}" depend on it'
    template = known.template(by_name[other].template)
    if template is None:
        return ""  # What a template that is wrong itself would give is not known.
    if key.startswith("outputs.parameters."):
        declared = [one.name for one in template.outputs.parameters]
        return _undeclared(
            f'the template "{template.name}" declares no output parameter',
            key,
            declared,
        )
    if key == "outputs.result":
        return f'the template "{template.name}" is no container or script, so it has no result'
    if by_name[other].loops and key in _OF_VERTEX:
        return f'"{other}" has a loop; others see only what all its items gave: outputs'
    return f'"{other}" has no {key or "value of its own"}; it has {", ".join(_OF_VERTEX)}, outputs'


def _check_outputs(
    known: Outline, loc: Loc, template: Template, scope: _Scope
) -> Iterator[Problem]:
    by_name = {vertex.name: vertex for _, vertex in vertices_of(loc, template)}
    inner = scope
    if template.main is None:
        inner = _vertex_scope(known, template, scope, by_name, frozenset(by_name), None)
    for index, parameter in enumerate(template.outputs.parameters):
        at = (*loc, "outputs", "parameters", index, "valueFrom")
        yield from _check_texts(known, at, known.document.get(at), inner)
        source = parameter.value_from.expression
        if source is not None and template.main is None:
            yield from _check_expression(known, (*at, "expression"), source, inner)


def _check_texts(known: Outline, at: Loc, value: Any, scope: _Scope) -> Iterator[Problem]:
    for loc, text in texts(value, at):
        if "{{" not in text:
            continue
        try:
            found = references(text)
        except UnresolvedReference as error:
            message = f"{error}; `{{{{` begins a tag, also in scripts"
            yield known.document.problem(loc, message)
            continue
        except ExpressionError as error:
            message = f"the expression {_shorten(text)}: {error} (character {error.position + 1})"
            yield known.document.problem(loc, message)
            continue
        for name in found:
            complaint = scope.complaint(name, whole_maps="{{=" in text)
            if complaint:
                yield known.document.problem(loc, f"{{{{{name}}}}}: {complaint}")


def _shorten(text: str) -> str:
    shown = text if len(text) <= 80 else f"{text[:77]}…"
    return repr(shown)


def _check_condition(known: Outline, at: Loc, source: str) -> Iterator[Problem]:
    """Parse a `when` with a word for every tag: what tags become is not known here."""
    try:
        parse(_TAG.sub("x", source), Flavour.WHEN)
    except ExpressionError as error:
        yield known.document.problem(at, f"when {_shorten(source)}: {error}")


def _check_retry_expression(known: Outline, at: Loc) -> Iterator[Problem]:
    source = known.document.get((*at, "expression"))
    if not isinstance(source, str):
        return

    def explain(name: str) -> str | None:
        if name.startswith(("inputs.", "workflow.")):
            return f"a retry expression sees retries and lastRetry.*; write '{{{{{name}}}}}'"
        return None

    scope = _Scope(_RETRY, explain)
    # A tag stands for text that is put in before; `0` is right as a number and inside quotes.
    yield from _check_expression(known, (*at, "expression"), _TAG.sub("0", source), scope)


def _check_expression(known: Outline, at: Loc, source: str, scope: _Scope) -> Iterator[Problem]:
    try:
        expression = parse(source, Flavour.EXPR)
    except ExpressionError as error:
        message = f"the expression {_shorten(source)}: {error} (character {error.position + 1})"
        yield known.document.problem(at, message)
        return
    for name in expression.references:
        complaint = scope.complaint(name, whole_maps=True)
        if complaint:
            yield known.document.problem(at, f"{name}: {complaint}")
