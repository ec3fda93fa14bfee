r"""Reading the step out of lines that a program prints anyway, such as `step=120 loss=0.31`.

    lines, cut at 512 characters ──► (?P<step>\d+) ──► another step? ──► one stretch ──► fact

A line is what ends with a newline: a number that was never finished may be cut, and the last
state of a progress bar that redraws its line is not known to be the last. Only a change of the
step is said, and what arrives within `STRETCH_NS` is one fact: a program that prints thousands
of lines a second, or a buffer that is flushed, does not swamp the history. So a stretch is also
what arrived at once, which tells how far behind the program its lines may be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chaosml.event import LogProgress
from chaosml.scenario.patterns import LINE_CHARACTERS_MAX
from chaosml.substrates.claims import Claim

__all__ = ["STRETCH_NS", "StepLines"]

STRETCH_NS = 10_000_000
_DIGITS_MAX = 18
_LINE_BYTES_MAX = 4 * LINE_CHARACTERS_MAX
"""A character has at most four bytes in UTF-8."""


@dataclass(slots=True)
class _Stretch:
    """Lines that arrived together."""

    first: int
    highest: int
    fell: bool
    earliest_ns: int
    latest_ns: int
    until_ns: int
    """What arrives before this belongs to it."""

    def freeze(self) -> Claim:
        """Return it as a fact."""
        fact = LogProgress(
            step=self.highest,
            first=None if self.first == self.highest else self.first,
            fell=self.fell,
        )
        return Claim(earliest_ns=self.earliest_ns, latest_ns=self.latest_ns, fact=fact)


class StepLines:
    """Reads the steps out of the streams of one pod."""

    def __init__(self, pattern: str, start_ns: int) -> None:
        """Begin.

        Args:
            pattern: A regular expression with the group `step`, which `why_costly` accepts.
            start_ns: When the program started at the earliest.
        """
        self._pattern = re.compile(pattern)
        self._start_ns = start_ns
        self._rest: dict[int, bytes] = {}
        self._read_ns: dict[int, int] = {}
        self._last: int | None = None
        self._open: _Stretch | None = None

    def take(
        self, chunk: bytes, read_ns: int, since_ns: int | None = None, stream: int = 0
    ) -> list[Claim]:
        """Return the stretches that ended before the lines that end in this chunk.

        Args:
            chunk: What was read.
            read_ns: When it had been written.
            since_ns: When it had not been written yet; by default the reading before.
            stream: Tells streams apart: each has lines of its own.
        """
        earliest_ns = self._read_ns.get(stream, self._start_ns) if since_ns is None else since_ns
        *lines, rest = (self._rest.get(stream, b"") + chunk).split(b"\n")
        ended: list[Claim] = []
        for line in lines:
            step = self._step_of(line)
            if step is not None and step != self._last:
                ended += self._note(step, min(earliest_ns, read_ns), read_ns)
        self._rest[stream] = rest[:_LINE_BYTES_MAX]
        self._read_ns[stream] = read_ns
        return ended

    def end(self) -> list[Claim]:
        """Return the last stretch, if there is one."""
        ended = [] if self._open is None else [self._open.freeze()]
        self._open = None
        return ended

    def _step_of(self, line: bytes) -> int | None:
        whole = line[:_LINE_BYTES_MAX].decode(errors="replace")
        text = whole[:LINE_CHARACTERS_MAX]
        found = self._pattern.search(text)
        digits = None if found is None else found["step"]
        if found is None or digits is None or not digits.isdecimal() or len(digits) > _DIGITS_MAX:
            return None
        is_cut = len(text) < len(whole) and found.end("step") == len(text)
        return None if is_cut else int(digits)

    def _note(self, step: int, earliest_ns: int, latest_ns: int) -> list[Claim]:
        fell = self._last is not None and step < self._last
        self._last = step
        stretch = self._open
        if stretch is not None and latest_ns < stretch.until_ns:
            stretch.highest = max(stretch.highest, step)
            stretch.fell = stretch.fell or fell
            stretch.earliest_ns = min(stretch.earliest_ns, earliest_ns)
            stretch.latest_ns = max(stretch.latest_ns, latest_ns)
            return []
        ended = self.end()
        until_ns = latest_ns + STRETCH_NS
        self._open = _Stretch(step, step, fell, earliest_ns, latest_ns, until_ns)
        return ended
