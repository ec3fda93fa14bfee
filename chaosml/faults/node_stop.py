"""`node.stop`: a machine dies without a word, with everything on it.

Mechanism: embedded, every process on the node is killed at once; on kind, `docker kill` of the
worker's container. What the orchestrator makes of it depends on the Node object:

- `node-object: removed`: as a cloud does it; the pods are forgotten seconds later.
- `node-object: left`: nobody tells. Argo shows the pods Running until the node returns and its
  kubelet reports them as ended (exit code 255); so `returns-after` is needed.

Permissions: `delete` on nodes; and the machines must be ours: a cluster that is not ours has no
mechanism for it. Heal: the node is started, and is Ready again.
Receipt: the node's end, and the death of the process by us while its work was outstanding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chaosml.faults.script import Pause, ReturnNode, Scene, Script, StopNode
from chaosml.faults.several import NodeCount, struck_nodes
from chaosml.scenario.model import Duration
from chaosml.substrates.protocol import ReturnsNodes, StopsNodes
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["NodeStop", "NodeStopOptions"]


class NodeStopOptions(BaseModel):
    """Options of `node.stop`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={
            "examples": [{"returns-after": "2m"}, {"node-object": "left", "returns-after": "2m"}]
        },
    )

    node_object: Annotated[Literal["removed", "left"], Field(alias="node-object")] = "removed"
    """`removed`: it goes, as with a cloud's machine; the pods are forgotten about 45 s later.
    `left`: nobody tells; Argo shows the pods Running until the node is back.
    """
    returns_after: Annotated[Duration | None, Field(alias="returns-after")] = None
    """When the same machine comes back; default: with the execution's end. Needed with `left`."""
    nodes: NodeCount = 1
    """How many machines at once, the target's among them."""

    @model_validator(mode="after")
    def _check(self) -> NodeStopOptions:
        if self.node_object == "left" and self.returns_after is None:
            raise ValueError(
                "`node-object: left` needs `returns-after`: until the node returns, Argo shows "
                "its pods Running and nothing happens"
            )
        return self


class NodeStop:
    """Kills the node that the target runs on."""

    kind = "node.stop"
    options = NodeStopOptions
    capabilities = (StopsNodes, ReturnsNodes)

    def views(self, options: NodeStopOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the target's death."""
        left = options.node_object == "left"
        way = WayToDie.NODE_RETURNED if left else WayToDie.NODE_LOST
        return legal_views(way, has_outputs=has_outputs)

    def lethal(self, options: NodeStopOptions) -> bool:
        """Whatever runs on the node dies."""
        return True

    def script(self, options: NodeStopOptions, view: str | None, scene: Scene) -> Script:
        """Kill the node; let it return where it shall do so before the end."""
        left = options.node_object == "left"
        usual = View.SEEN if left else View.RESTARTED
        struck = struck_nodes(scene, options.nodes)
        for node in struck:
            yield StopNode(node, view or usual, keep_object=left, returns=True)
        if options.returns_after is not None:
            yield Pause(options.returns_after)
            for node in struck:
                yield ReturnNode(node)
