"""`storage.latency`: every answer of the object store comes late.

Mechanism: Toxiproxy's `latency` toxic on the answers of the targeted task's way to the store:
each piece is delayed by `latency`, evenly give or take `jitter`; a stream is shifted, not
serialised, so a long download loses the time once. Kind and cluster: the official image
beside the services; embedded: our own server, same API.
Effect: the pods of the target's template feel it; tasks with the same template share it.
Permissions: none beyond those of the services' pod.
Receipt: a canary through the same proxy, before, during and after; requests of the target
at the gate in the meantime. Heal: the toxic is removed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.faults.degradation import OnTheWay, degrade, delay
from chaosml.faults.script import Scene, Script
from chaosml.scenario.model import STORE, Duration

__all__ = ["LatencyOptions", "StorageLatency"]

_LATENCY_S_MIN = 0.02
_ROUNDS = 4


class LatencyOptions(BaseModel):
    """Options of `storage.latency`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"latency": "200ms", "for": "10s"}]},
    )

    latency: Duration
    """Added to every answer; at least 20ms, or no canary could tell it from chance."""
    jitter: Duration = 0.0
    """At most so much more or less, evenly; at most half of `latency`."""
    duration: Annotated[Duration, Field(alias="for")]
    """How long; at least four times `latency` + `jitter`, so that canaries fit into it."""

    @model_validator(mode="after")
    def _check(self) -> LatencyOptions:
        # What no canary could show proves nothing.
        half_s, needed_s = self.latency / 2, _ROUNDS * (self.latency + self.jitter)
        if self.latency < _LATENCY_S_MIN:
            raise ValueError(f"latency must be at least {_LATENCY_S_MIN * 1000:g}ms")
        if self.jitter > half_s:
            raise ValueError(f"jitter must be at most half of the latency, {half_s:g}s here")
        if self.duration < needed_s:
            raise ValueError(
                f"for must be at least {needed_s:g}s here: three canaries must fit into the fault"
            )
        return self


class StorageLatency(OnTheWay):
    """Delays the store's answers to the target."""

    kind = "storage.latency"
    options = LatencyOptions

    def service(self, options: LatencyOptions) -> str:
        """The store."""
        return STORE

    def script(self, options: LatencyOptions, view: str | None, scene: Scene) -> Script:
        """Delay, wait, stop delaying."""
        effect, canary = delay(options.latency, options.jitter)
        return degrade(
            scene, service=STORE, effects=[effect], canary=canary, for_s=options.duration
        )
