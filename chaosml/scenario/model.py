"""What a scenario says, validated and frozen.

The fault catalogue is not known here: `with:` of a fault stays raw until `load`
validates it against the model that the catalogue names for `inject:`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from chaosml.scenario.form import Section, check_one
from chaosml.scenario.limits import (
    Bound,
    Corruption,
    CountLimit,
    DurationLimit,
    Limit,
    RatioLimit,
    ShareLimit,
    StepLimit,
)
from chaosml.scenario.units import (
    Boolean,
    Duration,
    Integer,
    PartialPercent,
    Percent,
    parse_duration,
    parse_percent,
)

__all__ = [
    "STORE",
    "Artifact",
    "Between",
    "Boolean",
    "Bound",
    "Cluster",
    "Corruption",
    "CountLimit",
    "Duration",
    "DurationLimit",
    "Embedded",
    "EventTrigger",
    "Expectations",
    "Fault",
    "Integer",
    "Isolation",
    "Limit",
    "Lineage",
    "LineageKey",
    "Metadata",
    "ObjectTrigger",
    "PartialPercent",
    "Percent",
    "Pipeline",
    "RatioLimit",
    "Scenario",
    "Service",
    "ShareLimit",
    "StepLimit",
    "StepNumber",
    "Target",
    "Trigger",
    "parse_duration",
    "parse_percent",
]

STORE = "store"
"""The service that every pipeline has: the object store behind the gate."""

_NAME = r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$"


class Metadata(Section):
    """Who this scenario is."""

    name: Annotated[str, Field(pattern=_NAME)]
    """Lower case, digits, hyphens; runs are recorded under it."""
    description: str = ""
    """What it asks, for people."""


class Isolation(Section):
    """Workflow parameters that carry the identity of an execution.

    What is left out is not isolated by a parameter: a static run id stays what the
    workflow says, and only the bucket keeps executions apart.
    """

    run_id: str | None = None
    """The workflow parameter that carries the run id."""
    bucket: str
    """The workflow parameter that carries the name of the bucket."""
    registry: str | None = None
    """The workflow parameter that carries the name under which models are registered."""


class Artifact(Section):
    """One kind of object that the pipeline leaves behind."""

    role: Literal["checkpoint", "model", "marker", "manifest", "dataset", "metrics"]
    """What the object is for."""
    key: str
    """Regular expression for the whole key; the named groups `step` and `digest` are understood."""
    format: Literal["npz", "safetensors", "json", "torch", "bytes"] = "bytes"
    """How the object is read."""
    commit: Literal["marker-last", "single-object", "in-place"] = "single-object"
    """When readers may rely on it: once its `marker` is there, as soon as it is there, or
    (`in-place`: several parts under canonical keys, overwritten by every save) never for certain.
    """
    marker: str | None = None
    """Key of the marker that commits the object; `{step}` and other groups are filled in."""
    parts: tuple[str, ...] = ()
    """With `in-place`: the keys that are only right together, in the order of writing."""
    final_step: str | None = None
    """The step that a finished artifact must hold; `{{parameters.steps}}` is filled in."""


class LineageKey(Section):
    """Where one identifier must stand, place by place; what is left out does not apply."""

    env: str | None = None
    """Environment variable of every pod."""
    manifest: str | None = None
    """Field of the manifests of checkpoints and models."""
    metrics: str | None = None
    """Field of metrics documents."""
    registry: str | None = None
    """Field of registry entries."""


def _default_lineage() -> dict[str, LineageKey]:
    return {
        "run-id": LineageKey(
            env="RUN_ID", manifest="run_id", metrics="labels.run_id", registry="run_id"
        ),
        "dataset": LineageKey(manifest="dataset_sha256", registry="dataset_sha256"),
        "image": LineageKey(manifest="image", registry="image"),
        "git-commit": LineageKey(env="GIT_COMMIT", manifest="git_commit", registry="git_commit"),
    }


class Lineage(Section):
    """Which identifiers must be found, equal, in which places."""

    keys: dict[str, LineageKey] = Field(default_factory=_default_lineage)
    """By name of the identifier; default: `run-id`, `dataset`, `image` and `git-commit`."""


class Pipeline(Section):
    """An Argo Workflow with its artifact contract."""

    workflow: str
    """Path of the Workflow document, relative to the scenario file."""
    parameters: dict[str, str] = {}
    """Values of workflow parameters, as text; `{{git.commit}}` is filled in."""
    isolate: Isolation
    """What keeps executions apart."""
    artifacts: tuple[Artifact, ...] = ()
    """The artifact contract: what the pipeline leaves in its bucket."""
    registry: str | None = None
    """Regular expression for the keys of registry entries in the bucket."""
    training_task: str | None = None
    """The task whose steps are the progress; default: the first fault's target."""
    progress: dict[Literal["log"], str] | None = None
    """`log`: a regular expression with the group `step`. Checked and kept; nothing reads it yet."""
    lineage: Lineage = Lineage()
    """Where the identifiers of a run must be found."""
    identity_fields: tuple[str, ...] = ()
    """Fields of documents that may differ between executions, such as `created`."""


