"""References to templates that stand in further documents of a Workflow's file.

`---` separates the Workflow from the WorkflowTemplates and ClusterWorkflowTemplates that it
refers to. What is referred to is put into the Workflow before anything else looks at it:

- `workflowTemplateRef`: what the Workflow does not say itself comes from the template;
- `templateRef`: the template becomes one of the Workflow's, under the name `LIBRARY/TEMPLATE`.

Every part keeps the place where it stands in the file.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosml.document import Document, Loc, Mark, nearest
from chaosml.errors import Problem, ScenarioError

__all__ = ["Reference", "missing", "resolve"]

_KINDS = {"WorkflowTemplate": "", "ClusterWorkflowTemplate": "cluster:"}
"""Kinds of documents that can be referred to, with what their names begin with."""
_MERGED_BY_NAME = frozenset(("parameters", "templates", "volumes"))
_TEMPLATES: Loc = ("spec", "templates")


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A document that a Workflow refers to."""

    kind: str
    """`WorkflowTemplate` or `ClusterWorkflowTemplate`."""
    name: str


def missing(documents: Sequence[Document]) -> tuple[Reference, ...]:
    """Return the documents that a Workflow's file refers to and does not hold.

    What is wrong with a reference is for `resolve` to say.
    """
    held = {(one.get(("kind",)), one.get(("metadata", "name"))) for one in documents}
    found = {
        Reference(_kind(raw), raw["name"])
        for document in documents
        for raw in _references(document)
        if isinstance(raw.get("name"), str)
    }
    return tuple(sorted(one for one in found if (one.kind, one.name) not in held))


def _kind(raw: dict[str, Any]) -> str:
    return "ClusterWorkflowTemplate" if raw.get("clusterScope") is True else "WorkflowTemplate"


def _references(document: Document) -> Iterator[dict[str, Any]]:
    """Yield every reference of a document to another one, as it stands there."""
    spec = document.get(("spec",))
    if not isinstance(spec, dict):
        return
    calls = [call for _, call in _hooks(("spec",), spec)]
    for template in _list(spec.get("templates")):
        calls += [call for _, call in _calls((), template)]
    raws = [spec.get("workflowTemplateRef"), *(call.get("templateRef") for call in calls)]
    yield from (raw for raw in raws if isinstance(raw, dict))


def resolve(documents: Sequence[Document]) -> tuple[Document, list[Problem]]:
    """Return the Workflow of a file with everything that it refers to, and what is wrong there.

    Raises:
        ScenarioError: there is no Workflow, or a document that it cannot refer to.
    """
    workflow = next((one for one in documents if one.get(("kind",)) == "Workflow"), documents[0])
    libraries = _libraries([one for one in documents if one is not workflow])
    if not isinstance(workflow.get(("spec",)), dict):
        return workflow, []
    merge = _Merge(workflow, libraries)
    merge.take_workflow_template()
    merge.take_templates()
    return merge.document(), merge.problems


def _libraries(documents: Sequence[Document]) -> dict[str, Document]:
    """Return the documents that can be referred to, by name."""
    libraries: dict[str, Document] = {}
    problems: list[Problem] = []
    for document in documents:
        kind, name = document.get(("kind",)), document.get(("metadata", "name"))
        if kind not in _KINDS:
            message = (
                "besides the Workflow a file holds WorkflowTemplates that it refers to, "
                f"found kind: {kind}"
            )
            problems.append(document.problem(("kind",), message))
        elif not isinstance(name, str) or not isinstance(document.get(("spec",)), dict):
            message = f"a {kind} needs metadata.name and spec"
            problems.append(document.problem(("kind",), message))
        elif document.get(("apiVersion",)) != "argoproj.io/v1alpha1":
            message = "apiVersion: Argo's is argoproj.io/v1alpha1"
            problems.append(document.problem(("apiVersion",), message))
        else:
            libraries[f"{_KINDS[kind]}{name}"] = document
    if problems:
        raise ScenarioError(problems)
    return libraries


