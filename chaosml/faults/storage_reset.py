"""`storage.reset`: the connection to the object store is reset, also in the middle of an upload.

Mechanism: the gate resets the client's connection (RST) once it has got `after` bytes of the
request's payload, or its end. Nothing of such a request is stored. Toxiproxy is not used: its
`limit_data` counts the bytes of a connection, which carries many requests, and closes with
FIN; its `reset_peer` lets no byte through, and the stock server resets only connections that
are younger than the toxic. Where another fault of the scenario has put a Toxiproxy in
between, the client sees its connection end as that server passes it on.
Effect: every pod of the targeted task.
Permissions: none beyond those of the services' pod.
Receipt: requests of the target that the gate cut for this injection. Heal: it passes
everything on again.
"""

from __future__ import annotations

from pydantic import ConfigDict

from chaosml.faults.disturbance import AtTheGate, Operations, Selection, disturb_for
from chaosml.faults.quantity import Size
from chaosml.faults.script import Scene, Script
from chaosml.services.disturbances import RESET

__all__ = ["ResetOptions", "StorageReset"]


class ResetOptions(Selection):
    """Options of `storage.reset`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"for": "10s"}]})

    operations: Operations = ("PutObject", "UploadPart")
    """Only these requests, by S3's names."""
    after: Size = 0
    """So much of the payload is taken first; a shorter one is cut at its end."""


class StorageReset(AtTheGate):
    """Resets connections of the target."""

    kind = "storage.reset"
    options = ResetOptions

    def script(self, options: ResetOptions, view: str | None, scene: Scene) -> Script:
        """Reset, wait, stop resetting."""
        return disturb_for(scene, options, options.operations, RESET, after_bytes=options.after)
