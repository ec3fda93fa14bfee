"""The part of an Argo Workflow that the embedded substrate supports, typed and frozen.

A model holds what one document says, before any substitution: numbers that may
be written as `{{…}}` stay text (`IntOrString`), and parameter values are text as
Argo's `AnyString` makes them. Fields that are ignored are listed with their
reasons in `fields`; everything else is refused by name. `load` checks what a
single object cannot know (names, references, cycles).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from chaosml.workflow.containers import (
    Container,
    ContainerBase,
    EmptyDirVolume,
    EnvVar,
    EnvVarSource,
    ExecAction,
    FieldRef,
    Lifecycle,
    PreStop,
    Resources,
    Script,
    SecretKeyRef,
    VolumeMount,
)
from chaosml.workflow.objects import AnyString, ArgoObject, Boolean, Integer, IntOrString

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


RetryPolicy = Literal["Always", "OnFailure", "OnError", "OnTransientError"]


class Argument(ArgoObject):
    """A value that is passed: `arguments.parameters` of the workflow, a task or a step."""

    kind_of_object = "argument"

    name: str
    value: AnyString | None = None
    enum: tuple[AnyString, ...] = ()
    description: str | None = None


class Arguments(ArgoObject):
    """Values that are passed."""

    kind_of_object = "arguments"

    parameters: tuple[Argument, ...] = ()


class InputParameter(ArgoObject):
    """A parameter that a template takes."""

    kind_of_object = "input parameter"

    name: str
    value: AnyString | None = None
    default: AnyString | None = None
    enum: tuple[AnyString, ...] = ()
    description: str | None = None


class Inputs(ArgoObject):
    """What a template takes."""

    kind_of_object = "inputs"

    parameters: tuple[InputParameter, ...] = ()


class ValueFrom(ArgoObject):
    """Where the value of an output comes from: a file of a pod, or the parts of a dag or steps."""

    kind_of_object = "valueFrom"

    path: str | None = None
    parameter: str | None = None
    expression: str | None = None
    default: AnyString | None = None


class OutputParameter(ArgoObject):
    """A parameter that a template gives."""

    kind_of_object = "output parameter"

    name: str
    value_from: ValueFrom


class Outputs(ArgoObject):
    """What a template gives."""

    kind_of_object = "outputs"

    parameters: tuple[OutputParameter, ...] = ()


class Backoff(ArgoObject):
    """How long to wait between attempts; without `limit` Argo ignores it."""

    kind_of_object = "backoff"

    duration: str | None = None
    """Bare seconds, a Go duration such as `1m30s`, or a `{{…}}`; so are the others."""
    factor: IntOrString | None = None
    max_duration: str | None = None
    cap: str | None = None


class RetryStrategy(ArgoObject):
    """Whether and when a vertex is tried again."""

    kind_of_object = "retryStrategy"

    limit: IntOrString | None = None
    retry_policy: RetryPolicy | None = None
    """Default: `OnFailure`, and `Always` where there is an expression."""
    expression: str | None = None
    backoff: Backoff | None = None


class Task(ArgoObject):
    """A vertex of a dag."""

    kind_of_object = "task"

    name: str
    template: str
    arguments: Arguments = Arguments()
    dependencies: tuple[str, ...] = ()
    depends: str | None = None
    when: str | None = None


class Dag(ArgoObject):
    """Tasks that run when what they depend on has ended."""

    kind_of_object = "dag"

    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    target: str | None = None
    """Names, separated by spaces; default: every task that nothing depends on."""
    fail_fast: Boolean = True
    """Without practical effect in Argo itself: ready tasks of other branches still start."""


class Step(ArgoObject):
    """A vertex of a group of steps."""

    kind_of_object = "step"

    name: str
    template: str
    arguments: Arguments = Arguments()
    when: str | None = None


class Metadata(ArgoObject):
    """Labels and annotations of pods."""

    kind_of_object = "metadata"

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Template(ArgoObject):
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


class TemplateDefaults(ArgoObject):
    """What every template has that does not say otherwise."""

    kind_of_object = "template defaults"

    retry_strategy: RetryStrategy | None = None
    active_deadline_seconds: IntOrString | None = None
    pod_spec_patch: str | None = None
    metadata: Metadata = Metadata()
    node_selector: dict[str, str] = {}


class WorkflowMetadata(ArgoObject):
    """Identity of the Workflow object; exactly one of `name` and `generateName` is set."""

    kind_of_object = "workflow metadata"

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Spec(ArgoObject):
    """What a Workflow does."""

    kind_of_object = "workflow spec"

    entrypoint: str
    templates: Annotated[tuple[Template, ...], Field(min_length=1)]
    arguments: Arguments = Arguments()
    on_exit: str | None = None
    active_deadline_seconds: Annotated[Integer, Field(ge=1)] | None = None
    retry_strategy: RetryStrategy | None = None
    template_defaults: TemplateDefaults | None = None
    pod_spec_patch: str | None = None
    pod_metadata: Metadata = Metadata()
    node_selector: dict[str, str] = {}
    volumes: tuple[EmptyDirVolume, ...] = ()


class Workflow(ArgoObject):
    """A whole Workflow document."""

    kind_of_object = "workflow"

    api_version: Literal["argoproj.io/v1alpha1"]
    kind: Literal["Workflow"]
    metadata: WorkflowMetadata
    spec: Spec

    def template(self, name: str) -> Template:
        """Return the template of this name; `load` has checked that it exists."""
        return next(template for template in self.spec.templates if template.name == name)
