"""What somebody may have meant who has named what is not there."""

from __future__ import annotations

from collections.abc import Collection

from chaosml.document import nearest

__all__ = ["near_miss"]

_NAMES_MAX = 500
"""Among more names the search would take longer than all rules together."""


def near_miss(name: str, known: Collection[str]) -> str:
    """Return the end of a message: `; did you mean "train"?`, or nothing."""
    meant = nearest(name, known) if len(known) <= _NAMES_MAX else None
    return f'; did you mean "{meant}"?' if meant else ""
