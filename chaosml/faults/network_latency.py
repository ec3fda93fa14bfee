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

from pydantic import ConfigDict

from chaosml.faults.degradation import OnTheWay, degrade, delay
from chaosml.faults.script import Scene, Script
from chaosml.faults.storage_latency import LatencyOptions

__all__ = ["NetworkLatency", "NetworkLatencyOptions"]


class NetworkLatencyOptions(LatencyOptions):
    """Options of `network.latency`: those of `storage.latency`, and which service."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"service": "tracking", "latency": "200ms", "for": "10s"}]}
    )

    service: str
    """`store`, or a name under `services:`."""


class NetworkLatency(OnTheWay):
    """Delays a service's answers to the target."""

    kind = "network.latency"
    options = NetworkLatencyOptions

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
