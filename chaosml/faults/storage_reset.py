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

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from chaosml.faults.disturbance import AtTheGate, Operations, Selection, disturb_for
from chaosml.faults.script import Scene, Script
from chaosml.services.disturbances import RESET

__all__ = ["ResetOptions", "Size", "StorageReset", "parse_size"]

_BYTES = {"B": 1, "KB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = r"[0-9]+\s*(B|KB|MB|KiB|MiB|GiB)"


def parse_size(value: Any) -> Any:
    """Turn `64KiB` or `5MB` into bytes."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit, such as {value}KiB or {value}MB")
    if not isinstance(value, str) or not re.fullmatch(_SIZE, value):
        raise ValueError("is no size such as 64KiB or 5MB")
    found = re.match(r"([0-9]+)\s*(\w+)", value)
    assert found is not None
    return int(found[1]) * _BYTES[found[2]]


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE}$", "examples": ["64KiB"]}),
]
"""Bytes; written with units."""


class ResetOptions(Selection):
    """Options of `storage.reset`."""

    operations: Operations = ("PutObject", "UploadPart")
    """Only these."""
    after: Size = 0
    """Of the request's payload; a shorter one is cut at its end."""


class StorageReset(AtTheGate):
    """Resets connections of the target."""

    kind = "storage.reset"
    options = ResetOptions

    def script(self, options: ResetOptions, view: str | None, scene: Scene) -> Script:
        """Reset, wait, stop resetting."""
        return disturb_for(scene, options, options.operations, RESET, after_bytes=options.after)