class Between(Section):
    """A range, both ends included, from which the seed draws one."""

    between: tuple[Annotated[Integer, Field(ge=0)], Annotated[Integer, Field(ge=0)]]
    """First and last."""

    @model_validator(mode="after")
    def _check_order(self) -> Between:
        first, last = self.between
        if first > last:
            raise ValueError(f"the range {first} to {last} is empty; write [{last}, {first}]")
        return self


StepNumber = Annotated[Integer, Field(ge=0)]


class EventTrigger(Section):
    """A place that the probe announces."""

    event: Literal["ready", "restore", "checkpoint", "publish", "register", "done", "point"]
    """What the probe says."""
    phase: Literal["begin", "commit"] | None = None
    """Of a checkpoint."""
    name: str | None = None
    """Of a point."""
    step: StepNumber | Between | None = None
    """Only at this step, or at one that the seed draws from a range."""
    nth: Annotated[Integer, Field(ge=1)] = 1
    """Which of the matching events, from 1."""


class ObjectTrigger(Section):
    """A request at the store, held before it reaches the store or after it did."""

    before: str | None = None
    """An operation by S3's name, such as `PutObject`: held before it reaches the store."""
    after: str | None = None
    """The same: held when it is stored, before its answer. Exactly one of the two."""
    key: str
    """Regular expression, searched in the key."""
    nth: Annotated[Integer, Field(ge=1)] = 1
    """Which of the matching requests, from 1."""

    @model_validator(mode="after")
    def _check(self) -> ObjectTrigger:
        check_one(self, ("before", "after"))
        return self


class Trigger(Section):
    """When a fault strikes, in the pipeline's own terms; exactly one, besides `settled`."""

    step: StepNumber | Between | None = None
    """When the probe says this step, or one that the seed draws from a range. Exact."""
    event: EventTrigger | None = None
    """At something else that the probe says. Exact."""
    object: ObjectTrigger | None = None
    """At a request to the store. Exact, and needs no probe."""
    after: Duration | None = None
    """So long after the start of the attempt. Approximate."""
    pod: Literal["running"] | None = None
    """As soon as the attempt runs. Approximate."""
    settled: Boolean = False
    """Hold until the orchestrator has shown the pod Running for 12 s (clusters)."""

    @model_validator(mode="after")
    def _check(self) -> Trigger:
        check_one(self, ("step", "event", "object", "after", "pod"))
        return self


class Target(Section):
    """Whom a fault strikes."""

    task: str
    """A task of the workflow that is a pod."""
    attempt: Annotated[Integer, Field(ge=0)] = 0
    """Which attempt of the task; 0 is the first."""


class Fault(Section):
    """One entry of `faults`; a case of the plan under each legal view."""

    name: Annotated[str, Field(pattern=_NAME)]
    """Of the case; reports name it."""
    inject: str
    """The kind of fault."""
    target: Target
    """Whom it strikes."""
    when: Trigger
    """At which place."""
    with_: Annotated[dict[str, Any], Field(alias="with")] = {}
    """Options of the kind."""
    again: tuple[Trigger, ...] = ()
    """Places of further strikes, each at the pod that replaces the one struck before."""
    views: tuple[Literal["gone", "seen", "restarted", "wait-failed"], ...] | None = None
    """Only these views; default: every legal one."""


