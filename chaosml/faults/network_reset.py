"""`network.reset`: connections to a service are reset as soon as something is said on them.

Mechanism: Toxiproxy's `reset_peer` toxic, at once, on one stream of the targeted task's way to
a service: `store`, or any TCP service under `services:`. `upstream`: what the task sends is
dropped, so the service never gets it. `downstream`: the service gets it and does it, and its
answer is dropped; where a client waits for an interim answer before it sends a body (`Expect:
100-continue`, as boto3's PutObject), that one brings the reset. New connections are reset
(RST); those that were open before too by our own server, whereas the stock server (2.12) ends
these with FIN. Kind and cluster: the official image beside the services; embedded: our own
server, same API.
Effect: the pods of the target's template feel it; a service whose address a workflow
parameter carries resets every task's.
Permissions: none beyond those of the services' pod, which must reach the service.
Receipt: a canary through the same proxy that is answered before and after and reset during
it; the target stood still or failed in the meantime, or was cut off at the gate. Heal: the
toxic is removed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from chaosml.faults.degradation import CutOptions, Effect, OnTheWay, cut
from chaosml.faults.script import Scene, Script

__all__ = ["NetworkReset", "NetworkResetOptions"]


class NetworkResetOptions(CutOptions):
    """Options of `network.reset`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"service": "tracking", "for": "5s"}]}
    )

    service: str
    """`store`, or a name under `services:`."""
    stream: Literal["upstream", "downstream"] = "upstream"
    """`upstream`: what the pod sends is dropped, the service never gets it. `downstream`: the
    service gets it and does it, and its answer is dropped.
    """


class NetworkReset(OnTheWay):
    """Resets the target's connections to a service."""

    kind = "network.reset"
    options = NetworkResetOptions

    def service(self, options: NetworkResetOptions) -> str:
        """The service that the fault names."""
        return options.service

    def script(self, options: NetworkResetOptions, view: str | None, scene: Scene) -> Script:
        """Reset, wait, stop resetting."""
        effect = Effect("reset_peer", options.stream, {"timeout": 0})
        return cut(scene, service=options.service, effects=[effect], for_s=options.duration)
