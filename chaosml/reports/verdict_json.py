"""`verdict.json`: the whole judgement for machines; equal judgements give equal bytes."""

from __future__ import annotations

import msgspec

from chaosml.verdict import Judgement

__all__ = ["render"]


def render(judgement: Judgement) -> bytes:
    """Return the document, with sorted keys and a final newline."""
    encoded = msgspec.json.encode(judgement, order="sorted")
    return msgspec.json.format(encoded, indent=2) + b"\n"
