"""`node.shutdown`: a machine is shut down in order, and its kubelet says so.

Mechanism: graceful node shutdown. The kubelet ends the pods of the node with at most `period`
minus `critical-period`, then the machine is gone. A deleted or evicted pod's object goes; these
stay Failed with the kubelet's message: Argo shows `Failed`, "Pod was terminated in response to
imminent node shutdown."; where the program exits 0, `Succeeded` without them.
Embedded: the driver's pods end so. Kind: the worker's kubelet, configured for it and told of the
shutdown by a login manager of ours on its node, does it by itself; then the container is killed.
Permissions: those of kind's own administrator.
Receipt: the closed node, the death of the process by us, and the words in Argo's status where the
view is `seen` (else INVALID, `other-words`). Heal: the node is started, and is Ready again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.faults.script import Also, Pause, ReturnNode, Scene, Script, StopNode
from chaosml.faults.several import NodeCount, struck_nodes
from chaosml.faults.shutting_down import SHUTDOWN_VIEWS, shut_down
from chaosml.scenario.model import Duration
from chaosml.substrates.protocol import DrainsNodes, ReturnsNodes, StopsNodes, TerminatesPods
from chaosml.workflow.views import View

__all__ = ["NodeShutdown", "NodeShutdownOptions"]


class NodeShutdownOptions(BaseModel):
    """Options of `node.shutdown`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"returns-after": "1m"}]},
    )

    period: Annotated[Duration, Field(gt=0)] = 30.0
    """The kubelet's `shutdownGracePeriod`: how long it holds the shutdown up."""
    critical_period: Annotated[Duration, Field(alias="critical-period")] = 15.0
    """`shutdownGracePeriodCriticalPods`: how much of it is for critical pods alone."""
    returns_after: Annotated[Duration | None, Field(alias="returns-after")] = None
    """When the same machine comes back, as after a reboot; default: with the execution's end."""
    nodes: NodeCount = 1
    """How many machines at once, the target's among them."""

    @model_validator(mode="after")
    def _check(self) -> NodeShutdownOptions:
        if self.critical_period >= self.period:
            raise ValueError(
                f"critical-period must be less than period, {self.period:g}s here: the rest is "
                "what ordinary pods get"
            )
        return self


class NodeShutdown:
    """Shuts the node down that the target runs on."""

    kind = "node.shutdown"
    options = NodeShutdownOptions
    capabilities = (TerminatesPods, DrainsNodes, StopsNodes, ReturnsNodes)

    def views(self, options: NodeShutdownOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the target's death."""
        return SHUTDOWN_VIEWS

    def lethal(self, options: NodeShutdownOptions) -> bool:
        """Whoever is on the node dies."""
        return True

    def script(self, options: NodeShutdownOptions, view: str | None, scene: Scene) -> Script:
        """Shut down every chosen node at once."""
        first, *others = struck_nodes(scene, options.nodes)
        for node in others:
            yield Also(_shut_down(node, view or View.SEEN, options, scene))
        yield from _shut_down(first, view or View.SEEN, options, scene)


def _shut_down(node: str, view: str, options: NodeShutdownOptions, scene: Scene) -> Script:
    """End the pods of a node, then the node; let it return where it shall do so."""
    yield from shut_down(node, view, options.period - options.critical_period, scene)
    yield StopNode(node, view, returns=True)
    if options.returns_after is not None:
        yield Pause(options.returns_after)
        yield ReturnNode(node)
