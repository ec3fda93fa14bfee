"""Durations, shares and plain values as a scenario writes them.

A number without a unit is refused: whether 20 means seconds or minutes is for the author to say.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

__all__ = [
    "Boolean",
    "Duration",
    "Integer",
    "PartialPercent",
    "Percent",
    "parse_duration",
    "parse_percent",
]

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+"
_PERCENT = r"[0-9]+(\.[0-9]+)?\s*%"


def parse_duration(value: Any) -> Any:
    """Turn `1m30s`, `250ms`, `2h` into seconds; leave anything else to the type's own check."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs a unit, such as {value}s or {value}m")
    if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
        raise ValueError("is no duration such as 500ms, 30s, 20m or 1m30s")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", value)
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def parse_percent(value: Any) -> Any:
    """Turn `30%` into 0.3."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"needs its unit, such as {value}%")
    if not isinstance(value, str) or not re.fullmatch(_PERCENT, value):
        raise ValueError("is no share such as 30%")
    return float(value.rstrip("% ")) / 100


def _check_whole(share: float) -> float:
    if not 0 < share < 1:
        raise ValueError("lies outside of what can be shown: more than 0% and less than 100%")
    return share


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$", "examples": ["30s", "1m30s"]}),
]
"""Seconds; written with units."""
_PERCENT_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": f"^{_PERCENT}$", "examples": ["30%"]}
)
Percent = Annotated[float, BeforeValidator(parse_percent), _PERCENT_SCHEMA]
"""A share, 0.3 for `30%`; may be more than the whole."""
PartialPercent = Annotated[
    float, BeforeValidator(parse_percent), AfterValidator(_check_whole), _PERCENT_SCHEMA
]
"""A share of a whole, neither nothing nor all of it."""
Integer = Annotated[int, Field(strict=True)]
"""A whole number, not a text that looks like one."""
Boolean = Annotated[bool, Field(strict=True)]