class Expectations(Section):
    """What must hold. What is None is measured and shown, and decides nothing."""

    outcome: Literal["Succeeded", "Failed", "Error"] = "Succeeded"
    """How the workflow ends."""
    resume: Literal["auto", "exact", "ledger", "off"] = "auto"
    """`auto`: exact if the controls agree, else a band measured from them plus the ledger."""
    corruption: Corruption = "none"
    """None in any trial, or a bound of its rate."""
    mttr: Limit | None = None
    """From the strike until lost progress is regained."""
    lost_steps: StepLimit | None = None
    """Finished steps that had to be done again."""
    compute_waste: ShareLimit | None = None
    """CPU-seconds of a trial over the controls' mean, minus one."""
    throughput_recovery: DurationLimit | None = None
    """From the end of a degradation until the step rate is back at 90 % of the controls'."""
    requests_per_upload: RatioLimit | None = None
    """Write requests of a degraded task over those that the store took."""
    orphan_uploads: CountLimit | None = None
    """Multipart uploads that nobody completed or aborted, at the end of an execution."""
    lineage: Literal["complete"] | None = None
    """Whether every identifier is found, and equal, in every place of `pipeline.lineage`."""


class Service(Section):
    """A TCP service that the pipeline talks to, so that faults can act on the way to it."""

    upstream: Annotated[str, Field(pattern=r"^[^\s/@:]+:[0-9]{1,5}$")]
    """`host:port`, as the services reach it."""
    environment: str | None = None
    """Variable with which a targeted task's containers get the address of the proxy."""
    parameter: str | None = None
    """Workflow parameter that carries the address, to every task; exactly one of the two."""
    value: str = "{address}"
    """What variable or parameter say; `{address}`, `{host}` and `{port}` are filled in."""

    @model_validator(mode="after")
    def _check(self) -> Service:
        check_one(self, ("environment", "parameter"))
        if not re.search(r"\{(address|host|port)\}", self.value):
            raise ValueError("value says no address; write {address}, or {host} and {port}")
        return self

    def render(self, address: str) -> str:
        """Return what the pods are told of an address `host:port`."""
        host, _, port = address.rpartition(":")
        filled = self.value.replace("{address}", address)
        return filled.replace("{host}", host).replace("{port}", port)


class Embedded(Section):
    """How the embedded substrate is laid out."""

    nodes: Annotated[Integer, Field(ge=1, le=64)] = 2
    """How many machines there are."""
    images: dict[str, dict[Literal["python", "folder"], str]] = {}
    """Image pattern to what stands for it: an interpreter (default: the one running chaosml), and
    a folder of which every pod gets a fresh copy as its working directory."""
    secrets: dict[str, dict[str, str]] = {}
    """Secret and key to the name of the harness's environment variable that holds the value."""


class Cluster(Section):
    """What differs where Argo is real, on kind and on any other cluster."""

    parameters: dict[str, str] = {}
    """Put over `pipeline.parameters`: a step must live longer where a strike waits for Argo."""


class Scenario(Section):
    """A whole scenario document."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    api_version: Annotated[Literal["chaosml.dev/v1"], Field(alias="apiVersion")]
    """The version of this form."""
    kind: Literal["Scenario"]
    """What the document is."""
    metadata: Metadata
    """Its name."""
    pipeline: Pipeline
    """What is tested."""
    services: dict[Annotated[str, Field(pattern=_NAME)], Service] = {}
    """TCP services by name; `store` is always there and needs no entry."""
    faults: Annotated[tuple[Fault, ...], Field(min_length=1)]
    """What is done to it."""
    trials: Annotated[Integer, Field(ge=1, le=100000)] | None = None
    """How many disturbed executions; default: one for every case."""
    seed: Integer = 0
    """Decides places and which trial shows which case; the same seed, the same plan."""
    controls: Annotated[Integer, Field(ge=1, le=9)] = 2
    """How many undisturbed executions; up to three where trials end otherwise than they do."""
    deadline: Duration = 1200.0
    """Limit of every single execution."""
    expect: Expectations = Expectations()
    """What must hold."""
    embedded: Embedded = Embedded()
    """What differs in local processes."""
    cluster: Cluster = Cluster()
    """What differs where Argo is real."""

    def on_cluster(self, kept: Collection[str] = ()) -> Scenario:
        """Return what is run where Argo is real.

        Args:
            kept: Names of `pipeline.parameters` that keep their values.
        """
        over = {name: value for name, value in self.cluster.parameters.items() if name not in kept}
        parameters = {**self.pipeline.parameters, **over}
        pipeline = self.pipeline.model_copy(update={"parameters": parameters})
        return self.model_copy(update={"pipeline": pipeline})
