"""`storage.down`: nobody listens where the object store was.

Mechanism: the Toxiproxy proxy in front of the store, for the targeted task's way to it, is
disabled: open connections are closed, new ones refused. Kind and cluster: the official image
beside the services; embedded: our own server, same API.
Effect: the pods of the target's template feel it; tasks with the same template share it.
Permissions: none beyond those of the services' pod.
Receipt: a canary through the same proxy that is answered before and after and refused
during it; the target stood still or failed in the meantime. Heal: the proxy is enabled.
"""

from __future__ import annotations

from chaosml.event import DOWN
from chaosml.faults.degradation import CutOptions, Effect, OnTheWay, cut
from chaosml.faults.script import Scene, Script
from chaosml.scenario.model import STORE

__all__ = ["StorageDown"]


class StorageDown(OnTheWay):
    """Takes the store away from the target."""

    kind = "storage.down"
    options = CutOptions

    def service(self, options: CutOptions) -> str:
        """The store."""
        return STORE

    def script(self, options: CutOptions, view: str | None, scene: Scene) -> Script:
        """Refuse, wait, listen again."""
        return cut(scene, service=STORE, effects=[Effect(DOWN, "both", {})], for_s=options.duration)
