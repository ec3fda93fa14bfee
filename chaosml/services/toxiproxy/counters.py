"""What proxies and toxics did, counted: evidence that a fault took effect."""

from __future__ import annotations

import msgspec

__all__ = ["ConnectionCounts", "StreamCounts", "ToxicCounts"]


class StreamCounts(msgspec.Struct):
    """Bytes of one direction of a proxy."""

    received_bytes: int = 0
    sent_bytes: int = 0


class ConnectionCounts(msgspec.Struct):
    """Connections of a proxy."""

    accepted: int = 0
    open: int = 0
    refused: int = 0
    """Closed at once, because the upstream could not be reached."""


class ToxicCounts(msgspec.Struct):
    """What a toxic did on all links together."""

    links: int = 0
    """Links on which it began to work; a link that is drawn again counts again."""
    spared: int = 0
    """Links that its toxicity spared."""
    passed_bytes: int = 0
    dropped_bytes: int = 0
    delayed_ns: int = 0
    """How long chunks waited in it, in sum."""
    closed: int = 0
    """Links that it cut or reset."""
    expired: bool = False
    """Whether its lease ran out."""
