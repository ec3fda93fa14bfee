"""A drawing in the coordinates of the page: a thousandth of the width is one unit.

The page stretches each lane to the width that there is, so texts stand outside of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chaosml.scorecard.drawing import Drawing, Lane

__all__ = ["Picture", "picture"]

_WIDTH = 1000
_HEIGHT = 24
_EDGE = 2
_BAR_MIN = 2.0
_TICKS = 4


@dataclass(frozen=True, slots=True)
class _Rectangle:
    x: str
    width: str
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class _Line:
    x: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Strip:
    """A lane, ready for the template."""

    kind: str
    name: str
    rectangles: tuple[_Rectangle, ...]
    lines: tuple[_Line, ...]
    points: str
    """Of the polyline of the steps; empty without steps."""
    words: tuple[str, ...]
    """Everything that the lane shows, in the order of time."""
    more: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing, ready for the template."""

    strips: tuple[_Strip, ...]
    ticks: tuple[tuple[str, str], ...]
    """Place in per cent and label."""
    kinds: tuple[str, ...]
    """Of bars and marks, for the legend, in the order of their appearance."""


def picture(drawing: Drawing) -> Picture:
    """Return a drawing in the page's coordinates."""
    strips = tuple(_strip(lane, drawing) for lane in drawing.lanes)
    bars = [one.kind for strip in strips for one in strip.rectangles]
    lines = [one.kind for strip in strips for one in strip.lines]
    steps = ["steps"] if any(strip.points for strip in strips) else []
    return Picture(strips, _ticks(drawing.length_s), tuple(dict.fromkeys([*bars, *lines, *steps])))


def _strip(lane: Lane, drawing: Drawing) -> _Strip:
    scale = _WIDTH / drawing.length_s
    said = [(bar.start_s, bar.says) for bar in lane.bars]
    said += [(mark.at_s, mark.says) for mark in lane.marks]
    if lane.progress:
        first, last = lane.progress[0], lane.progress[-1]
        said.append((last[0], f"steps {first[1]} to {last[1]} done by {last[0]:.2f} s"))
    return _Strip(
        kind=lane.kind,
        name=lane.name,
        rectangles=tuple(
            _Rectangle(
                _short(bar.start_s * scale),
                _short(max(_BAR_MIN, (bar.end_s - bar.start_s) * scale)),
                bar.kind,
                bar.says,
            )
            for bar in lane.bars
        ),
        lines=tuple(_Line(_short(mark.at_s * scale), mark.kind) for mark in lane.marks),
        points=_points(lane, scale, drawing.step_max),
        words=tuple(words for _, words in sorted(said, key=lambda one: one[0])),
        more=lane.more,
    )


def _points(lane: Lane, scale: float, step_max: int) -> str:
    height = _HEIGHT - 2 * _EDGE
    return " ".join(
        f"{_short(at_s * scale)},{_short(_HEIGHT - _EDGE - height * step / max(step_max, 1))}"
        for at_s, step in lane.progress
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _ticks(length_s: float) -> tuple[tuple[str, str], ...]:
    """Return marks at round seconds, at most five of them."""
    raw = length_s / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    count = int(length_s / step) + 1
    return tuple(
        (_short(100 * number * step / length_s), f"{number * step:g} s") for number in range(count)
    )
