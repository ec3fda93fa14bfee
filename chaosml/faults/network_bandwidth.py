"""`network.bandwidth`: only so many bytes a second get through between a task and a service.

Mechanism: Toxiproxy's `bandwidth` toxic on the targeted task's way to a service: `store`, or
any TCP service under `services:`; on what the pod sends, on what it gets, or on both. The
limit holds for every connection by itself. Kind and cluster: the official image beside the
services; embedded: our own server, same API.
Effect: the pods of the target's template feel it; a service whose address a workflow
parameter carries is slow for every task.
Permissions: none beyond those of the services' pod, which must reach the service.
Receipt: a canary that sends and gets half a second's worth through the same proxy, before,
during and after; what the target exchanged with the service in the meantime, as the gate or a
relay saw it. Heal: the toxics are removed.
"""

from __future__ import annotations

from pydantic import ConfigDict

from chaosml.faults.degradation import OnTheWay
from chaosml.faults.script import Scene, Script
from chaosml.faults.storage_bandwidth import BandwidthOptions, limit

__all__ = ["NetworkBandwidth", "NetworkBandwidthOptions"]


class NetworkBandwidthOptions(BandwidthOptions):
    """Options of `network.bandwidth`: those of `storage.bandwidth`, and which service."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"service": "tracking", "rate": "64KB/s", "for": "10s"}]}
    )

    service: str
    """`store`, or a name under `services:`."""


class NetworkBandwidth(OnTheWay):
    """Limits the rate between the target and a service."""

    kind = "network.bandwidth"
    options = NetworkBandwidthOptions

    def service(self, options: NetworkBandwidthOptions) -> str:
        """The service that the fault names."""
        return options.service

    def script(self, options: NetworkBandwidthOptions, view: str | None, scene: Scene) -> Script:
        """Throttle, wait, stop throttling."""
        return limit(scene, options.service, options)
