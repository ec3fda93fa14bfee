"""A workflow file as the subject of a scenario: what it says of itself, and what it lacks."""

from __future__ import annotations

import pathlib
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from chaosml.document import Document, read_all
from chaosml.errors import Problem, ScenarioError
from chaosml.lint import kubeflow
from chaosml.lint.part import Part
from chaosml.scaffold.subject import Image, Subject, Task
from chaosml.workflow import load as workflow_load
from chaosml.workflow.load import Examination
from chaosml.workflow.model import Template

__all__ = ["Converted", "as_workflow", "read_subject", "texts_of"]

_TRAINING = re.compile(r"train|fit|finetune|fine-tune|learn|sft|pretrain")
_BUCKET = re.compile(r"(^|[-_])(s3|artifact|output|data|ckpt|checkpoint)?[-_]?bucket([-_]?name)?$")
_RUN = re.compile(r"^(run|experiment|job)[-_]?(id|name)$")
_REGISTRY = re.compile(r"^(model[-_])?registry([-_](name|prefix))?$")
_URI = re.compile(r"s3://(?!\{\{)[^\s/'\"]+(?:/[^\s'\"]*)?")
_TEMPLATE_KINDS = ("WorkflowTemplate", "ClusterWorkflowTemplate")


@dataclass(frozen=True, slots=True)
class Converted:
    """A file of another kind as a Workflow."""

    text: str
    lines_before: int | None
    """Lines before the original text in it; None where it is another text altogether."""
    place: Problem
    """Where in the original stands what became of it, for what cannot be placed better."""

    def at_home(self, problem: Problem) -> Problem:
        """Return a problem of the Workflow as one of the original file."""
        line = 0 if self.lines_before is None else problem.line - self.lines_before
        if line < 1:
            return Problem(self.place.file, self.place.line, self.place.column, problem.message)
        return Problem(self.place.file, line, problem.column, problem.message)


def as_workflow(path: pathlib.Path) -> Converted | None:
    """Return a file of another kind as a Workflow document; None where it is one already.

    Raises:
        ScenarioError: it can be none, with the reason.
    """
    documents = read_all(path)
    if any(one.get(("kind",)) == "Workflow" for one in documents):
        return None
    first = documents[0]
    if kubeflow.is_package(Part.whole(first)):
        raise ScenarioError([first.problem((), _KUBEFLOW)])
    kind = first.get(("kind",))
    if kind == "CronWorkflow":
        return _of_cron(first)
    if kind in _TEMPLATE_KINDS:
        return _of_template(first, path)
    workflow_load.examine(path)  # Says what it is instead.
    return None


_KUBEFLOW = (
    "a compiled Kubeflow package: `chaosml lint` reads it, but only the Kubeflow backend makes "
    "workflow pods of it, so it cannot be run here. What can be done: take the trainer's own "
    "command (`chaosml init -- python train.py --out {store}`), which is what one component runs"
)


def _of_cron(document: Document) -> Converted:
    spec = document.get(("spec", "workflowSpec"))
    if not isinstance(spec, dict):
        problem = document.problem(("spec",), "a CronWorkflow has its workflow in workflowSpec")
        raise ScenarioError([problem])
    name = str(document.get(("metadata", "name")) or "cron")
    place = document.problem(("spec", "workflowSpec"), "workflowSpec", key=True)
    return Converted(_dump(f"the CronWorkflow {name}", name, spec), None, place)


def _of_template(document: Document, path: pathlib.Path) -> Converted:
    name = str(document.get(("metadata", "name")) or "template")
    reference: dict[str, Any] = {"name": name}
    if document.get(("kind",)) == "ClusterWorkflowTemplate":
        reference["clusterScope"] = True
    spec: dict[str, Any] = {"workflowTemplateRef": reference}
    arguments = document.get(("spec", "arguments"))
    if arguments is not None:
        spec["arguments"] = arguments
    text = path.read_text(encoding="utf-8")
    separator = "" if text.startswith("---") else "---\n"
    head = _dump(f"the template {name}", name, spec) + separator
    return Converted(head + text, head.count("\n"), document.problem(("kind",), "kind"))


