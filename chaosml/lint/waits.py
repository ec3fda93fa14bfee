"""How long Argo waits between attempts, and how long attempts may run, as far as a file says it."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.argo import Retry
from chaosml.lint.part import Part
from chaosml.workflow.retry import parse_duration_ns
from chaosml.workflow.state import ControllerError

__all__ = ["as_words", "duration_s", "waits_s"]

_NS = 1_000_000_000
_RETRIES_LOOKED_AT = 60
_LONGEST_S = 2**63 / _NS
"""Go's longest duration, to which Argo cuts."""


def duration_s(part: Part) -> float | None:
    """Return a duration in seconds; None where there is none that can be read."""
    try:
        return parse_duration_ns(part.text) / _NS if part.text else None
    except (ControllerError, OverflowError, ValueError):
        return None


def waits_s(retry: Retry) -> Iterator[float]:
    """Yield the wait before each retry, in seconds; nothing where there is no backoff to read."""
    first = duration_s(retry.at("backoff", "duration"))
    if first is None or retry.limit is None:
        return
    factor = retry.at("backoff", "factor").number or 1
    longest = duration_s(retry.at("backoff", "cap"))
    wait = first
    for _ in range(min(retry.limit, _RETRIES_LOOKED_AT)):
        yield wait if longest is None else min(wait, longest)
        wait = min(wait * factor, _LONGEST_S)


def as_words(seconds: float) -> str:
    """Return a duration as people say it: `90 s`, `12 min`, `8.5 h`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h" if seconds < 172_800 else f"{seconds / 86400:.3g} days"
