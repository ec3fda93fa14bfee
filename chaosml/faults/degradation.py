"""What faults have in common that slow the way to a service down and kill nobody.

    measure before ─► add toxics ─► release the target ─► measure during ─► `for` ─►
    remove toxics ─► measure after

Mechanism: toxics on the Toxiproxy proxy that is in front of the service for the targeted
task. Toxiproxy acts per connection; connections that are open feel it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from chaosml.event import CanaryMeasured, Event
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
from chaosml.workflow.views import View

__all__ = ["Canary", "Degradation", "Effect", "Slowing", "degrade", "delay"]

_MARGIN_S = 3.0
_SAMPLES = 3


@runtime_checkable
class Degradation(Protocol):
    """A kind of fault that acts on the way to a service."""

    def service(self, options: Any) -> str:
        """Return the name of the service: the way to it goes through a proxy in the whole run."""


class Slowing:
    """What such kinds of faults have in common: nobody dies of them by our hand."""

    capabilities: tuple[type, ...] = ()

    def views(self, options: Any, *, has_outputs: bool) -> Sequence[View | None]:
        """Return that there is no death to be seen."""
        return (None,)

    def lethal(self, options: Any) -> bool:
        """A slow service kills nobody who waits for it."""
        return False


@dataclass(frozen=True, slots=True)
class Effect:
    """A toxic, as the fault wants it."""

    type: str
    stream: str
    attributes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Canary:
    """What a request of our own sends, how often, and what the fault should make of it."""

    upload_bytes: int = 0
    download_bytes: int = 1
    samples: int = _SAMPLES
    asked_s: float = 0.0
    """Time that the fault adds to one request."""


def delay(latency_s: float, jitter_s: float) -> tuple[Effect, Canary]:
    """Return what delays every answer: by `latency_s`, give or take up to `jitter_s`."""
    attributes = {"latency": round(latency_s * 1000), "jitter": round(jitter_s * 1000)}
    return Effect("latency", "downstream", attributes), Canary(asked_s=latency_s + jitter_s)


def degrade(
    scene: Scene, *, service: str, effects: Sequence[Effect], canary: Canary, for_s: float
) -> Script:
    """Slow the way from the target to a service down for a while.

    Args:
        scene: The moment.
        service: Where the way goes.
        effects: The toxics, in the order in which they are added.
        canary: What shows that they act.
        for_s: How long.
    """
    task = scene.target.task

    def measure(when: str, asked_s: float) -> Measure:
        limit_s = canary.samples * asked_s * 2 + _MARGIN_S
        return Measure(
            service=service,
            task=task,
            when=when,
            upload_bytes=canary.upload_bytes,
            download_bytes=canary.download_bytes,
            samples=canary.samples,
            limit_s=limit_s,
        )

    names = [f"{effect.type}-{effect.stream}" for effect in effects]
    before = measure("before", 0.0)
    yield before
    yield Until(_measured(scene.injection, "before"), "the canary before the fault", before.limit_s)
    for name, effect in zip(names, effects, strict=True):
        yield AddToxic(service, task, name, effect.type, effect.stream, effect.attributes)
    yield Release()
    yield measure("during", canary.asked_s)
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
