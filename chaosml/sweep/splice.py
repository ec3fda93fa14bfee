"""A history whose beginning is recorded and whose rest is executed: numbers that go on."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chaosml.event import Emission
from chaosml.history import CloseSource, Entry, HistoryWriter, LoseSource, OpenSource

__all__ = ["Splice"]


class Splice:
    """Writes entries of both, each source numbered through."""

    def __init__(self, history: HistoryWriter) -> None:
        self._history = history
        self._last: dict[str, int] = {}
        self._moved: dict[str, int] = {}
        """By how much the numbers of what is executed are moved, from the begin of that on."""

    def begin(self, emissions: Iterable[Emission]) -> None:
        """Write what was recorded, with numbers of its own."""
        for emission in emissions:
            self._history.open_source(emission.source)
            number = self._last.get(emission.source, 0) + 1
            self._last[emission.source] = number
            self._history.append(msgspec.structs.replace(emission, source_seq=number))

    def close(self, sources: Iterable[str]) -> None:
        """Close recorded sources that say nothing more."""
        for source in sources:
            self._history.open_source(source)
            self._history.close_source(source, self._last.get(source, 0))

    def go_on(self) -> None:
        """State that everything from now on is executed."""
        self._moved = dict(self._last)

    def record(self, entries: Iterable[Entry]) -> None:
        """Write what is executed."""
        for entry in entries:
            match entry:
                case CloseSource(source, last):
                    self._history.close_source(source, last + self._moved.get(source, 0))
                case OpenSource() | LoseSource():
                    self._history.record(entry)
                case emission:
                    self._history.append(self._numbered(emission))

    def _numbered(self, emission: Emission) -> Emission:
        moved = self._moved.get(emission.source, 0)
        if not moved:
            return emission
        return msgspec.structs.replace(emission, source_seq=emission.source_seq + moved)
