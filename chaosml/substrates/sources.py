"""The sources of the embedded substrate: who has said how much, in what order."""

from __future__ import annotations

from collections.abc import Sequence

from chaosml import clock
from chaosml.event import Basis, Emission, Fact
from chaosml.history import CloseSource, Entry, LoseSource, OpenSource

__all__ = ["Sources"]


class Sources:
    """Numbers what is said and keeps it until the writer takes it.

    What is said for a source that is not open is dropped: its last number is written.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._entries: list[Entry] = []

    @property
    def open(self) -> Sequence[str]:
        """The sources that may say something."""
        return tuple(self._last)

    def take(self) -> Sequence[Entry]:
        """Return what was said since the last call."""
        entries, self._entries = self._entries, []
        return entries

    def begin(self, source: str) -> None:
        """Open a source."""
        self._last[source] = 0
        self._entries.append(OpenSource(source))

    def end(self, source: str) -> None:
        """Close a source with its last number; a second call does nothing."""
        last = self._last.pop(source, None)
        if last is not None:
            self._entries.append(CloseSource(source, last))

    def lose(self, source: str, why: str) -> None:
        """State that a source had more to say; nothing where it is not open."""
        if self._last.pop(source, None) is not None:
            self._entries.append(LoseSource(source, why))

    def say(
        self,
        source: str,
        subject: str,
        fact: Fact,
        *,
        between: tuple[int, int] | None = None,
        basis: Basis = Basis.OBSERVED,
    ) -> None:
        """Say a fact, stamped now or with the interval `between`."""
        if source not in self._last:
            return
        now_ns = clock.monotonic_ns()
        earliest_ns, latest_ns = between or (now_ns, now_ns)
        self._last[source] += 1
        self._entries.append(
            Emission(
                source=source,
                source_seq=self._last[source],
                earliest_ns=earliest_ns,
                latest_ns=latest_ns,
                basis=basis,
                subject=subject,
                data=fact,
            )
        )
