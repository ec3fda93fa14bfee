"""What a scenario says, validated and frozen.

The fault catalogue is not known here: `with:` of a fault stays raw until `load`
validates it against the model that the catalogue names for `inject:`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
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
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+"
_PERCENT = r"[0-9]+(\.[0-9]+)?\s*%"


def parse_duration(value: Any) -> Any:
    """Turn `1m30s`, `250ms`, `2h` into seconds; leave anything else to the type's own check."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit, such as {value}s or {value}m")
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        raise ValueError("is no duration such as 500ms, 30s, 20m or 1m30s")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value)
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def parse_percent(value: Any) -> Any:
    """Turn `30%` into 0.3."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs its unit, such as {value}%")
    if not isinstance(value, str) or not re.fullmatch(_PERCENT, value):
        raise ValueError("is no share such as 30%")
    return float(value.rstrip("% ")) / 100


def _check_whole(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError("lies outside of what can be shown: more than 0% and less than 100%")
    return share


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$", "examples": ["30s", "1m30s"]}),
]
"""Seconds; written with units."""
_PERCENT_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": f"^{_PERCENT}$", "examples": ["30%"]}
)
Percent = Annotated[float, BeforeValidator(parse_percent), _PERCENT_SCHEMA]
"""A share, 0.3 for `30%`; may be more than the whole."""
PartialPercent = Annotated[
    float, BeforeValidator(parse_percent), AfterValidator(_check_whole), _PERCENT_SCHEMA
]
"""A share of a whole, neither nothing nor all of it."""
Integer = Annotated[int, Field(strict=True)]
"""A whole number, not a text that looks like one."""
Boolean = Annotated[bool, Field(strict=True)]


def _check_one(model: BaseModel, names: tuple[str, ...]) -> None:
    """Refuse a mapping that does not have exactly one of these keys."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ValueError(f"exactly one of {', '.join(names)} is needed, found {found}")


class _Model(BaseModel):
    """A mapping of the document."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class Metadata(_Model):
    """Who this scenario is."""

    name: Annotated[str, Field(pattern=_NAME)]
    description: str = ""


class Isolation(_Model):
    """Workflow parameters that carry the identity of an execution.

    What is left out is not isolated by a parameter: a static run id stays what the
    workflow says, and only the bucket keeps executions apart.
    """

    run_id: str | None = None
    bucket: str
    registry: str | None = None


class Artifact(_Model):
    """One kind of object that the pipeline leaves behind."""

    role: Literal["checkpoint", "model", "marker", "manifest", "dataset", "metrics"]
    key: str
    """Regular expression for the whole key; the named groups `step` and `digest` are understood."""
    format: Literal["npz", "safetensors", "json", "torch", "bytes"] = "bytes"
    commit: Literal["marker-last", "single-object", "in-place"] = "single-object"
    """`in-place`: several parts under canonical keys, overwritten by every save."""
    marker: str | None = None
    """Key of the marker that commits the object; `{step}` and other groups are filled in."""
    parts: tuple[str, ...] = ()
    """With `in-place`: the keys that are only right together, in the order of writing."""
    final_step: str | None = None
    """The step that a finished artifact must hold; `{{parameters.steps}}` is filled in."""


class LineageKey(_Model):
    """Where one identifier must stand, place by place; None: does not apply there.

    `env`: environment variable of every pod; `manifest`: field of checkpoint and model
    manifests; `metrics`: field of metrics documents; `registry`: field of registry entries.
    """

    env: str | None = None
    manifest: str | None = None
    metrics: str | None = None
    registry: str | None = None


def _default_lineage() -> dict[str, LineageKey]:
    return {
        "run-id": LineageKey(
            env="RUN_ID", manifest="run_id", metrics="labels.run_id", registry="run_id"
        ),
        "dataset": LineageKey(manifest="dataset_sha256", registry="dataset_sha256"),
        "image": LineageKey(manifest="image", registry="image"),
        "git-commit": LineageKey(env="GIT_COMMIT", manifest="git_commit", registry="git_commit"),
    }


class Lineage(_Model):
    """Which identifiers must be found, equal, in which places."""

    keys: dict[str, LineageKey] = Field(default_factory=_default_lineage)


class Pipeline(_Model):
    """An Argo Workflow with its artifact contract."""

    workflow: str
    """Path of the Workflow document, relative to the scenario file."""
    parameters: dict[str, str] = {}
    isolate: Isolation
    artifacts: tuple[Artifact, ...] = ()
    registry: str | None = None
    """Regular expression for the keys of registry entries in the bucket."""
    training_task: str | None = None
    """The task whose steps are the progress; default: the first fault's target."""
    progress: dict[Literal["log"], str] | None = None
    lineage: Lineage = Lineage()
    identity_fields: tuple[str, ...] = ()
    """Fields of documents that may differ between executions, such as `created`."""


