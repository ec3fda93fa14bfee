"""The part of an Argo Workflow that the embedded substrate supports, typed and frozen.

A model holds what one document says, before any substitution: numbers that may
be written as `{{…}}` stay text (`IntOrString`), and parameter values are text as
Argo's `AnyString` makes them. Fields that are ignored are listed with their
reasons in `fields`; everything else is refused by name. `load` checks what a
single object cannot know (names, references, cycles).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from chaosml.workflow import fields

__all__ = [
    "Argument",
    "Arguments",
    "Backoff",
    "Container",
    "ContainerBase",
    "Dag",
    "EmptyDirVolume",
    "EnvVar",
    "EnvVarSource",
    "ExecAction",
    "FieldRef",
    "InputParameter",
    "Inputs",
    "IntOrString",
    "Lifecycle",
    "Metadata",
    "OutputParameter",
    "Outputs",
    "PreStop",
    "Resources",
    "RetryPolicy",
    "RetryStrategy",
    "Script",
    "SecretKeyRef",
    "Spec",
    "Step",
    "Task",
    "Template",
    "TemplateDefaults",
    "ValueFrom",
    "VolumeMount",
    "Workflow",
    "WorkflowMetadata",
]


def _to_text(value: Any) -> Any:
    """Write a scalar as Argo's `AnyString` reads it: the JSON text, strings as they are."""
    if isinstance(value, bool | int | float):
        return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
    return value


def _to_int_or_string(value: Any) -> Any:
    if isinstance(value, float):
        whole = f"{value:.0f}"
        raise PydanticCustomError(
            "int_or_string",
            "Argo's IntOrString refuses the float {number}; write {whole} or {quoted}",
            {"number": repr(value), "whole": whole, "quoted": f'"{whole}"'},
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


AnyString = Annotated[str, BeforeValidator(_to_text)]
"""Text; numbers and booleans are accepted and become text, as Argo does it."""
IntOrString = Annotated[str, BeforeValidator(_to_int_or_string)]
"""A whole number or a `{{…}}` that becomes one, kept as text."""
RetryPolicy = Literal["Always", "OnFailure", "OnError", "OnTransientError"]
_Integer = Annotated[int, Field(strict=True)]
_Boolean = Annotated[bool, Field(strict=True)]


class _Model(BaseModel):
    """An object of the document."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    kind_of_object: ClassVar[str] = ""
    """What messages call it; the key into the tables of `fields`."""

    @model_validator(mode="before")
    @classmethod
    def _drop_without_effect(cls, value: Any) -> Any:
        ignored = fields.WITHOUT_EFFECT.get(cls.kind_of_object)
        if not ignored or not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if key not in ignored}

    @classmethod
    def explain_key(cls, key: str) -> str | None:
        """Return why a key that is no field is refused; None where Argo has no such field."""
        foreign = fields.FOREIGN.get(cls.kind_of_object, {}).get(key)
        if foreign is not None:
            return f"{key!r} is unknown: {foreign}"
        advice = fields.UNSUPPORTED.get(cls.kind_of_object, {}).get(key)
        if advice is None:
            return None
        refusal = f"{key!r} is not supported by the embedded substrate"
        return f"{refusal}: {advice}" if advice else refusal

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Return every key that Argo knows here, for near misses."""
        own = (field.alias or name for name, field in cls.model_fields.items())
        ignored = fields.WITHOUT_EFFECT.get(cls.kind_of_object, {})
        unsupported = fields.UNSUPPORTED.get(cls.kind_of_object, {})
        return (*own, *ignored, *unsupported)


class Argument(_Model):
    """A value that is passed: `arguments.parameters` of the workflow, a task or a step."""

    kind_of_object = "argument"

    name: str
    value: AnyString | None = None
    enum: tuple[AnyString, ...] = ()
    description: str | None = None


class Arguments(_Model):
    """Values that are passed."""

    kind_of_object = "arguments"

    parameters: tuple[Argument, ...] = ()


class InputParameter(_Model):
    """A parameter that a template takes."""

    kind_of_object = "input parameter"

    name: str
    value: AnyString | None = None
    default: AnyString | None = None
    enum: tuple[AnyString, ...] = ()
    description: str | None = None


class Inputs(_Model):
    """What a template takes."""

    kind_of_object = "inputs"

    parameters: tuple[InputParameter, ...] = ()


class ValueFrom(_Model):
    """Where the value of an output comes from: a file of a pod, or the parts of a dag or steps."""

    kind_of_object = "valueFrom"

    path: str | None = None
    parameter: str | None = None
    expression: str | None = None
    default: AnyString | None = None


class OutputParameter(_Model):
    """A parameter that a template gives."""

    kind_of_object = "output parameter"

    name: str
    value_from: ValueFrom


class Outputs(_Model):
    """What a template gives."""

    kind_of_object = "outputs"

    parameters: tuple[OutputParameter, ...] = ()


class SecretKeyRef(_Model):
    """One key of a Secret."""

    kind_of_object = "secret reference"

    name: str
    key: str


class FieldRef(_Model):
    """One field of the pod."""

    kind_of_object = "field reference"

    field_path: str


class EnvVarSource(_Model):
    """Where the value of an environment variable comes from; exactly one of the two."""

    kind_of_object = "environment source"

    secret_key_ref: SecretKeyRef | None = None
    field_ref: FieldRef | None = None


class EnvVar(_Model):
    """One environment variable of a container."""

    kind_of_object = "environment variable"

    name: Annotated[str, Field(min_length=1)]
    value: str | None = None
    value_from: EnvVarSource | None = None


class VolumeMount(_Model):
    """Where a container sees a volume."""

    kind_of_object = "volume mount"

    name: str
    mount_path: str


class EmptyDirVolume(_Model):
    """A volume that is fresh and empty for every pod."""

    kind_of_object = "volume"

    name: str
    empty_dir: dict[Literal["medium", "sizeLimit"], Any]


class ExecAction(_Model):
    """A command that is run inside a container."""

    kind_of_object = "exec action"

    command: Annotated[tuple[str, ...], Field(min_length=1)]


class PreStop(_Model):
    """What runs before a pod is asked to end, inside its grace period."""

    kind_of_object = "preStop"

    exec: ExecAction


class Lifecycle(_Model):
    """Hooks of a container."""

    kind_of_object = "lifecycle"

    pre_stop: PreStop | None = None


_CPU = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)m?$"


