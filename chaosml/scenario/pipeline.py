"""Checks of what a scenario says about its pipeline against the workflow and this machine."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chaosml.document import Loc, nearest
from chaosml.errors import Problem
from chaosml.scenario.parts import Parts
from chaosml.workflow.load import Examination

__all__ = ["check_environment", "check_pipeline", "describe_undeclared", "describe_unknown_task"]

_TAG = re.compile(r"\{\{\s*(.*?)\s*\}\}")
_TAGS = ("git.commit", "workflow.name", "workflow.namespace", "workflow.uid")
"""What values of parameters may name; `git.commit` is the commit of the checkout."""
_PARAMETERS: tuple[Loc, ...] = (("pipeline", "parameters"), ("cluster", "parameters"))


def check_pipeline(parts: Parts, examined: Examination | None) -> Iterator[Problem]:
    """Yield what of `pipeline` does not fit the workflow."""
    yield from _check_parameters(parts, examined)
    pipeline = parts.pipeline
    if pipeline is None:
        return
    at: Loc = ("pipeline", "progress", "log")
    source = (pipeline.progress or {}).get("log")
    if pipeline.progress is not None and source is None:
        message = "progress: give log: a regular expression with the group (?P<step>…)"
        yield parts.document.problem(("pipeline", "progress"), message)
    if source is not None:
        yield from _check_progress(parts, at, source)
    task = pipeline.training_task
    if task is not None and examined is not None and task not in examined.outline.pod_tasks():
        message = f"training-task: {describe_unknown_task(examined, task)}"
        yield parts.document.problem(("pipeline", "training-task"), message)


def _check_progress(parts: Parts, at: Loc, source: str) -> Iterator[Problem]:
    try:
        pattern = re.compile(source)
    except re.error as error:
        yield parts.document.problem(at, f'"{source}" is no regular expression: {error}')
        return
    if "step" not in pattern.groupindex:
        message = f'"{source}" has no group for the step; write (?P<step>\\d+) where it stands'
        yield parts.document.problem(at, message)


def _check_parameters(parts: Parts, examined: Examination | None) -> Iterator[Problem]:
    arguments = examined.outline.arguments if examined is not None else None
    declared = None if arguments is None else [one.name for one in arguments.parameters]
    for section in _PARAMETERS:
        yield from _check_given(parts, section, declared)
    for key, name in parts.isolated.items():
        if declared is not None and name not in declared:
            place = ("pipeline", "isolate", key)
            yield parts.document.problem(
                place, f"isolate.{key}: {describe_undeclared(name, declared)}"
            )


def _check_given(parts: Parts, section: Loc, declared: Collection[str] | None) -> Iterator[Problem]:
    """Yield what is wrong with the parameters of one section."""
    document = parts.document
    raw = document.get(section)
    for name, value in raw.items() if isinstance(raw, dict) else ():
        at: Loc = (*section, name)
        if name in parts.isolated.values():
            message = f'"{name}" is set by pipeline.isolate; remove it here or there'
            yield document.problem(at, message, key=True)
        for tag in _TAG.findall(value) if isinstance(value, str) else ():
            if tag not in _TAGS:
                message = f"{{{{{tag}}}}} is unknown here; there are: {', '.join(_TAGS)}"
                yield document.problem(at, message)
        if declared is not None and name not in declared:
            yield document.problem(at, describe_undeclared(name, declared), key=True)


def describe_undeclared(name: str, declared: Collection[str]) -> str:
    """Return what is wrong with the name of a parameter that the workflow does not declare."""
    meant = nearest(name, declared)
    listed = ", ".join(declared) or "none"
    advice = f'did you mean "{meant}"?' if meant else f"it has: {listed}"
    return f'the workflow declares no parameter "{name}"; {advice}'


def describe_unknown_task(examined: Examination, name: str) -> str:
    """Return what is wrong with the name of a task that is no pod of the workflow."""
    tasks = sorted(examined.outline.pod_tasks())
    if any(vertex.name == name for _, vertex in examined.outline.vertices()):
        return f'"{name}" is a dag or steps; name one of its pods: {", ".join(tasks)}'
    meant = nearest(name, tasks)
    advice = f'did you mean "{meant}"?' if meant else f"there are: {', '.join(tasks)}"
    return f'the workflow has no task "{name}"; {advice}'


def check_environment(
    parts: Parts, examined: Examination | None, environment: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield what the embedded substrate needs of this machine and does not find."""
    if parts.embedded is None:
        return
    for pattern, mapping in parts.embedded.images.items():
        yield from _check_image(parts, ("embedded", "images", pattern), mapping)
    for secret, keys in parts.embedded.secrets.items():
        for key, variable in keys.items():
            if variable not in environment:
                at: Loc = ("embedded", "secrets", secret, key)
                message = f'the environment variable "{variable}" is not set; export it'
                yield parts.document.problem(at, message)
    if examined is not None:
        yield from _check_secrets(parts, examined)


def _check_image(parts: Parts, at: Loc, mapping: Mapping[Any, str]) -> Iterator[Problem]:
    """Yield what is not there of that which stands for an image."""
    if not mapping:
        yield parts.document.problem(at, "give python: the path of an interpreter")
    python, folder = mapping.get("python"), mapping.get("folder")
    if python is not None:
        file = parts.document.path.parent / pathlib.Path(python)
        if not os.access(file, os.X_OK) or file.is_dir():
            message = f'python: "{python}" is no program; the path is relative to the scenario'
            yield parts.document.problem((*at, "python"), message)
    if folder is not None and not (parts.document.path.parent / folder).is_dir():
        message = f'folder: "{folder}" is no folder; the path is relative to the scenario'
        yield parts.document.problem((*at, "folder"), message)


def _check_secrets(parts: Parts, examined: Examination) -> Iterator[Problem]:
    """Every secret that the workflow reads needs a source."""
    known = parts.embedded.secrets if parts.embedded is not None else {}
    for at, name, key in examined.outline.secrets():
        if key not in known.get(name, {}):
            message = (
                f'the scenario gives no value for key "{key}" of secret "{name}"; write '
                f"embedded: {{secrets: {{{name}: {{{key}: NAME_OF_A_VARIABLE}}}}}}"
            )
            yield examined.document.problem(at, message)