class Between(_Model):
    """A range, both ends included, from which the seed draws one."""

    between: tuple[Annotated[Integer, Field(ge=0)], Annotated[Integer, Field(ge=0)]]

    @model_validator(mode="after")
    def _check_order(self) -> Between:
        first, last = self.between
        if first > last:
            raise ValueError(f"the range {first} to {last} is empty; write [{last}, {first}]")
        return self


StepNumber = Annotated[Integer, Field(ge=0)]


class EventTrigger(_Model):
    """A place that the probe announces."""

    event: Literal["ready", "restore", "checkpoint", "publish", "register", "done", "point"]
    phase: Literal["begin", "commit"] | None = None
    name: str | None = None
    step: StepNumber | Between | None = None
    nth: Annotated[Integer, Field(ge=1)] = 1


class ObjectTrigger(_Model):
    """A request at the store, held before it reaches the store or after it did."""

    before: str | None = None
    after: str | None = None
    """An operation by S3's name, such as `PutObject`; exactly one of the two."""
    key: str
    """Regular expression, searched in the key."""
    nth: Annotated[Integer, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _check(self) -> ObjectTrigger:
        _check_one(self, ("before", "after"))
        return self


class Trigger(_Model):
    """When a fault strikes, in the pipeline's own terms; exactly one of the fields."""

    step: StepNumber | Between | None = None
    event: EventTrigger | None = None
    object: ObjectTrigger | None = None
    after: Duration | None = None
    pod: Literal["running"] | None = None
    settled: Boolean = False
    """Hold until the orchestrator has shown the pod Running for 12 s (clusters)."""

    @model_validator(mode="after")
    def _check(self) -> Trigger:
        _check_one(self, ("step", "event", "object", "after", "pod"))
        return self


class Target(_Model):
    """Whom a fault strikes."""

    task: str
    attempt: Annotated[Integer, Field(ge=0)] = 0


class Fault(_Model):
    """One entry of `faults`; a case of the plan under each legal view."""

    name: Annotated[str, Field(pattern=_NAME)]
    inject: str
    target: Target
    when: Trigger
    with_: Annotated[dict[str, Any], Field(alias="with")] = {}
    again: tuple[Trigger, ...] = ()
    """Places of further strikes, each at the pod that replaces the one struck before."""
    views: tuple[Literal["gone", "seen", "restarted", "wait-failed"], ...] | None = None
    """Only these views; default: every legal one."""


class Bound(_Model):
    """A rate with the confidence that the trials must support."""

    at_most: PartialPercent
    confidence: PartialPercent = 0.95


Corruption = Literal["none"] | Bound


class Limit(_Model):
    """A limit for a duration; every given bound must hold."""

    at_most: Duration | None = None
    p95: Duration | None = None
    mean: Duration | None = None
    excluding: tuple[Literal["scheduling"], ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Limit:
        if self.at_most is None and self.p95 is None and self.mean is None:
            raise ValueError("limits nothing; give at least one of at-most, p95, mean")
        return self


class StepLimit(_Model):
    """A limit for lost steps."""

    at_most: Annotated[Integer, Field(ge=0)]


class CountLimit(_Model):
    """A limit for how many there may be."""

    at_most: Annotated[Integer, Field(ge=0)]


class ShareLimit(_Model):
    """A limit for a share."""

    at_most: Percent


class DurationLimit(_Model):
    """A limit for every single duration."""

    at_most: Duration


class RatioLimit(_Model):
    """A limit for how often something happens for each time that it is of use."""

    at_most: Annotated[float, Field(ge=1.0)]


class Expectations(_Model):
    """What must hold. What is None is measured and shown, and decides nothing."""

    outcome: Literal["Succeeded", "Failed", "Error"] = "Succeeded"
    resume: Literal["auto", "exact", "ledger", "off"] = "auto"
    """`auto`: exact if the controls agree, else a band measured from them plus the ledger."""
    corruption: Corruption = "none"
    mttr: Limit | None = None
    lost_steps: StepLimit | None = None
    compute_waste: ShareLimit | None = None
    throughput_recovery: DurationLimit | None = None
    """From the end of a degradation until the step rate is back at 90 % of the controls'."""
    requests_per_upload: RatioLimit | None = None
    """Write requests of a degraded task over those that the store took."""
    orphan_uploads: CountLimit | None = None
    """Multipart uploads that nobody completed or aborted, at the end of an execution."""
    lineage: Literal["complete"] | None = None


class Service(_Model):
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
        _check_one(self, ("environment", "parameter"))
        if not re.search(r"\{(address|host|port)\}", self.value):
            raise ValueError("value says no address; write {address}, or {host} and {port}")
        return self

    def render(self, address: str) -> str:
        """Return what the pods are told of an address `host:port`."""
        host, _, port = address.rpartition(":")
        filled = self.value.replace("{address}", address)
        return filled.replace("{host}", host).replace("{port}", port)


class Embedded(_Model):
    """How the embedded substrate is laid out."""

    nodes: Annotated[Integer, Field(ge=1, le=64)] = 2
    images: dict[str, dict[Literal["python", "folder"], str]] = {}
    """Image pattern to what stands for it: an interpreter (default: the one running chaosml), and
    a folder of which every pod gets a fresh copy as its working directory."""
    secrets: dict[str, dict[str, str]] = {}
    """Secret and key to the name of the harness's environment variable that holds the value."""


class Cluster(_Model):
    """What differs where Argo is real, on kind and on any other cluster."""

    parameters: dict[str, str] = {}
    """Put over `pipeline.parameters`: a step must live longer where a strike waits for Argo."""


class Scenario(_Model):
    """A whole scenario document."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    api_version: Annotated[Literal["chaosml.dev/v1"], Field(alias="apiVersion")]
    kind: Literal["Scenario"]
    metadata: Metadata
    pipeline: Pipeline
    services: dict[Annotated[str, Field(pattern=_NAME)], Service] = {}
    """TCP services by name; `store` is always there and needs no entry."""
    faults: Annotated[tuple[Fault, ...], Field(min_length=1)]
    trials: Annotated[Integer, Field(ge=1, le=100000)] | None = None
    """Default: one for every case."""
    seed: Integer = 0
    controls: Annotated[Integer, Field(ge=1, le=9)] = 2
    deadline: Duration = 1200.0
    """Limit of every single execution."""
    expect: Expectations = Expectations()
    embedded: Embedded = Embedded()
    cluster: Cluster = Cluster()

    def on_cluster(self, kept: Collection[str] = ()) -> Scenario:
        """Return what is run where Argo is real.

        Args:
            kept: Names of `pipeline.parameters` that keep their values.
        """
        over = {name: value for name, value in self.cluster.parameters.items() if name not in kept}
        parameters = {**self.pipeline.parameters, **over}
        pipeline = self.pipeline.model_copy(update={"parameters": parameters})
        return self.model_copy(update={"pipeline": pipeline})
