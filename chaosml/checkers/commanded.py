"""Evidence of faults that programs of the user's carry out: how each of them ended.

The receipt is what the program that was asked for it said, as often as it had to be asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.checkers.doubt import Doubt
from chaosml.event import CommandEnded
from chaosml.timeline.model import Injection
from chaosml.timeline.moment import Moment, Seen

__all__ = ["COMMANDED", "examine"]

COMMANDED = frozenset({"external", "chaostoolkit"})
"""The kinds of faults that are examined here."""
_DONE = "done"
_SHOWN_MAX = 4


def examine(injection: Injection) -> Iterator[tuple[Moment, str]]:
    """Yield what shows that a fault took effect, each with what it says.

    Raises:
        Doubt: it is not shown.
    """
    for part in ("command", "receipt"):
        found = [seen for seen in injection.commands if seen.fact.part == part]
        if not found:
            raise Doubt(f"{part}-unheard", f"nobody said how the {part} ended")
        last = found[-1]
        said = last.fact
        yield last.at, _words(last)
        if said.outcome != _DONE:
            detail = said.detail or f"exit code {said.exit_code}"
            raise Doubt(f"{part}-{said.outcome}", detail)


def _words(seen: Seen[CommandEnded]) -> str:
    said = seen.fact
    shown = [f"{path}={value}" for path, value in list(said.reported.items())[:_SHOWN_MAX]]
    more = ", …" if len(said.reported) > _SHOWN_MAX else ""
    told = f": {', '.join(shown)}{more}" if shown else ""
    return f"the {said.part} ended ({said.outcome}){told}"
