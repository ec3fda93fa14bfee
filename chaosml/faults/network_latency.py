"""`network.latency`: every answer of a service comes late.

Mechanism: Toxiproxy's `latency` toxic on the answers of the targeted task's way to a service:
`store`, or any TCP service that the scenario names under `services:`. Each piece is delayed by
`latency`, evenly give or take `jitter`. Kind and cluster: the official image beside the
services; embedded: our own server, same API.
Effect: the pods of the target's template feel it; a service whose address a workflow
parameter carries is slow for every task.
Permissions: none beyond those of the services' pod, which must reach the service.
Receipt: a canary through the same proxy, before, during and after; what the target exchanged
with the service in the meantime, as the gate or a relay saw it. Heal: the toxic is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.faults.degradation import degrade, delay
from chaosml.faults.script import Scene, Script
from chaosml.faults.storage_latency import check_latency
from chaosml.scenario.model import Duration
from chaosml.workflow.views import View

__all__ = ["NetworkLatency", "NetworkLatencyOptions"]


class NetworkLatencyOptions(BaseModel):
    """Options of `network.latency`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    service: str
    """`store`, or a name under `services:`."""
    latency: Duration
    """Added to every answer; 20 ms at least, or no canary could tell it from chance."""
    jitter: Duration = 0.0
    """At most so much more or less."""
    duration: Annotated[Duration, Field(alias="for")]
    """How long."""

    @model_validator(mode="after")
    def _check(self) -> NetworkLatencyOptions:
        check_latency(self.latency, self.jitter, self.duration)
        return self


class NetworkLatency:
    """Delays a service's answers to the target."""

    kind = "network.latency"
    options = NetworkLatencyOptions
    capabilities: tuple[type, ...] = ()

    def views(self, options: NetworkLatencyOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Nobody dies of it by our hand."""
        return (None,)

    def lethal(self, options: NetworkLatencyOptions) -> bool:
        """A slow service kills nobody who waits for it."""
        return False

    def service(self, options: NetworkLatencyOptions) -> str:
        """The service that the fault names."""
        return options.service

    def script(self, options: NetworkLatencyOptions, view: str | None, scene: Scene) -> Script:
        """Delay, wait, stop delaying."""
        effect, canary = delay(options.latency, options.jitter)
        return degrade(
            scene,
            service=options.service,
            effects=[effect],
            canary=canary,
            for_s=options.duration,
        )
