"""A toxic of a proxy: its name, where it works, on how many links, and what it counted."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from chaosml.services.toxiproxy.counters import ToxicCounts
from chaosml.services.toxiproxy.toxics import Setting

__all__ = ["Stream", "Toxic"]


class Stream(enum.Enum):
    """A direction of a connection, seen from the client."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@dataclass(slots=True, eq=False)
class Toxic:
    """What the API calls a toxic; `setting` and `toxicity` may change, the rest may not."""

    name: str
    kind: str
    stream: Stream
    stream_text: str
    """The stream as it was written, which is how it is shown."""
    toxicity: float
    setting: Setting
    owner: str | None = None
    """Whose lease it lives by; None: it lives until it is removed."""
    counts: ToxicCounts = field(default_factory=ToxicCounts)
