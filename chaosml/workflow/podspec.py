"""From a pod template to everything that a driver needs to run one attempt of it.

Source: argo-workflows workflow/controller/workflowpod.go `createWorkflowPod`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

import yaml

from chaosml.workflow import limits, retry
from chaosml.workflow.model import Container, EnvVar, Script, Template
from chaosml.workflow.names import node_id, own_name, pod_name
from chaosml.workflow.protocol import EnvironmentVariable, OutputFile, PodSpec
from chaosml.workflow.state import ControllerError, Invocation, Operation, State
from chaosml.workflow.substitution import UnresolvedReference, substitute

__all__ = ["build"]

_LABEL = "workflows.argoproj.io"
_GRACE_S = 30.0
_NO_DEADLINE = "0001-01-01T00:00:00Z"


class _Substitution:
    """The variables of one attempt, applied to the parts of its template."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, text: str) -> str:
        try:
            return substitute(text, self._variables)
        except UnresolvedReference as error:
            raise ControllerError(str(error)) from error

    def optional(self, text: str | None) -> str | None:
        return None if text is None else self.text(text)

    def texts(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.text(text) for text in texts)

    def mapping(self, texts: Mapping[str, str]) -> dict[str, str]:
        return {key: self.text(value) for key, value in texts.items()}


def build(
    operation: Operation,
    template: Template,
    invocation: Invocation,
    variables: Mapping[str, str],
) -> PodSpec:
    """Return the pod of an attempt.

    Raises:
        ControllerError: a tag cannot be resolved, or a value that a tag gave is of no use.
    """
    state, main = operation.before, template.main
    if main is None:
        raise ControllerError(f"Template '{template.name}' missing specification")
    fill = _Substitution(variables)
    patched_s = _patched_grace_s(state, template, fill)
    captures = _result_is_read(state, invocation)
    environment = tuple(_variable(variable, fill) for variable in main.env)
    return PodSpec(
        pod=pod_name(state.name, invocation.vertex, template.name),
        vertex=invocation.vertex,
        template=own_name(template.name),
        task=invocation.task,
        attempt=invocation.attempt or 0,
        image=fill.text(main.image),
        command=fill.texts(main.command),
        args=fill.texts(main.args),
        script=fill.text(main.source) if isinstance(main, Script) else None,
        environment=(*environment, *_argo_variables(state, invocation, captures, patched_s)),
        working_directory=fill.optional(main.working_dir),
        output_files=_output_files(template, fill),
        capture_result=captures,
        grace_s=_GRACE_S if patched_s is None else patched_s,
        pre_stop=None if main.pre_stop is None else fill.texts(main.pre_stop),
        mounts={fill.text(mount.mount_path): mount.name for mount in main.volume_mounts},
        deadline_s=_deadline_s(template, invocation, fill, variables),
        labels=_labels(state, template, invocation, fill),
        annotations=_annotations(state, template, invocation, fill),
        node_selector=fill.mapping(template.node_selector or state.workflow.spec.node_selector),
        avoid_nodes=retry.nodes_to_avoid(operation, invocation),
        requested_cpu=_requested_cpu(main),
        hooked=invocation.hooked,
    )


def _requested_cpu(main: Container | Script) -> float:
    requested = main.resources.requested_cpu
    return 1.0 if requested is None else requested


def _output_files(template: Template, fill: _Substitution) -> tuple[OutputFile, ...]:
    return tuple(
        OutputFile(
            parameter.name,
            fill.text(parameter.value_from.path),
            fill.optional(parameter.value_from.default),
        )
        for parameter in template.outputs.parameters
        if parameter.value_from.path is not None
    )


def _variable(variable: EnvVar, fill: _Substitution) -> EnvironmentVariable:
    source = variable.value_from
    secret = source.secret_key_ref if source is not None else None
    field = source.field_ref if source is not None else None
    if secret is not None:
        return EnvironmentVariable(
            variable.name, secret=(fill.text(secret.name), fill.text(secret.key))
        )
    if field is not None:
        return EnvironmentVariable(variable.name, field=field.field_path)
    return EnvironmentVariable(variable.name, value=fill.text(variable.value or ""))