@dataclass
class _Merge:
    """The Workflow while parts of other documents are put into it."""

    workflow: Document
    libraries: dict[str, Document]
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._data: dict[str, Any] = copy.deepcopy(self.workflow.data)
        self._marks: dict[Loc, Mark] = dict(self.workflow.marks)
        self._ambiguous: dict[Loc, str] = dict(self.workflow.ambiguous)
        self._taken: dict[str, None] = {}

    def document(self) -> Document:
        """Return what has come about."""
        return dataclasses.replace(
            self.workflow, data=self._data, marks=self._marks, ambiguous=self._ambiguous
        )

    def take_workflow_template(self) -> None:
        """Let `spec.workflowTemplateRef` say what the Workflow does not say itself."""
        reference = self._data["spec"].pop("workflowTemplateRef", None)
        if reference is None:
            return
        at: Loc = ("spec", "workflowTemplateRef")
        library = self._library(at, reference, ("name",))
        if self._data["spec"].get("templates"):
            message = "a Workflow with a workflowTemplateRef has no templates of its own"
            self._complain(_TEMPLATES, message)
        elif library is not None:
            self._data["spec"] = self._merged(self.libraries[library], ("spec",))

    def _merged(self, library: Document, loc: Loc) -> dict[str, Any]:
        """Return a mapping of the Workflow over that of a library at the same place."""
        above, below = self.workflow.get(loc), library.get(loc)
        merged: dict[str, Any] = {}
        for key in dict.fromkeys((*below, *above)):
            at = (*loc, key)
            if at == ("spec", "workflowTemplateRef"):
                continue
            if key not in above:
                merged[key] = self._copy(library, at, at)
            elif isinstance(above[key], dict) and isinstance(below.get(key), dict):
                merged[key] = self._merged(library, at)
            elif key in _MERGED_BY_NAME and isinstance(below.get(key), list):
                merged[key] = self._merged_list(library, at)
            else:
                merged[key] = copy.deepcopy(above[key])
        return merged

    def _merged_list(self, library: Document, loc: Loc) -> list[Any]:
        """Return a list of named objects; the Workflow's replace a library's of the same name."""
        above: list[Any] = self.workflow.get(loc) or []
        names = [_name(item) for item in above]
        sources = [(self.workflow, index) for index in range(len(above))]
        for index, item in enumerate(library.get(loc)):
            if _name(item) not in names:
                sources.append((library, index))
        return [
            self._copy(document, (*loc, index), (*loc, place))
            for place, (document, index) in enumerate(sources)
        ]

    def _copy(self, document: Document, source: Loc, target: Loc) -> Any:
        """Return a copy of a part, and note where it stands."""
        depth = len(source)
        for mark_loc, mark in document.marks.items():
            if mark_loc[:depth] == source:
                self._marks[(*target, *mark_loc[depth:])] = mark
        for text_loc, text in document.ambiguous.items():
            if text_loc[:depth] == source:
                self._ambiguous[(*target, *text_loc[depth:])] = text
        return copy.deepcopy(document.get(source))

    def take_templates(self) -> None:
        """Put every template that a `templateRef` names among those of the Workflow."""
        for at, call in _hooks(("spec",), self._data["spec"]):
            self._resolve(at, call, library=None)
        templates = self._data["spec"].get("templates")
        if not isinstance(templates, list):
            return
        for index, template in enumerate(templates):
            name = _name(template)
            if name is not None and "/" in name:
                message = f'"{name}" is no name for a template: letters, digits and `-`'
                self._complain((*_TEMPLATES, index, "name"), message)
            self._resolve_inside((*_TEMPLATES, index), template, library=None)
        while self._taken:
            key = next(iter(self._taken))
            del self._taken[key]
            self._take(key, templates)

    def _take(self, key: str, templates: list[Any]) -> None:
        if any(_name(template) == key for template in templates):
            return
        library, _, name = key.rpartition("/")
        document = self.libraries[library]
        found: Any = document.get(_TEMPLATES)
        index = next(index for index, one in enumerate(found) if _name(one) == name)
        at: Loc = (*_TEMPLATES, len(templates))
        template = self._copy(document, (*_TEMPLATES, index), at)
        template["name"] = key
        templates.append(template)
        self._resolve_inside(at, template, library=library)

    def _resolve_inside(self, loc: Loc, template: Any, library: str | None) -> None:
        for at, call in _calls(loc, template):
            self._resolve(at, call, library)

    def _resolve(self, at: Loc, call: dict[str, Any], library: str | None) -> None:
        """Let a task, step or hook name a template of the Workflow itself."""
        if "templateRef" not in call:
            name = call.get("template")
            if library is not None and isinstance(name, str):
                self._name(call, (*at, "template"), library, name)
            return
        reference = call.pop("templateRef")
        place = (*at, "templateRef")
        both = "template" in call
        self._marks[(*at, "template")] = self._marks[place]
        call["template"] = ""
        if both:
            self._complain(place, "Argo takes template or templateRef, not both")
            return
        found = self._library(place, reference, ("name", "template"))
        if found is not None:
            self._name(call, place, found, reference["template"])

    def _name(self, call: dict[str, Any], at: Loc, library: str, name: str) -> None:
        call["template"] = key = f"{library}/{name}"
        known = [_name(one) for one in _list(self.libraries[library].get(_TEMPLATES))]
        if name in known:
            self._taken[key] = None
            return
        meant = nearest(name, [one for one in known if one])
        advice = f'; did you mean "{meant}"?' if meant else ""
        self._complain(at, f'"{library}" has no template called "{name}"{advice}')

    def _library(self, at: Loc, reference: Any, keys: tuple[str, ...]) -> str | None:
        """Return the name of the document that a reference means; None where it is wrong."""
        known = (*keys, "clusterScope")
        if (
            not isinstance(reference, dict)
            or set(reference) - set(known)
            or not all(isinstance(reference.get(key), str) for key in keys)
            or not isinstance(reference.get("clusterScope", False), bool)
        ):
            self._complain(
                at, f"{at[-1]}: a mapping with {', '.join(keys)} and, if need be, clusterScope"
            )
            return None
        is_cluster = reference.get("clusterScope", False)
        name = f"{'cluster:' if is_cluster else ''}{reference['name']}"
        if name in self.libraries:
            return name
        kind = _kind(reference)
        meant = nearest(name, self.libraries)
        advice = f'did you mean "{meant}"?' if meant else "put it into this file, after a line ---"
        self._complain(at, f'no {kind} in this file is called "{reference["name"]}"; {advice}')
        return None

    def _complain(self, at: Loc, message: str) -> None:
        document = dataclasses.replace(self.workflow, marks=self._marks)
        self.problems.append(document.problem(at, message))


def _calls(loc: Loc, template: Any) -> Iterator[tuple[Loc, dict[str, Any]]]:
    """Yield what names templates inside of a raw template: tasks, steps and their hooks."""
    if not isinstance(template, dict):
        return
    dag = template.get("dag")
    for index, task in enumerate(_list(dag.get("tasks") if isinstance(dag, dict) else None)):
        yield from _call((*loc, "dag", "tasks", index), task)
    for number, group in enumerate(_list(template.get("steps"))):
        for index, step in enumerate(_list(group)):
            yield from _call((*loc, "steps", number, index), step)


def _call(loc: Loc, raw: Any) -> Iterator[tuple[Loc, dict[str, Any]]]:
    if isinstance(raw, dict):
        yield loc, raw
        yield from _hooks(loc, raw)


def _hooks(loc: Loc, raw: dict[str, Any]) -> Iterator[tuple[Loc, dict[str, Any]]]:
    hooks = raw.get("hooks")
    for name, hook in hooks.items() if isinstance(hooks, dict) else ():
        if isinstance(hook, dict):
            yield (*loc, "hooks", name), hook


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _name(raw: Any) -> str | None:
    name = raw.get("name") if isinstance(raw, dict) else None
    return name if isinstance(name, str) else None
