"""What faults have in common that make the way to a service worse and kill nobody.

    measure before ─► add toxics ─► release the target ─► measure during ─► `for` ─►
    remove toxics ─► measure after

Mechanism: toxics on the Toxiproxy proxy that is in front of the service for the targeted
task. Toxiproxy acts per connection; connections that are open feel it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.event import DOWN, CanaryMeasured, Event
from chaosml.faults.script import (
    AddToxic,
    Measure,
    Pause,
    Release,
    RemoveToxic,
    Scene,
    Script,
    Until,
)
from chaosml.scenario.model import Duration
from chaosml.workflow.views import View

__all__ = [
    "Canary",
    "CutOptions",
    "Degradation",
    "Effect",
    "OnTheWay",
    "cut",
    "degrade",
    "delay",
]

_MARGIN_S = 3.0
_SAMPLES = 3
_SILENT_S = 1.0
"""A canary without a word for so long has met a way on which nothing gets through."""
_CUT_S_MIN = 2.0


@runtime_checkable
class Degradation(Protocol):
    """A kind of fault that acts on the way to a service."""

    @property
    def proxied(self) -> bool:
        """Whether the way goes through a Toxiproxy in the whole run; else the gate does it."""

    def service(self, options: Any) -> str:
        """Return the name of the service."""


class OnTheWay:
    """What such kinds of faults have in common: nobody dies of them by our hand."""

    capabilities: tuple[type, ...] = ()
    proxied = True

    def views(self, options: Any, *, has_outputs: bool) -> Sequence[View | None]:
        """Return that there is no death to be seen."""
        return (None,)

    def lethal(self, options: Any) -> bool:
        """A service in trouble kills nobody who bears it."""
        return False


@dataclass(frozen=True, slots=True)
class Effect:
    """A toxic, as the fault wants it."""

    type: str
    stream: str
    attributes: dict[str, int]

    @property
    def name(self) -> str:
        """The toxic's name on its proxy."""
        return DOWN if self.type == DOWN else f"{self.type}-{self.stream}"


@dataclass(frozen=True, slots=True)
class Canary:
    """What a request of our own sends, how often, and what the fault should make of it."""

    upload_bytes: int = 0
    download_bytes: int = 1
    samples: int = _SAMPLES
    asked_s: float = 0.0
    """Time that the fault adds to one request."""
    limit_s: float | None = None
    """How long it is waited for during the fault, where it is not meant to come through."""


class CutOptions(BaseModel):
    """Options of the faults that let nothing through."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"for": "5s"}]},
    )

    duration: Annotated[Duration, Field(alias="for")]
    """How long; at least 2s, since a canary must fit into it."""

    @model_validator(mode="after")
    def _check_duration(self) -> CutOptions:
        if self.duration < _CUT_S_MIN:
            raise ValueError(f"for must be at least {_CUT_S_MIN:g}s: a canary must fit into it")
        return self


def delay(latency_s: float, jitter_s: float) -> tuple[Effect, Canary]:
    """Return what delays every answer: by `latency_s`, give or take up to `jitter_s`."""
    attributes = {"latency": round(latency_s * 1000), "jitter": round(jitter_s * 1000)}
    return Effect("latency", "downstream", attributes), Canary(asked_s=latency_s + jitter_s)


def cut(scene: Scene, *, service: str, effects: Sequence[Effect], for_s: float) -> Script:
    """Let nothing through on the way from the target to a service for a while.

    Args:
        scene: The moment.
        service: Where the way goes.
        effects: The toxics, in the order in which they are added.
        for_s: How long.
    """
    canary = Canary(samples=1, limit_s=_SILENT_S)
    return degrade(scene, service=service, effects=effects, canary=canary, for_s=for_s)


def degrade(
    scene: Scene, *, service: str, effects: Sequence[Effect], canary: Canary, for_s: float
) -> Script:
    """Make the way from the target to a service worse for a while.

    Args:
        scene: The moment.
        service: Where the way goes.
        effects: The toxics, in the order in which they are added.
        canary: What shows that they act.
        for_s: How long.
    """
    task = scene.target.task

    def measure(when: str, asked_s: float, limit_s: float | None = None) -> Measure:
        limit_s = canary.samples * asked_s * 2 + _MARGIN_S if limit_s is None else limit_s
        return Measure(
            service=service,
            task=task,
            when=when,
            upload_bytes=canary.upload_bytes,
            download_bytes=canary.download_bytes,
            samples=canary.samples,
            limit_s=limit_s,
        )

    names = [effect.name for effect in effects]
    before = measure("before", 0.0)
    yield before
    yield Until(_measured(scene.injection, "before"), "the canary before the fault", before.limit_s)
    for name, effect in zip(names, effects, strict=True):
        yield AddToxic(service, task, name, effect.type, effect.stream, effect.attributes)
    yield Release()
    yield measure("during", canary.asked_s, canary.limit_s)
    yield Pause(for_s)
    for name in reversed(names):
        yield RemoveToxic(service, task, name)
    after = measure("after", 0.0)
    yield after
    yield Until(_measured(scene.injection, "after"), "the canary after the fault", after.limit_s)


def _measured(injection: str, when: str) -> Callable[[Event], bool]:
    def matches(event: Event) -> bool:
        fact = event.data
        return (
            isinstance(fact, CanaryMeasured) and fact.injection == injection and fact.when == when
        )

    return matches
