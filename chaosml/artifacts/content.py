"""What reading an object tells: digests, step, scalar fields, or why it cannot be read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosml.errors import ChaosmlError
from chaosml.event import Scalar

__all__ = ["Content", "UnreadableError", "clean_fields", "clean_text", "find_step"]

_FIELDS_MAX = 64
_CHARACTERS_MAX = 512
_INTEGER_MAX = 1 << 63
_STEP_NAMES = tuple(
    prefix + name
    for name in ("step", "global_step")
    for prefix in ("", "meta.", "sampler.", "scheduler.", "optimizer.", "trainer.")
)


class UnreadableError(ChaosmlError):
    """The bytes are not what the contract says; the message is `ArtifactObserved.problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an object holds, as far as its format tells."""

    digest: str | None = None
    """Canonical digest over all components."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Canonical digest by component; empty where the format has no components."""
    step: int | None = None
    fields: Mapping[str, Scalar] = field(default_factory=dict)
    problem: str | None = None


def clean_fields(pairs: Iterable[tuple[str, Any]]) -> dict[str, Scalar]:
    """Return the first 64 scalars in a form that a history can hold."""
    fields: dict[str, Scalar] = {}
    for name, value in pairs:
        if len(fields) == _FIELDS_MAX:
            break
        fields[clean_text(name)] = _clean(value)
    return fields


def clean_text(text: str) -> str:
    """Return at most 512 characters of a text, without what UTF-8 cannot say."""
    return text[:_CHARACTERS_MAX].encode("utf-8", "replace").decode("utf-8")


def find_step(fields: Mapping[str, Any]) -> int | None:
    """Return the step that a document or state says it holds, from fields named with dots."""
    for name in _STEP_NAMES:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _INTEGER_MAX:
            return value
    return None


def _clean(value: Any) -> Scalar:
    match value:
        case None | bool():
            return value
        case int():
            return value if -_INTEGER_MAX <= value < _INTEGER_MAX else clean_text(hex(value))
        case float():
            return value if math.isfinite(value) else str(value)
        case _:
            return clean_text(str(value))
