"""`storage.bandwidth`: the object store takes and gives only so many bytes a second.

Mechanism: Toxiproxy's `bandwidth` toxic on the targeted task's way to the store, on what the
pod sends (`upstream`), on what it gets (`downstream`), or on both. The limit holds for every
connection by itself: a client with four connections gets four times the rate. Toxiproxy
counts in units of 1,000 bytes a second. Kind and cluster: the official image beside the
services; embedded: our own server, same API.
Effect: the pods of the target's template feel it; tasks with the same template share it.
Permissions: none beyond those of the services' pod.
Receipt: a canary that sends and gets half a second's worth through the same proxy, before,
during and after; requests of the target at the gate in the meantime.
Heal: the toxics are removed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from chaosml.faults.degradation import Canary, Effect, OnTheWay, degrade
from chaosml.faults.quantity import Rate
from chaosml.faults.script import Scene, Script
from chaosml.scenario.model import STORE, Duration

__all__ = ["BandwidthOptions", "StorageBandwidth", "limit"]

_UNIT_BYTES = 1000
_CANARY_S = 0.5
_CANARY_BYTES_MAX = 8 << 20
_SAMPLES = 2
_FOR_S_MIN = 3.0


class BandwidthOptions(BaseModel):
    """Options of `storage.bandwidth`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"rate": "64KB/s", "for": "10s"}]},
    )

    rate: Rate
    """Of every connection by itself; at least 1KB/s."""
    stream: Literal["upstream", "downstream", "both"] = "both"
    """`upstream`: what the pod sends; `downstream`: what it gets."""
    duration: Annotated[Duration, Field(alias="for")]
    """How long; at least 3s, since canaries must fit into it."""

    @model_validator(mode="after")
    def _check(self) -> BandwidthOptions:
        if self.rate < _UNIT_BYTES:
            raise ValueError("rate must be at least 1KB/s; a link that stalls is another fault")
        if self.duration < _FOR_S_MIN:
            raise ValueError(f"for must be at least {_FOR_S_MIN:g}s: canaries must fit into it")
        return self


class StorageBandwidth(OnTheWay):
    """Limits the rate between the target and the store."""

    kind = "storage.bandwidth"
    options = BandwidthOptions

    def service(self, options: BandwidthOptions) -> str:
        """The store."""
        return STORE

    def script(self, options: BandwidthOptions, view: str | None, scene: Scene) -> Script:
        """Throttle, wait, stop throttling."""
        return limit(scene, STORE, options)


def limit(scene: Scene, service: str, options: BandwidthOptions) -> Script:
    """Limit the rate between the target and a service for a while."""
    both = options.stream == "both"
    streams = ("upstream", "downstream") if both else (options.stream,)
    attributes = {"rate": max(1, round(options.rate / _UNIT_BYTES))}
    size = min(_CANARY_BYTES_MAX, round(options.rate * _CANARY_S))
    canary = Canary(
        upload_bytes=size if "upstream" in streams else 0,
        download_bytes=size if "downstream" in streams else 1,
        samples=_SAMPLES,
        asked_s=len(streams) * size / options.rate,
    )
    effects = [Effect("bandwidth", stream, attributes) for stream in streams]
    return degrade(scene, service=service, effects=effects, canary=canary, for_s=options.duration)