def _dump(what: str, name: str, spec: dict[str, Any]) -> str:
    whole = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": f"{name}-"},
        "spec": spec,
    }
    head = f"# {what} as a Workflow, written by `chaosml init`: it is what runs are made from.\n"
    return head + yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def read_subject(path: pathlib.Path, name: str, source: str) -> Subject:
    """Return what a Workflow document says of itself.

    Raises:
        ScenarioError: everything for which it cannot run embedded, or not be kept apart from
            other executions.
    """
    examined = workflow_load.examine(path)
    problems = list(examined.problems)
    declared = _parameters(examined)
    bucket = _find(_BUCKET, declared)
    if bucket is None:
        problems += _without_bucket(examined, declared)
    if problems or bucket is None:
        raise ScenarioError(problems)
    loaded = workflow_load.settle(examined, {})
    tasks = tuple(_tasks(examined, loaded.retry_policies()))
    training, why = _training(tasks)
    return Subject(
        name=name,
        workflow=path,
        source=source,
        tasks=tasks,
        training=training,
        why_training=why,
        parameters={one: value or "" for one, value in declared.items()},
        bucket=bucket,
        run_id=_find(_RUN, declared),
        registry=_find(_REGISTRY, declared),
        images=tuple(Image(one) for one in dict.fromkeys(_images(examined)) if one),
        secrets=_secrets(examined),
        notes=tuple(_notes(examined)),
    )


def _parameters(examined: Examination) -> dict[str, str | None]:
    arguments = examined.outline.arguments
    return {} if arguments is None else {one.name: one.value for one in arguments.parameters}


def _find(pattern: re.Pattern[str], names: Mapping[str, object]) -> str | None:
    return next((name for name in names if pattern.search(name)), None)


def _without_bucket(examined: Examination, declared: Mapping[str, object]) -> Iterator[Problem]:
    """Yield why executions cannot be kept apart, and each place that names a bucket outright."""
    document = examined.document
    listed = ", ".join(declared) or "none"
    yield document.problem(
        ("spec", "arguments", "parameters"),
        f"no parameter carries the bucket (there are: {listed}), so executions would share one: "
        "declare {name: bucket, value: …} and write {{workflow.parameters.bucket}} where its name "
        "stands",
    )
    for loc, template in examined.outline.located():
        for kind, text in _texts(template):
            for uri in _URI.findall(text):
                message = (
                    f"{uri}: names its bucket; write s3://{{{{workflow.parameters.bucket}}}}/…"
                )
                yield document.problem((*loc, kind), message, key=True)


def _texts(template: Template) -> Iterator[tuple[str, str]]:
    kind = "container" if template.container is not None else "script"
    main = template.main
    if main is None:
        return
    for text in (*main.command, *(getattr(main, "args", None) or ())):
        yield kind, text
    if template.script is not None:
        yield kind, template.script.source
    for variable in main.env:
        yield kind, variable.value or ""


def _called(examined: Examination) -> Iterator[tuple[str, Template]]:
    """Yield the tasks that are pods with their templates, in the order of the document."""
    outline = examined.outline
    pods = outline.pod_tasks()
    named = [(vertex.name, vertex.template) for _, vertex in outline.vertices()]
    for key in ("entrypoint", "onExit"):
        own = outline.names_template(("spec", key))
        if own is not None:
            named.append((own, own))
    for name, template_name in dict(named).items():
        template = outline.template(template_name)
        if name in pods and template is not None and template.main is not None:
            yield name, template


def _tasks(examined: Examination, policies: Mapping[str, str]) -> Iterator[Task]:
    for name, template in _called(examined):
        main = template.main
        args = getattr(main, "args", None) or ()
        command = " ".join([*(main.command if main is not None else ()), *args])
        yield Task(name, policies.get(name, "Never"), command)


def _training(tasks: tuple[Task, ...]) -> tuple[str, str]:
    for task in tasks:
        if _TRAINING.search(task.name.lower()):
            return task.name, "by its name"
    for task in tasks:
        if _TRAINING.search(task.command.lower()):
            return task.name, "by its command"
    return tasks[-1].name, "no name says which task trains, and this one is the last"


def _images(examined: Examination) -> Iterator[str]:
    for _, template in _called(examined):
        yield getattr(template.main, "image", "") or ""


def _secrets(examined: Examination) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for _, name, key in examined.outline.secrets():
        found.setdefault(name, {})[key] = None
    return {name: tuple(keys) for name, keys in found.items()}


def _notes(examined: Examination) -> Iterator[str]:
    """Yield what will be another thing on this machine than in a cluster."""
    path = f"{pathlib.Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    for name, template in _called(examined):
        main = template.main
        if main is None or not main.command or "{{" in main.command[0]:
            continue
        program = main.command[0]
        if shutil.which(program, path=path) is None:
            yield (
                f"task {name}: there is no program {program!r} beside the Python that runs "
                "chaosml; name the environment that has it: embedded: {images: "
                f"{{'{main.image}': {{python: path/to/bin/python}}}}}}"
            )
    for image in dict.fromkeys(_images(examined)):
        yield f"image {image}: the Python that runs chaosml stands for it (embedded.images)"
    for secret, keys in _secrets(examined).items():
        yield (
            f"secret {secret}: export a variable for each of its keys ({', '.join(keys)}), as "
            "embedded.secrets names them"
        )


def texts_of(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yield what the containers of each task are told, by the task's name."""
    for name, template in _called(workflow_load.examine(path)):
        for _, text in _texts(template):
            yield name, text
