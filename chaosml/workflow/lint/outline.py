"""What is known of a Workflow document while some of it may be wrong.

Checks work on the parts that are sound, so that one wrong template does not hide
what is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaosml.document import Document, Loc, salvage
from chaosml.workflow.model import (
    Arguments,
    LifecycleHook,
    Step,
    Task,
    Template,
    WorkflowMetadata,
)
from chaosml.workflow.names import hook_name, own_name

__all__ = ["Outline", "hooks_of", "outline", "texts", "vertices_of"]

_TEMPLATES: Loc = ("spec", "templates")
_EXPENDABLE: tuple[Loc, ...] = (
    ("retryStrategy",),
    *((kind, key) for kind in ("container", "script") for key in ("env", "lifecycle", "resources")),
)
"""Parts of a template without which its structure and references can still be checked."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The sound parts of a document, and the names of all."""

    document: Document
    metadata: WorkflowMetadata | None
    arguments: Arguments | None
    """None where they are wrong."""
    templates: Mapping[int, Template]
    """Sound templates by their position."""
    names: Mapping[str, int]
    """Position of the first template of each name, sound or not."""

    def template(self, name: str) -> Template | None:
        """Return the sound template of a name."""
        return self.templates.get(self.names[name]) if name in self.names else None

    def located(self) -> Iterator[tuple[Loc, Template]]:
        """Yield the sound templates with their places."""
        for index, template in self.templates.items():
            yield (*_TEMPLATES, index), template

    def names_template(self, loc: Loc) -> str | None:
        """Return the text at a place that names a template, such as the entrypoint."""
        value = self.document.get(loc)
        return value if isinstance(value, str) else None

    def vertices(self) -> Iterator[tuple[Loc, Task | Step]]:
        """Yield the tasks and steps of sound templates with their places."""
        for loc, template in self.located():
            yield from vertices_of(loc, template)

    def hooks(self) -> Iterator[tuple[Loc, LifecycleHook]]:
        """Yield the sound hooks of the workflow itself with their places."""
        raw = _mapping(self.document.get(("spec", "hooks")))
        for name in raw:
            at: Loc = ("spec", "hooks", name)
            hook = salvage(self.document, LifecycleHook, at)
            if hook is not None:
                yield at, hook

    def reachable(self, name: str | None) -> frozenset[str]:
        """Return a template and every template that it contains, however deep."""
        found: set[str] = set()
        waiting = [name] if name is not None else []
        while waiting:
            current = waiting.pop()
            template = self.template(current)
            if current in found or template is None:
                continue
            found.add(current)
            for _, vertex in vertices_of((), template):
                waiting.append(vertex.template)
                waiting += [hook.template for hook in vertex.hooks.values()]
        return frozenset(found)

    def has_file_outputs(self, task: str) -> bool:
        """Tell whether a task's template has output parameters that are read from files."""
        return any(
            output.value_from.path is not None
            for name, template_name in self._called()
            if name == task and (template := self.template(template_name)) is not None
            for output in template.outputs.parameters
        )

    def _called(self) -> Iterator[tuple[str, str]]:
        """Yield what tasks, steps, hooks, the entrypoint and the exit handler are called and run.

        What a workflow itself runs is called as its template is.
        """
        for key in ("entrypoint", "onExit"):
            name = self.names_template(("spec", key))
            if name is not None:
                yield own_name(name), name
        for _, hook in self.hooks():
            yield own_name(hook.template), hook.template
        for _, vertex in self.vertices():
            yield vertex.name, vertex.template
            for name, hook in vertex.hooks.items():
                yield hook_name(vertex.name, name), hook.template

    def secrets(self) -> Iterator[tuple[Loc, str, str]]:
        """Yield the place, name and key of every secret that a container reads."""
        for loc, template in self.located():
            kind = "container" if template.container is not None else "script"
            for index, variable in enumerate(template.main.env if template.main else ()):
                source = variable.value_from
                if source is not None and source.secret_key_ref is not None:
                    reference = source.secret_key_ref
                    yield (*loc, kind, "env", index), reference.name, reference.key

    def pod_tasks(self) -> frozenset[str]:
        """Return the names of what runs as a pod, and of what may do so for all that is known."""
        found: set[str] = set()
        for name, template_name in self._called():
            template = self.template(template_name)
            if template is not None and template.main is not None:
                found.add(name)
        for index, raw in enumerate(_list(self.document.get(_TEMPLATES))):
            if index in self.templates:
                continue
            groups = _list(_mapping(raw).get("steps"))
            tasks = _list(_mapping(_mapping(raw).get("dag")).get("tasks"))
            broken = [*tasks, *(step for group in groups for step in _list(group))]
            found |= {str(_mapping(task).get("name")) for task in broken}
        for _, vertex in self.vertices():
            template = self.template(vertex.template)
            if template is None or template.main is not None:
                found.add(vertex.name)
        return frozenset(found)


def outline(document: Document) -> Outline:
    """Take from a document whatever is sound."""
    templates: dict[int, Template] = {}
    names: dict[str, int] = {}
    for index, raw in enumerate(_list(document.get(_TEMPLATES))):
        name = _mapping(raw).get("name")
        if isinstance(name, str):
            names.setdefault(name, index)
        template = salvage(document, Template, (*_TEMPLATES, index), expendable=_EXPENDABLE)
        if template is not None:
            templates[index] = template
    arguments: Arguments | None = Arguments()
    if document.get(("spec", "arguments")) is not None:
        arguments = salvage(document, Arguments, ("spec", "arguments"))
    metadata = salvage(document, WorkflowMetadata, ("metadata",))
    return Outline(document, metadata, arguments, templates, names)


def vertices_of(loc: Loc, template: Template) -> Iterator[tuple[Loc, Task | Step]]:
    """Yield the tasks or steps of a template with their places."""
    if template.dag is not None:
        for index, task in enumerate(template.dag.tasks):
            yield (*loc, "dag", "tasks", index), task
    for number, group in enumerate(template.steps or ()):
        for index, step in enumerate(group):
            yield (*loc, "steps", number, index), step


def hooks_of(loc: Loc, vertex: Task | Step) -> Iterator[tuple[Loc, str, LifecycleHook]]:
    """Yield the hooks of a task or step with their places and names."""
    for name, hook in vertex.hooks.items():
        yield (*loc, "hooks", name), name, hook


def texts(value: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """Yield every text inside a raw value with its place; keys are not looked at."""
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, (*loc, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, (*loc, index))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
