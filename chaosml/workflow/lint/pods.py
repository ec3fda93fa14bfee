"""Checks of what a Workflow says about its pods: retries, deadlines, patches, containers."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

from chaosml.document import Loc, parse
from chaosml.errors import Problem, ScenarioError
from chaosml.workflow import fields
from chaosml.workflow.lint.outline import Outline
from chaosml.workflow.model import Container, EnvVar, Script, Template
from chaosml.workflow.retry import parse_duration_ns
from chaosml.workflow.state import ControllerError

__all__ = ["check_pods"]

_TAG = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "status.podIP",
)
_FIELD_PATH_OF_MAP = re.compile(r"metadata\.labels\['[^']+'\]")
_HOSTNAME = "kubernetes.io/hostname"


def check_pods(known: Outline) -> Iterator[Problem]:
    """Yield what is wrong with retry strategies, deadlines, patches, volumes and containers."""
    for place in (("spec",), ("spec", "templateDefaults")):
        yield from _check_settings(known, place)
    for loc, template in known.located():
        yield from _check_settings(known, loc)
        yield from _check_outputs(known, loc, template)
        if template.main is None:
            yield from _check_without_pod(known, loc, template)
        else:
            kind = "container" if template.container is not None else "script"
            yield from _check_container(known, (*loc, kind), template.main, template)


def _check_settings(known: Outline, loc: Loc) -> Iterator[Problem]:
    """Check what the workflow, its defaults and templates have in common."""
    document = known.document
    retries = document.get((*loc, "retryStrategy"))
    if isinstance(retries, dict):
        yield from _check_retries(known, (*loc, "retryStrategy"), retries)
    seconds = document.get((*loc, "activeDeadlineSeconds"))
    if loc != ("spec",) and isinstance(seconds, str | int) and not isinstance(seconds, bool):
        text = str(seconds)
        if "{{" not in text and not (text.isdigit() and int(text) > 0):
            message = f'activeDeadlineSeconds: "{text}" is no positive whole number or {{{{…}}}}'
            yield document.problem((*loc, "activeDeadlineSeconds"), message)
    for at in ((*loc, "timeout"), (*loc, "memoize", "maxAge")):
        text = document.get(at)
        if isinstance(text, str) and text and "{{" not in text and not _is_go_duration(text):
            message = f'{at[-1]}: "{text}" is no Go duration such as 30s or 1m30s'
            yield document.problem(at, message)
    patch = document.get((*loc, "podSpecPatch"))
    if isinstance(patch, str):
        yield from _check_patch(known, (*loc, "podSpecPatch"), patch)
    selector = document.get((*loc, "nodeSelector"))
    for key in selector if isinstance(selector, dict) else ():
        if key != _HOSTNAME:
            message = (
                f'nodeSelector: the label "{key}" is not supported by the embedded substrate, '
                f"whose nodes carry only {_HOSTNAME}"
            )
            yield document.problem((*loc, "nodeSelector", key), message, key=True)


def _check_retries(known: Outline, at: Loc, raw: dict[str, Any]) -> Iterator[Problem]:
    limit = raw.get("limit")
    if isinstance(limit, str) and "{{" not in limit and not re.fullmatch(r"[+-]?\d+", limit):
        message = f'retryStrategy.limit: "{limit}" is no whole number or {{{{…}}}}'
        yield known.document.problem((*at, "limit"), message)
    backoff = raw.get("backoff")
    if not isinstance(backoff, dict):
        return
    at = (*at, "backoff")
    if not backoff.get("duration"):
        message = "backoff: Argo fails the vertex where there is no duration; write one such as 5s"
        yield known.document.problem(at, message, key=True)
    factor = backoff.get("factor")
    if isinstance(factor, str) and "{{" not in factor and not re.fullmatch(r"[+-]?\d+", factor):
        message = (
            f'backoff.factor: "{factor}" is no whole number; Argo fails the vertex; write 2 or "2"'
        )
        yield known.document.problem((*at, "factor"), message)
    for key in ("duration", "maxDuration", "cap"):
        value = backoff.get(key)
        if isinstance(value, str) and value and "{{" not in value and not _is_duration(value):
            message = (
                f'backoff.{key}: "{value}" is no duration such as "30" (seconds), 30s or 1m30s'
            )
            yield known.document.problem((*at, key), message)


def _is_duration(text: str) -> bool:
    try:
        parse_duration_ns(text)
    except ControllerError:
        return False
    return True


def _is_go_duration(text: str) -> bool:
    return _is_duration(text) and not text.isdigit()


def _check_patch(known: Outline, at: Loc, source: str) -> Iterator[Problem]:
    """Check a patch of the pod's specification with a number for every tag."""
    document = known.document
    try:
        patch = parse(_TAG.sub("1", source), pathlib.Path("podSpecPatch")).data
    except ScenarioError as error:
        inner = error.problems[0]
        message = f"podSpecPatch (line {inner.line}): {inner.message}"
        yield document.problem(at, message)
        return
    for key, value in patch.items():
        if key == "terminationGracePeriodSeconds":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                message = f"podSpecPatch: {key} is a whole number of seconds, found {value!r}"
                yield document.problem(at, message)
        elif key not in fields.POD_SPEC_WITHOUT_EFFECT:
            advice = (
                "write it in the template"
                if "ontainers" in key
                else "the embedded substrate understands terminationGracePeriodSeconds there"
            )
            message = f'podSpecPatch: "{key}" is not supported by the embedded substrate; {advice}'
            yield document.problem(at, message)