def _argo_variables(
    state: State, invocation: Invocation, captures: bool, patched_s: float | None
) -> tuple[EnvironmentVariable, ...]:
    """Return what Argo adds to every container.

    `ARGO_PROGRESS_FILE` is left out, as a controller without progress reports leaves it out: its
    path lies outside of what a pod may write to here.
    """
    variables = {
        "ARGO_CONTAINER_NAME": "main",
        "ARGO_NODE_ID": node_id(state.name, invocation.vertex),
        "ARGO_INCLUDE_SCRIPT_OUTPUT": "true" if captures else "false",
        "ARGO_DEADLINE": _argo_deadline(state, invocation),
        "ARGO_WORKFLOW_NAME": state.name,
    }
    if patched_s is not None:
        variables["ARGO_TERMINATION_GRACE_PERIOD_SECONDS"] = f"{patched_s:.0f}"
    return tuple(EnvironmentVariable(name, value=value) for name, value in variables.items())


def _argo_deadline(state: State, invocation: Invocation) -> str:
    ends = [invocation.deadline_ns, None if invocation.on_exit else state.deadline_ns]
    known = [end for end in ends if end is not None]
    if not known:
        return _NO_DEADLINE
    at: datetime.datetime = state.timestamp(min(known))
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _deadline_s(
    template: Template,
    invocation: Invocation,
    fill: _Substitution,
    variables: Mapping[str, str],
) -> float | None:
    """Return the template's own deadline; the workflow's is kept by the reducer itself.

    A `timeout` replaces `activeDeadlineSeconds`, whichever is longer. Argo counts it from the
    vertex's start and cuts what is left of it then to whole seconds, so that one goes missing.
    """
    limit_ns = limits.timeout_ns(template, variables)
    if limit_ns is not None:
        seconds = -(-limit_ns // 1_000_000_000) - 1
        if seconds <= 1:
            raise ControllerError(f"{invocation.vertex} exceeded its deadline")
        return float(seconds)
    if template.active_deadline_seconds is None:
        return None
    text = fill.text(template.active_deadline_seconds)
    if not text.isdigit() or int(text) < 1:
        raise ControllerError(f"activeDeadlineSeconds must be a positive integer, not {text!r}")
    return float(text)


def _patched_grace_s(state: State, template: Template, fill: _Substitution) -> float | None:
    """Return the grace period of the patches: the workflow's first, then the template's."""
    grace_s: float | None = None
    for source in (state.workflow.spec.pod_spec_patch, template.pod_spec_patch):
        patch = _patch(fill.text(source)) if source else {}
        seconds = patch.get("terminationGracePeriodSeconds")
        if seconds is None:
            continue
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
            raise ControllerError(
                "Invalid podSpecPatch: terminationGracePeriodSeconds must be a whole number of "
                f"seconds, not {seconds!r}"
            )
        grace_s = float(seconds)
    return grace_s


def _patch(text: str) -> Mapping[str, object]:
    try:
        patch = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ControllerError(f"Invalid podSpecPatch: {error}") from error
    if not isinstance(patch, dict):
        raise ControllerError(f"Invalid podSpecPatch: {text!r} is not a mapping")
    return patch


def _labels(
    state: State, template: Template, invocation: Invocation, fill: _Substitution
) -> dict[str, str]:
    labels = {f"{_LABEL}/workflow": state.name, f"{_LABEL}/completed": "false"}
    if invocation.on_exit:
        labels[f"{_LABEL}/on-exit"] = "true"
    shared = state.workflow.spec.pod_metadata.labels
    return {**fill.mapping(shared), **fill.mapping(template.metadata.labels), **labels}


def _annotations(
    state: State, template: Template, invocation: Invocation, fill: _Substitution
) -> dict[str, str]:
    shared = state.workflow.spec.pod_metadata.annotations
    return {
        **fill.mapping(shared),
        **fill.mapping(template.metadata.annotations),
        f"{_LABEL}/node-name": invocation.vertex,
        f"{_LABEL}/node-id": node_id(state.name, invocation.vertex),
        "kubectl.kubernetes.io/default-container": "main",
    }


def _result_is_read(state: State, invocation: Invocation) -> bool:
    """Tell whether the dag or steps around names `outputs.result` of this task."""
    if invocation.boundary_template is None:
        return False
    around = state.templates[invocation.boundary_template]
    task = re.escape(invocation.task)
    quote = r"\\?[\"']"
    access = rf"(tasks|steps)(\.{task}|\[{quote}{task}{quote}\])"
    result = rf"(\.outputs|\[{quote}outputs{quote}\])(\.result|\[{quote}result{quote}\])"
    return re.search(access + result, around.model_dump_json(by_alias=True)) is not None
