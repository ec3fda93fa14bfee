"""`node.pressure`: a machine runs short of a resource, and its kubelet evicts the target.

Mechanism: node-pressure eviction, which is no eviction through the API: no disruption budget is
asked, a hard threshold leaves no grace period, a soft one at most `grace-period`. The pod's object
stays, Failed, with the reason and words of the kubelet, "The node was low on resource: memory. …";
Argo shows `Failed` with them, or `Succeeded` where the program exits 0. The node takes no new pods
until the pressure is over.
Source: kubernetes pkg/kubelet/eviction.
Embedded: the driver's pods end so; nothing really consumes the memory of this machine. Kind: the
worker's kubelet evicts by itself, since a file really takes what its threshold leaves. A cluster:
it would strike whoever is there.
Permissions: those of kind's own administrator.
Receipt: the closed node, the death of the process by us, and the words in Argo's status
(else INVALID, `other-words`).
Heal: the node takes pods again; on kind its kubelet is started as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chaosml.faults.draining import await_deaths
from chaosml.faults.script import Cordon, Pause, Scene, Script, Terminate, Uncordon
from chaosml.scenario.model import Duration
from chaosml.substrates.protocol import DrainsNodes, TerminatesPods
from chaosml.workflow.views import View

__all__ = ["NodePressure", "NodePressureOptions"]

_LATE_S = 60.0
"""A real kubelet has to start anew first, and looks every 10 s."""
_SHORT = {
    "memory": "Threshold quantity: 100Mi, available: 64Mi. Container main was using 1Gi, request "
    "is 0, has larger consumption of memory. ",
    "ephemeral-storage": "Threshold quantity: 10%, available: 4%. Container main was using 8Gi, "
    "request is 0, has larger consumption of ephemeral-storage. ",
    "inodes": "Threshold quantity: 5%, available: 1%. ",
    "pids": "Threshold quantity: 4Ki, available: 512. ",
}
"""What the kubelet adds; the figures are examples."""


class NodePressureOptions(BaseModel):
    """Options of `node.pressure`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"resource": "memory"}]},
    )

    resource: Literal["memory", "ephemeral-storage", "inodes", "pids"] = "memory"
    """What the node is short of; it stands in the kubelet's message. On kind `pids` is INVALID."""
    grace_period: Annotated[Duration, Field(alias="grace-period")] = 0.0
    """0s: a hard threshold; more: a soft one with such an `evictionMaxPodGracePeriod`."""
    lasts: Annotated[Duration, Field(gt=0)] = 300.0
    """How long the node takes no new pods, counted from the death."""


class NodePressure:
    """Puts the node under pressure that the target runs on."""

    kind = "node.pressure"
    options = NodePressureOptions
    capabilities = (TerminatesPods, DrainsNodes)

    def views(self, options: NodePressureOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the only view: the object stays until its words were read."""
        return (View.SEEN,)

    def lethal(self, options: NodePressureOptions) -> bool:
        """Whoever is evicted dies."""
        return True

    def script(self, options: NodePressureOptions, view: str | None, scene: Scene) -> Script:
        """Close the node, end the target, open the node when the pressure is over."""
        target = scene.target
        message = f"The node was low on resource: {options.resource}. {_SHORT[options.resource]}"
        yield Cordon(target.node)
        how, seen = "node-pressure", view or View.SEEN
        grace_s, resource = options.grace_period, options.resource
        yield Terminate(target.uid, how, seen, message, grace_s, resource)
        limit_s = options.grace_period + _LATE_S
        yield from await_deaths([target], target.node, scene, limit_s)
        yield Pause(options.lasts)
        yield Uncordon(target.node)
