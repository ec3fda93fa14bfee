"""`node.drain`: a node is emptied for maintenance; the machine itself stays whole.

Mechanism: cordon, then an eviction of every pod of the pipeline on it, as `kubectl drain
--ignore-daemonsets`. A disruption budget that refuses is asked again every 5 s until
`timeout`; an eviction that it never allows makes the injection INVALID (`refused-by-pdb`).
Permissions: `patch` on nodes, `create` on pods/eviction; on `cluster` a node labelled
`chaosml.dev/enabled=true` that carries nobody else's pods. Heal: uncordon.
Receipt: the cordon, the eviction and the death of the process by us.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaosml.faults.draining import drain
from chaosml.faults.script import Pause, Scene, Script, Uncordon
from chaosml.scenario.model import Duration
from chaosml.substrates.protocol import DrainsNodes, EvictsPods
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["NodeDrain", "NodeDrainOptions"]


class NodeDrainOptions(BaseModel):
    """Options of `node.drain`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra={"examples": [{"uncordon-after": "30s"}]},
    )

    timeout: Annotated[Duration, Field(gt=0)] = 120.0
    """How long disruption budgets may refuse; then the injection is INVALID (`refused-by-pdb`)."""
    uncordon_after: Annotated[Duration | None, Field(alias="uncordon-after")] = None
    """When the node takes pods again, counted from the drain's end; default: with the execution."""


class NodeDrain:
    """Drains the node that the target runs on."""

    kind = "node.drain"
    options = NodeDrainOptions
    capabilities = (DrainsNodes, EvictsPods)

    def views(self, options: NodeDrainOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the target's death."""
        return legal_views(WayToDie.EVICT, has_outputs=has_outputs)

    def lethal(self, options: NodeDrainOptions) -> bool:
        """Whoever is on the node dies."""
        return True

    def script(self, options: NodeDrainOptions, view: str | None, scene: Scene) -> Script:
        """Drain the node; open it again where it shall take pods before the end."""
        node = scene.target.node
        yield from drain(node, view or View.GONE, options.timeout, scene)
        if options.uncordon_after is not None:
            yield Pause(options.uncordon_after)
            yield Uncordon(node)
