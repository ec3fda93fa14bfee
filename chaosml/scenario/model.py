"""What a scenario says, validated and frozen.

The fault catalogue is not known here: `with:` of a fault stays raw until `load`
validates it against the model that the catalogue names for `inject:`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "Artifact",
    "Between",
    "Bound",
    "Corruption",
    "Duration",
    "EventTrigger",
    "Expectations",
    "Fault",
    "Isolation",
    "Limit",
    "Lineage",
    "LineageKey",
    "Metadata",
    "ObjectTrigger",
    "Percent",
    "Pipeline",
    "Scenario",
    "Target",
    "Trigger",
]

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: Any) -> Any:
    """Turn `1m30s`, `250ms`, `2h` into seconds; leave anything else to the type's own check."""
    if not isinstance(value, str):
        raise ValueError(f"needs a unit, such as {value}s or {value}m")
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", value):
        raise ValueError("is not a duration such as 500ms, 30s, 20m or 1m30s")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value)
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def parse_percent(value: Any) -> Any:
    """Turn `30%` into 0.3."""
    if not isinstance(value, str) or not re.fullmatch(r"\d+(\.\d+)?\s*%", value):
        raise ValueError(f"is not a share such as {value if value != '' else 30}%")
    return float(value.rstrip("% ")) / 100


Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds; written with units."""
Percent = Annotated[float, BeforeValidator(parse_percent)]
"""A share between 0 and 1; written as `30%`."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class Metadata(_Model):
    """Who this scenario is."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]
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

    between: tuple[int, int]


class EventTrigger(_Model):
    """A place that the probe announces."""

    event: Literal["ready", "restore", "checkpoint", "publish", "register", "done", "point"]
    phase: Literal["begin", "commit"] | None = None
    name: str | None = None
    step: int | Between | None = None
    nth: Annotated[int, Field(ge=1)] = 1


class ObjectTrigger(_Model):
    """A request at the store, held before it reaches the store or after it did."""

    before: str | None = None
    after: str | None = None
    """An operation by S3's name, such as `PutObject`; exactly one of the two."""
    key: str
    """Regular expression, searched in the key."""
    nth: Annotated[int, Field(ge=1)] = 1


class Trigger(_Model):
    """When a fault strikes, in the pipeline's own terms; exactly one of the fields."""

    step: int | Between | None = None
    event: EventTrigger | None = None
    object: ObjectTrigger | None = None
    after: Duration | None = None
    pod: Literal["running"] | None = None
    settled: bool = False
    """Hold until the orchestrator has shown the pod Running for 12 s (clusters)."""


class Target(_Model):
    """Whom a fault strikes."""

    task: str
    attempt: Annotated[int, Field(ge=0)] = 0


class Fault(_Model):
    """One entry of `faults`; a case of the plan under each legal view."""

    name: str
    inject: str
    target: Target
    when: Trigger
    with_: Annotated[dict[str, Any], Field(alias="with")] = {}
    views: tuple[Literal["gone", "seen", "restarted", "wait-failed"], ...] | None = None
    """Only these views; default: every legal one."""


class Bound(_Model):
    """A rate with the confidence that the trials must support."""

    at_most: Percent
    confidence: Percent = 0.95


Corruption = Literal["none"] | Bound


class Limit(_Model):
    """A limit for a duration; every given bound must hold."""

    at_most: Duration | None = None
    p95: Duration | None = None
    mean: Duration | None = None
    excluding: tuple[Literal["scheduling"], ...] = ()


class StepLimit(_Model):
    """A limit for lost steps."""

    at_most: Annotated[int, Field(ge=0)]


class ShareLimit(_Model):
    """A limit for a share."""

    at_most: Percent


class Expectations(_Model):
    """What must hold. What is None is measured and shown, and decides nothing."""

    outcome: Literal["Succeeded", "Failed", "Error"] = "Succeeded"
    resume: Literal["auto", "exact", "ledger", "off"] = "auto"
    """`auto`: exact if the controls agree, else a band measured from them plus the ledger."""
    corruption: Corruption = "none"
    mttr: Limit | None = None
    lost_steps: StepLimit | None = None
    compute_waste: ShareLimit | None = None
    lineage: Literal["complete"] | None = None


class Embedded(_Model):
    """How the embedded substrate is laid out."""

    nodes: Annotated[int, Field(ge=1, le=64)] = 2
    images: dict[str, dict[Literal["python"], str]] = {}
    """Image pattern to the interpreter that stands for it; default: the one running chaosml."""
    secrets: dict[str, dict[str, str]] = {}
    """Secret and key to the name of the harness's environment variable that holds the value."""


class Scenario(_Model):
    """A whole scenario document."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    api_version: Annotated[Literal["chaosml.dev/v1"], Field(alias="apiVersion")]
    kind: Literal["Scenario"]
    metadata: Metadata
    pipeline: Pipeline
    faults: Annotated[tuple[Fault, ...], Field(min_length=1)]
    trials: Annotated[int, Field(ge=1, le=100000)] | None = None
    """Default: one for every case."""
    seed: int = 0
    controls: Annotated[int, Field(ge=1, le=9)] = 2
    deadline: Duration = 1200.0
    """Limit of every single execution."""
    expect: Expectations = Expectations()
    embedded: Embedded = Embedded()
