"""Checks of the artifact contract: patterns, their groups, markers, parts, final steps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from chaosml.document import Loc, nearest
from chaosml.errors import Problem
from chaosml.scenario.model import Artifact
from chaosml.scenario.parts import Parts
from chaosml.workflow.load import Examination

__all__ = ["check_artifacts", "find_final_step"]

_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}")
_PARAMETER = re.compile(r"\{\{\s*(?:workflow\.)?parameters\.([^\s{}]+)\s*\}\}")


def check_artifacts(parts: Parts, examined: Examination | None) -> Iterator[Problem]:
    """Yield what is wrong with `pipeline.artifacts` and `pipeline.registry`."""
    for index, artifact in parts.artifacts.items():
        yield from _check_artifact(parts, ("pipeline", "artifacts", index), artifact)
        yield from _check_final_step(
            parts, ("pipeline", "artifacts", index, "final-step"), artifact, examined
        )
    registry = parts.document.get(("pipeline", "registry"))
    if isinstance(registry, str):
        try:
            re.compile(registry)
        except re.error as error:
            message = f'registry: "{registry}" is no regular expression: {error}'
            yield parts.document.problem(("pipeline", "registry"), message)


def _check_artifact(parts: Parts, at: Loc, artifact: Artifact) -> Iterator[Problem]:
    document = parts.document
    try:
        groups = re.compile(artifact.key).groupindex.keys()
    except re.error as error:
        message = f'key: "{artifact.key}" is no regular expression: {error}'
        yield document.problem((*at, "key"), message)
        return
    if artifact.commit == "marker-last" and artifact.marker is None:
        message = (
            "commit: marker-last needs the key of the marker that commits the object, such as "
            "marker: 'checkpoints/step-{step}/manifest.json'"
        )
        yield document.problem((*at, "commit"), message)
    if artifact.parts and artifact.commit != "in-place":
        message = f"parts belong to commit: in-place, found commit: {artifact.commit}"
        yield document.problem((*at, "parts"), message, key=True)
    if artifact.marker is not None:
        yield from _check_holes(parts, (*at, "marker"), artifact.marker, groups)
    for index, part in enumerate(artifact.parts):
        yield from _check_holes(parts, (*at, "parts", index), part, groups)


def _check_holes(
    parts: Parts, at: Loc, template: str, groups: Collection[str]
) -> Iterator[Problem]:
    for name in _HOLE.findall(template):
        if name not in groups:
            meant = nearest(name, groups)
            listed = ", ".join(groups) or "none"
            advice = f'did you mean "{{{meant}}}"?' if meant else f"the groups are: {listed}"
            message = f'"{template}" names {{{name}}}, a group that the key has not; {advice}'
            yield parts.document.problem(at, message)


def _check_final_step(
    parts: Parts, at: Loc, artifact: Artifact, examined: Examination | None
) -> Iterator[Problem]:
    source = artifact.final_step
    if source is None:
        return
    document = parts.document
    if _carries_no_step(artifact):
        message = (
            "final-step: nothing of this artifact says its step: add the group (?P<step>\\d+) to "
            "the key, a marker, or a format other than bytes"
        )
        yield document.problem(at, message)
    declared = _declared(examined)
    for name in _PARAMETER.findall(source):
        if declared is not None and name not in declared:
            meant = nearest(name, declared)
            advice = f'; did you mean "{meant}"?' if meant else ""
            message = f'final-step: the workflow declares no parameter "{name}"{advice}'
            yield document.problem(at, message)
    filled = _fill(source, parts, examined)
    if filled is not None and not (filled.isascii() and filled.isdigit()):
        message = f'final-step: "{source}" is "{filled}" and not the number of a step'
        yield document.problem(at, message)


def _carries_no_step(artifact: Artifact) -> bool:
    try:
        groups = re.compile(artifact.key).groupindex
    except re.error:
        return False
    has_document = artifact.marker is not None or any(
        part.endswith(".json") for part in artifact.parts
    )
    return "step" not in groups and artifact.format == "bytes" and not has_document


def _declared(examined: Examination | None) -> dict[str, str | None] | None:
    arguments = examined.outline.arguments if examined is not None else None
    if arguments is None:
        return None
    return {parameter.name: parameter.value for parameter in arguments.parameters}


def _fill(source: str, parts: Parts, examined: Examination | None) -> str | None:
    """Return a final step with its parameters put in; None where one is not known."""
    raw = parts.document.get(("pipeline", "parameters"))
    given = {**(_declared(examined) or {}), **(raw if isinstance(raw, dict) else {})}
    values = {name: value for name, value in given.items() if isinstance(value, str)}
    if any(name not in values for name in _PARAMETER.findall(source)):
        return None
    return _PARAMETER.sub(lambda found: values[found.group(1)], source).strip()


def find_final_step(parts: Parts, examined: Examination | None) -> int | None:
    """Return the last step that any artifact must hold; None where none says it."""
    sources = [artifact.final_step for artifact in parts.artifacts.values()]
    filled = [_fill(source, parts, examined) for source in sources if source is not None]
    return max((int(text) for text in filled if text and text.isdecimal()), default=None)
