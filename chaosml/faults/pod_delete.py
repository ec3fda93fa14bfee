"""`pod.delete`: a pod is deleted through the API.

Mechanism: graceful deletion (preStop, SIGTERM, the grace period, SIGKILL), or with
`force` none of it. On a cluster: DELETE of the pod, `gracePeriodSeconds: 0` for force.
Permissions: `delete` on pods. Heal: none needed, the orchestrator replaces the pod.
Receipt: the deletion, the death of the process by us while its work was outstanding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaosml.faults.script import Delete, Scene, Script
from chaosml.scenario.model import Boolean, Duration
from chaosml.substrates.protocol import DeletesPods
from chaosml.workflow.views import View, WayToDie, legal_views

__all__ = ["PodDelete", "PodDeleteOptions"]


class PodDeleteOptions(BaseModel):
    """Options of `pod.delete`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    grace_period: Annotated[Duration | None, Field(alias="grace-period")] = None
    """Instead of the pod's own `terminationGracePeriodSeconds`."""
    force: Boolean = False
    """Without a grace period, as `kubectl delete --force --grace-period=0`."""


class PodDelete:
    """Deletes the target."""

    kind = "pod.delete"
    options = PodDeleteOptions
    capabilities = (DeletesPods,)

    def views(self, options: PodDeleteOptions, *, has_outputs: bool) -> Sequence[View | None]:
        """Return the legal views of the death."""
        way = WayToDie.FORCE if options.force else WayToDie.DELETE
        return legal_views(way, has_outputs=has_outputs)

    def lethal(self, options: PodDeleteOptions) -> bool:
        """A deleted pod dies."""
        return True

    def script(self, options: PodDeleteOptions, view: str | None, scene: Scene) -> Script:
        """Delete the target, once."""
        yield Delete(
            scene.target.uid,
            view or View.GONE,
            grace_s=options.grace_period,
            force=options.force,
        )
