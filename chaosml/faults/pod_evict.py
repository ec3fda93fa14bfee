"""`pod.evict`: a pod is evicted, as a drain or an autoscaler does it.

Mechanism: the Eviction API, which asks the pod's disruption budgets and then deletes the
pod with its own grace period. The embedded substrate has no budgets.
Permissions: `create` on pods/eviction. Heal: none needed, the orchestrator replaces the pod.
Receipt: the deletion, the death of the process by us while its work was outstanding. An
eviction that a budget refuses is none: the injection is INVALID (`refused-by-pdb`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from chaosml.faults.script import Evict, Scene, Script
from chaosml.substrates.protocol import EvictsPods
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["PodEvict", "PodEvictOptions"]


class PodEvictOptions(BaseModel):
    """`pod.evict` has no options: an eviction takes the pod's own grace period."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PodEvict:
    """Evicts the target."""

    kind = "pod.evict"
    options = PodEvictOptions
    capabilities = (EvictsPods,)

    def views(self, options: PodEvictOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the death."""
        return legal_views(WayToDie.EVICT, has_outputs=has_outputs)

    def lethal(self, options: PodEvictOptions) -> bool:
        """An evicted pod dies."""
        return True

    def script(self, options: PodEvictOptions, view: str | None, scene: Scene) -> Script:
        """Evict the target, once; a refusal ends the injection."""
        yield Evict(scene.target.uid, view or View.GONE)
