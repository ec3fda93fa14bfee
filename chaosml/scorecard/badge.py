"""The worst grade as an SVG badge for a README; what is stale or proves nothing says so."""

from __future__ import annotations

from chaosml.scorecard import cells, templates
from chaosml.scorecard.model import Scorecard

__all__ = ["render"]

_LABEL = "resilience"
_COLORS = {"A": "#2e7d32", "B": "#558b2f", "C": "#9a6700", "D": "#c62828", "F": "#b71c1c"}
_GREY = "#5f6368"
_CHARACTER_PX = 6.6
_PADDING_PX = 12


def render(scorecard: Scorecard) -> bytes:
    """Return the picture."""
    letter = cells.worst_grade(scorecard)
    message = _message(scorecard, letter)
    stale = any(row.latest.stale for row in scorecard.rows)
    left, right = _width(_LABEL), _width(message)
    return templates.render(
        "badge.svg",
        label=_LABEL,
        message=message,
        left=left,
        right=right,
        color=_GREY if stale or letter is None else _COLORS[letter],
    )


def _message(scorecard: Scorecard, letter: str | None) -> str:
    if not scorecard.rows:
        return "no run"
    stale = any(row.latest.stale for row in scorecard.rows)
    passed = sum(cells.verdict(row.latest) == "PASS" for row in scorecard.rows)
    said = f"{letter or 'unproved'} · {passed} of {len(scorecard.rows)} pass"
    return f"{said} · stale" if stale else said


def _width(text: str) -> int:
    return round(len(text) * _CHARACTER_PX) + _PADDING_PX
