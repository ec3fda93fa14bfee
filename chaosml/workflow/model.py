"""The part of an Argo Workflow that the embedded substrate supports, typed and frozen.

A model holds what one document says, before any substitution: numbers that may
be written as `{{…}}` stay text (`IntOrString`), and parameter values are text as
Argo's `AnyString` makes them. Fields that are ignored are listed with their
reasons in `fields`; everything else is refused by name. `load` checks what a
single object cannot know (names, references, cycles).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

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
    "Cache",
    "ConfigMapCache",
    "Container",
    "ContainerBase",
    "ContinueOn",
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
    "LifecycleHook",
    "Memoize",
    "Metadata",
    "NodeAntiAffinity",
    "OutputParameter",
    "Outputs",
    "PreStop",
    "Resources",
    "RetryAffinity",
    "RetryPolicy",
    "RetryStrategy",
    "Script",
    "SecretKeyRef",
    "Sequence",
    "Spec",
    "Step",
    "Task",
    "Template",
    "TemplateDefaults",
    "ValueFrom",
    "VolumeMount",
    "Work",
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


class NodeAntiAffinity(ArgoObject):
    """Avoid the nodes on which attempts failed; it has no fields."""

    kind_of_object = "nodeAntiAffinity"


class RetryAffinity(ArgoObject):
    """Where the next attempt may run."""

    kind_of_object = "retry affinity"

    node_anti_affinity: NodeAntiAffinity | None = None


class RetryStrategy(ArgoObject):
    """Whether and when a vertex is tried again."""

    kind_of_object = "retryStrategy"

    limit: IntOrString | None = None
    retry_policy: RetryPolicy | None = None
    """Default: `OnFailure`, and `Always` where there is an expression."""
    expression: str | None = None
    backoff: Backoff | None = None
    affinity: RetryAffinity | None = None


class ContinueOn(ArgoObject):
    """With which ends of a task or step its dag or steps go on all the same."""

    kind_of_object = "continueOn"

    error: Boolean = False
    failed: Boolean = False

    def accepts(self, phase: str) -> bool:
        """Tell whether an unsuccessful end in this phase is accepted."""
        return (phase == "Error" and self.error) or (phase == "Failed" and self.failed)


class Sequence(ArgoObject):
    """Numbers to loop over: from `start` to `end`, or `count` of them."""

    kind_of_object = "withSequence"

    count: IntOrString | None = None
    start: IntOrString | None = None
    end: IntOrString | None = None
    format: str | None = None
    """A Go format with one verb, such as `%02d`."""


class LifecycleHook(ArgoObject):
    """A template that runs when something is the case; `exit`: when the vertex has ended."""

    kind_of_object = "hook"

    template: str
    arguments: Arguments = Arguments()
    expression: str | None = None


class Work(ArgoObject):
    """What tasks and steps have in common."""

    name: str
    template: str
    arguments: Arguments = Arguments()
    when: str | None = None
    with_items: tuple[Any, ...] = ()
    """JSON values; what `{{item}}` is in turn."""
    with_param: str | None = None
    """The same as text, after substitution."""
    with_sequence: Sequence | None = None
    continue_on: ContinueOn = ContinueOn()
    hooks: dict[str, LifecycleHook] = {}

    @property
    def loops(self) -> bool:
        """Whether it is executed once for every item."""
        return bool(self.with_items or self.with_param or self.with_sequence is not None)


class Task(Work):
    """A vertex of a dag."""

    kind_of_object = "task"

    dependencies: tuple[str, ...] = ()
    depends: str | None = None


class Dag(ArgoObject):
    """Tasks that run when what they depend on has ended."""

    kind_of_object = "dag"

    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    target: str | None = None
    """Names, separated by spaces; default: every task that nothing depends on."""
    fail_fast: Boolean = True
    """Whether the dag ends while targets have not started because of a `parallelism`. Ready tasks
    of other branches start either way, in Argo too."""


class Step(Work):
    """A vertex of a group of steps."""

    kind_of_object = "step"


class Metadata(ArgoObject):
    """Labels and annotations of pods."""

    kind_of_object = "metadata"

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class ConfigMapCache(ArgoObject):
    """The ConfigMap that a cache is kept in."""

    kind_of_object = "memoize configMap"

    name: str


class Cache(ArgoObject):
    """Where outputs are kept."""

    kind_of_object = "memoize cache"

    config_map: ConfigMapCache


class Memoize(ArgoObject):
    """Whether a template needs to run where it gave something for the same key already."""

    kind_of_object = "memoize"

    key: str
    cache: Cache
    max_age: str | None = None


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
    timeout: str | None = None
    """A Go duration from the vertex's start; without effect on dags and steps themselves."""
    parallelism: Annotated[Integer, Field(ge=1)] | None = None
    """How many children of a dag or steps may be active at once."""
    fail_fast: Boolean = False
    """Whether a dag or steps starts nothing more once one of its children has failed."""
    memoize: Memoize | None = None
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
    hooks: dict[str, LifecycleHook] = {}
    parallelism: Annotated[Integer, Field(ge=1)] | None = None
    """How many pods may wait or run at once."""
    active_deadline_seconds: Annotated[Integer, Field(ge=1)] | None = None
    retry_strategy: RetryStrategy | None = None
    template_defaults: TemplateDefaults | None = None
    pod_spec_patch: str | None = None
    pod_metadata: Metadata = Metadata()
    node_selector: dict[str, str] = {}
    volumes: tuple[EmptyDirVolume, ...] = ()

    @property
    def exit_hook(self) -> LifecycleHook | None:
        """What runs when the workflow has ended: `onExit`, or else `hooks.exit`."""
        if self.on_exit is not None:
            return LifecycleHook(template=self.on_exit)
        return self.hooks.get("exit")


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