class Resources(_Model):
    """What a container asks for. Only `cpu` has an effect: it is what waste is counted in."""

    kind_of_object = "resources"

    requests: dict[str, AnyString] = {}
    limits: dict[str, AnyString] = {}

    @model_validator(mode="after")
    def _check_cpu(self) -> Resources:
        for amounts in (self.requests, self.limits):
            amount = amounts.get("cpu")
            if amount is not None and not re.match(_CPU, amount):
                raise PydanticCustomError(
                    "cpu", "cpu {amount} is no quantity such as 2 or 500m", {"amount": repr(amount)}
                )
        return self

    @property
    def requested_cpu(self) -> float | None:
        """Processors requested; a limit without a request is the request, as in Kubernetes."""
        amount = self.requests.get("cpu", self.limits.get("cpu"))
        if amount is None:
            return None
        return float(amount[:-1]) / 1000 if amount.endswith("m") else float(amount)


class ContainerBase(_Model):
    """What containers and scripts have in common."""

    kind_of_object = "container"

    name: str | None = None
    image: str
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    working_dir: str | None = None
    volume_mounts: tuple[VolumeMount, ...] = ()
    lifecycle: Lifecycle | None = None
    resources: Resources = Resources()

    @property
    def pre_stop(self) -> tuple[str, ...] | None:
        """Command of the preStop hook."""
        if self.lifecycle is None or self.lifecycle.pre_stop is None:
            return None
        return self.lifecycle.pre_stop.exec.command


class Container(ContainerBase):
    """The main container of a pod."""


