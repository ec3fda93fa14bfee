"""Sizes and rates in the options of faults: written with their units, held as bytes.

A number without a unit is refused: whether 64 means bytes or KiB is for the author to say.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

__all__ = ["Rate", "Size"]

_BYTES = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "kbit": 125,
    "Mbit": 125_000,
}
_SIZE = r"[0-9]+\s*(B|KB|MB|KiB|MiB|GiB)"
_RATE = r"[0-9]+(\.[0-9]+)?\s*(B|KB|MB|KiB|MiB|kbit|Mbit)/s"


def _size(value: Any) -> Any:
    """Turn `64KiB` or `5MB` into bytes."""
    return int(_bytes(value, _SIZE, "KiB or {}MB", "size such as 64KiB or 5MB"))


def _rate(value: Any) -> Any:
    """Turn `500KB/s`, `1MiB/s` or `8Mbit/s` into bytes a second."""
    return _bytes(value, _RATE, "KB/s or {}Mbit/s", "rate such as 500KB/s, 1MiB/s or 8Mbit/s")


def _bytes(value: Any, pattern: str, units: str, what: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit, such as {value}{units.format(value)}")
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(f"is no {what}")
    found = re.match(r"([0-9.]+)\s*([A-Za-z]+)", value)
    assert found is not None
    return float(found[1]) * _BYTES[found[2]]


Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE}$", "examples": ["64KiB"]}),
]
"""Bytes; written with units."""

Rate = Annotated[
    float,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": f"^{_RATE}$", "examples": ["500KB/s"]}),
]
"""Bytes a second; written with units."""
