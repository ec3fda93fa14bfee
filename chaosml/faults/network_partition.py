"""`network.partition`: nothing gets through between a task and a service, in either direction.

Mechanism: Toxiproxy's `timeout` toxic, without an end of its own, on both streams of the
targeted task's way to a service: `store`, or any TCP service under `services:`. Unlike
packets that are lost on a wire, a connection is still accepted, by the proxy; no byte comes
back on it. An answer on its way is lost, also where the service has done what it was asked.
Removal closes the connections: bytes of theirs are missing. Kind and cluster: the official
image beside the services; embedded: our own server, same API.
Effect: the pods of the target's template feel it; a service whose address a workflow
parameter carries is cut off for every task.
Permissions: none beyond those of the services' pod, which must reach the service.
Receipt: a canary through the same proxy that is answered before and after and gets no word
during it; the target stood still or failed in the meantime. Heal: the toxics are removed.
"""

from __future__ import annotations

from pydantic import ConfigDict

from chaosml.faults.degradation import CutOptions, Effect, OnTheWay, cut
from chaosml.faults.script import Scene, Script

__all__ = ["NetworkPartition", "PartitionOptions"]


class PartitionOptions(CutOptions):
    """Options of `network.partition`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"service": "tracking", "for": "5s"}]}
    )

    service: str
    """`store`, or a name under `services:`."""


class NetworkPartition(OnTheWay):
    """Cuts the target off from a service."""

    kind = "network.partition"
    options = PartitionOptions

    def service(self, options: PartitionOptions) -> str:
        """The service that the fault names."""
        return options.service

    def script(self, options: PartitionOptions, view: str | None, scene: Scene) -> Script:
        """Cut off, wait, join again."""
        effects = [Effect("timeout", one, {"timeout": 0}) for one in ("upstream", "downstream")]
        return cut(scene, service=options.service, effects=effects, for_s=options.duration)