class Script(ContainerBase):
    """A container whose last argument is a file with this source."""

    source: str


class Backoff(_Model):
    """How long to wait between attempts; without `limit` Argo ignores it."""

    kind_of_object = "backoff"

    duration: str | None = None
    """Bare seconds, a Go duration such as `1m30s`, or a `{{…}}`; so are the others."""
    factor: IntOrString | None = None
    max_duration: str | None = None
    cap: str | None = None


class RetryStrategy(_Model):
    """Whether and when a vertex is tried again."""

    kind_of_object = "retryStrategy"

    limit: IntOrString | None = None
    retry_policy: RetryPolicy | None = None
    """Default: `OnFailure`, and `Always` where there is an expression."""
    expression: str | None = None
    backoff: Backoff | None = None


class Task(_Model):
    """A vertex of a dag."""

    kind_of_object = "task"

    name: str
    template: str
    arguments: Arguments = Arguments()
    dependencies: tuple[str, ...] = ()
    depends: str | None = None
    when: str | None = None


class Dag(_Model):
    """Tasks that run when what they depend on has ended."""

    kind_of_object = "dag"

    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    target: str | None = None
    """Names, separated by spaces; default: every task that nothing depends on."""
    fail_fast: _Boolean = True
    """Without practical effect in Argo itself: ready tasks of other branches still start."""


class Step(_Model):
    """A vertex of a group of steps."""

    kind_of_object = "step"

    name: str
    template: str
    arguments: Arguments = Arguments()
    when: str | None = None


class Metadata(_Model):
    """Labels and annotations of pods."""

    kind_of_object = "metadata"

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Template(_Model):
    """What a vertex does; exactly one of `container`, `script`, `dag`, `steps` is set."""

    kind_of_object = "template"

    name: str
    inputs: Inputs = Inputs()
    outputs: Outputs = Outputs()
    container: Container | None = None
    script: Script | None = None
    dag: Dag | None = None
    steps: Annotated[tuple[tuple[Step, ...], ...], Field(min_length=1)] | None = None
    retry_strategy: RetryStrategy | None = None
    active_deadline_seconds: IntOrString | None = None
    pod_spec_patch: str | None = None
    metadata: Metadata = Metadata()
    node_selector: dict[str, str] = {}
    volumes: tuple[EmptyDirVolume, ...] = ()

    @property
    def main(self) -> Container | Script | None:
        """The container of a template that is a pod; None for dag and steps."""
        return self.container or self.script


class TemplateDefaults(_Model):
    """What every template has that does not say otherwise."""

    kind_of_object = "template defaults"

    retry_strategy: RetryStrategy | None = None
    active_deadline_seconds: IntOrString | None = None
    pod_spec_patch: str | None = None
    metadata: Metadata = Metadata()
    node_selector: dict[str, str] = {}


class WorkflowMetadata(_Model):
    """Identity of the Workflow object; exactly one of `name` and `generateName` is set."""

    kind_of_object = "workflow metadata"

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Spec(_Model):
    """What a Workflow does."""

    kind_of_object = "workflow spec"

    entrypoint: str
    templates: Annotated[tuple[Template, ...], Field(min_length=1)]
    arguments: Arguments = Arguments()
    on_exit: str | None = None
    active_deadline_seconds: Annotated[_Integer, Field(ge=1)] | None = None
    retry_strategy: RetryStrategy | None = None
    template_defaults: TemplateDefaults | None = None
    pod_spec_patch: str | None = None
    pod_metadata: Metadata = Metadata()
    node_selector: dict[str, str] = {}
    volumes: tuple[EmptyDirVolume, ...] = ()


class Workflow(_Model):
    """A whole Workflow document."""

    kind_of_object = "workflow"

    api_version: Literal["argoproj.io/v1alpha1"]
    kind: Literal["Workflow"]
    metadata: WorkflowMetadata
    spec: Spec

    def template(self, name: str) -> Template:
        """Return the template of this name; `load` has checked that it exists."""
        return next(template for template in self.spec.templates if template.name == name)
