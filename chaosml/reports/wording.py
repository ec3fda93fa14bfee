"""How figures, places and foreign text are written, the same in every report.

Names and messages come from pipelines and are not to be trusted: whatever a
terminal, an XML parser or a Markdown renderer could take for more than text is
made visible here or escaped by the report.
"""

from __future__ import annotations

import math
import unicodedata

from chaosml.verdict import EventRef

__all__ = [
    "count",
    "duration",
    "folder",
    "place",
    "printable",
    "printable_lines",
    "ratio",
    "share",
    "steps",
]

_MINUTE_S = 60
_HOUR_S = 3600


def printable(text: str) -> str:
    """Return foreign text as one line without anything that acts instead of being read."""
    return " ".join("".join(_visible(character) for character in text).split())


def printable_lines(text: str) -> str:
    """Return foreign text, such as a traceback, with its lines and indentation only."""
    return "\n".join(
        "".join(_visible(character) for character in line.expandtabs()).rstrip()
        for line in text.splitlines()
    )


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace() or unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: `0.42 s`, `8.1 s`, `2 min 05 s`, `1 h 02 min`."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        minutes, rest = divmod(whole, _MINUTE_S)
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // _MINUTE_S, _MINUTE_S)
    return f"{hours} h {rest:02d} min" if rest else f"{hours} h"


def ratio(value: float) -> str:
    """Return how often something happens for each time that it is of use."""
    return f"{value:.2f} times" if math.isfinite(value) else "unknown"


def share(value: float) -> str:
    """Return 0.31 as `31 %`; below one per cent with a decimal."""
    if not math.isfinite(value):
        return "unknown"
    percent = value * 100
    return f"{percent:.0f} %" if abs(percent) >= 1 or percent == 0 else f"{percent:.1f} %"


def count(number: int, noun: str) -> str:
    """Return `1 trial`, `4 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def steps(value: float) -> str:
    """Return a number of steps, whole where it is whole."""
    return f"{value:g}"


def folder(execution: str) -> str:
    """Return the folder of an execution below the run directory: `trials/3` for `trial/3`."""
    kind, _, number = execution.partition("/")
    return f"{kind}s/{number}"


def place(event: EventRef) -> str:
    """Return file and line of a cited event below the run directory."""
    return f"{folder(event.execution)}/history.jsonl:{event.seq}"
