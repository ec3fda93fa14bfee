"""`storage.stall`: the object store accepts connections and answers nothing.

Mechanism: Toxiproxy's `timeout` toxic, without an end of its own, on what the targeted task
sends: it is taken and goes nowhere, so that nothing sent meanwhile is ever stored. What the
store was answering already still arrives. Removal closes the connections that waited: bytes
of theirs are missing. Kind and cluster: the official image beside the services; embedded: our
own server, same API.
Effect: the pods of the target's template feel it; tasks with the same template share it.
Permissions: none beyond those of the services' pod.
Receipt: a canary through the same proxy that is answered before and after and gets no word
during it; the target stood still or failed in the meantime. Heal: the toxic is removed.
"""

from __future__ import annotations

from chaosml.faults.degradation import CutOptions, Effect, OnTheWay, cut
from chaosml.faults.script import Scene, Script
from chaosml.scenario.model import STORE

__all__ = ["StorageStall"]


class StorageStall(OnTheWay):
    """Lets the store fall silent for the target."""

    kind = "storage.stall"
    options = CutOptions

    def service(self, options: CutOptions) -> str:
        """The store."""
        return STORE

    def script(self, options: CutOptions, view: str | None, scene: Scene) -> Script:
        """Fall silent, wait, speak again."""
        effect = Effect("timeout", "upstream", {"timeout": 0})
        return cut(scene, service=STORE, effects=[effect], for_s=options.duration)