def _check_outputs(known: Outline, loc: Loc, template: Template) -> Iterator[Problem]:
    is_pod = template.main is not None
    wanted = ("path",) if is_pod else ("parameter", "expression")
    for index, output in enumerate(template.outputs.parameters):
        at = (*loc, "outputs", "parameters", index, "valueFrom")
        source = output.value_from
        sources = ("path", "parameter", "expression")
        given = [key for key in sources if getattr(source, key) is not None]
        if len(given) != 1 or given[0] not in wanted:
            what = "a container or script" if is_pod else "dag and steps"
            message = (
                f'the output parameter "{output.name}" of {what} takes valueFrom with '
                f"{' or '.join(wanted)}, found {' and '.join(given) or 'none'}"
            )
            yield known.document.problem(at, message)
        elif source.path is not None and not source.path.startswith(("/", "{{")):
            message = f'valueFrom.path: "{source.path}" is not absolute; write /tmp/{source.path}'
            yield known.document.problem((*at, "path"), message)


def _check_without_pod(known: Outline, loc: Loc, template: Template) -> Iterator[Problem]:
    """Refuse what Argo takes only for a template that is a pod."""
    if template.active_deadline_seconds is not None:
        message = "activeDeadlineSeconds: Argo takes it only for a container or script"
        yield known.document.problem((*loc, "activeDeadlineSeconds"), message, key=True)


def _check_container(
    known: Outline, loc: Loc, main: Container | Script, template: Template
) -> Iterator[Problem]:
    names: set[str] = set()
    for index, variable in enumerate(main.env):
        at = (*loc, "env", index)
        yield from _check_variable(known, at, variable)
        if variable.name in names:
            message = f'the variable "{variable.name}" is given twice; only the last would count'
            yield known.document.problem((*at, "name"), message)
        names.add(variable.name)
    yield from _check_mounts(known, loc, main, template)
    directory = main.working_dir
    if directory is not None and not directory.startswith(("/", "{{")):
        message = f'workingDir: "{directory}" is not absolute'
        yield known.document.problem((*loc, "workingDir"), message)


def _check_variable(known: Outline, at: Loc, variable: EnvVar) -> Iterator[Problem]:
    document = known.document
    if not _ENV_NAME.fullmatch(variable.name):
        yield document.problem((*at, "name"), f'"{variable.name}" is no name for a variable')
    source = variable.value_from
    if source is None:
        return
    if variable.value:
        message = f'"{variable.name}" has a value and a valueFrom; Kubernetes takes one'
        yield document.problem(at, message)
    if (source.secret_key_ref is None) == (source.field_ref is None):
        message = f'"{variable.name}": valueFrom takes one of secretKeyRef and fieldRef'
        yield document.problem((*at, "valueFrom"), message)
    if source.field_ref is not None:
        path = source.field_ref.field_path
        if path not in _FIELD_PATHS and not _FIELD_PATH_OF_MAP.fullmatch(path):
            message = (
                f'fieldPath: "{path}" is not supported by the embedded substrate; it has '
                f"{', '.join(_FIELD_PATHS)} and metadata.labels['NAME']"
            )
            yield document.problem((*at, "valueFrom", "fieldRef", "fieldPath"), message)


def _check_mounts(
    known: Outline, loc: Loc, main: Container | Script, template: Template
) -> Iterator[Problem]:
    volumes = {volume.name for volume in template.volumes} | _shared_volumes(known)
    paths: set[str] = set()
    for index, mount in enumerate(main.volume_mounts):
        at = (*loc, "volumeMounts", index)
        if mount.name not in volumes:
            listed = ", ".join(sorted(volumes)) or "none"
            message = f'no volume is called "{mount.name}"; there are: {listed}'
            yield known.document.problem((*at, "name"), message)
        if not mount.mount_path.startswith(("/", "{{")):
            message = f'mountPath: "{mount.mount_path}" is not absolute'
            yield known.document.problem((*at, "mountPath"), message)
        if mount.mount_path in paths:
            message = f'mountPath: "{mount.mount_path}" is mounted twice'
            yield known.document.problem((*at, "mountPath"), message)
        paths.add(mount.mount_path)


def _shared_volumes(known: Outline) -> set[str]:
    raw = known.document.get(("spec", "volumes"))
    volumes = raw if isinstance(raw, list) else []
    return {str(volume.get("name")) for volume in volumes if isinstance(volume, dict)}
