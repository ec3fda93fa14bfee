"""Finding the lines of probes in what a pod prints, and reading them.

A program may print anything: binary data, endless lines, progress bars that leave
a line unfinished before the probe's. A line of a probe is what follows the last
`@chaosml ` up to the line's end. Where it stands at the beginning of the line and
cannot be read, that is evidence too; behind other text it is taken for a quotation.

A line's own stamp says when it was written, exactly where it is on our clock and within
the bounds of its clock elsewhere. That it was read, and that its program had not started
before, bounds that clock for every line of its machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from chaosml.event import (
    ClaimCheckpoint,
    ClaimDone,
    ClaimPoint,
    ClaimPublish,
    ClaimReady,
    ClaimRegister,
    ClaimRestore,
    ClaimStep,
    ClaimUnreadable,
    LogProgress,
)
from chaosml.translation import Clocks

__all__ = ["Claim", "ClaimReader"]

_PREFIX = b"@chaosml "
_LINE_BYTES_MAX = 4096
_INTEGER_MAX = 2**63 - 1

_Said = (
    ClaimReady
    | ClaimRestore
    | ClaimStep
    | ClaimCheckpoint
    | ClaimPublish
    | ClaimRegister
    | ClaimDone
    | ClaimPoint
)
"""What a readable line of a probe may state."""

_ClaimFact = _Said | ClaimUnreadable

_LineFact = _ClaimFact | LogProgress
"""What lines of a program may state, whether they are for us or not."""

_Stamp = tuple[str, int]
"""Boot id of a clock, and what it showed."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a probe, or some of the program's own, and when they were written."""

    earliest_ns: int
    latest_ns: int
    fact: _LineFact


class ClaimReader:
    """Reads the claims out of one stream of one pod."""

    def __init__(self, *, boot: str, start_ns: int, clocks: Clocks | None = None) -> None:
        """Begin.

        Args:
            boot: Boot id of our clock.
            start_ns: When the program started at the earliest.
            clocks: Places the stamps of other clocks; without it they say nothing.
        """
        self._clocks = Clocks(boot) if clocks is None else clocks
        self._start_ns = start_ns
        self._read_ns = start_ns
        self._rest = b""
        self._cut = False
        """Whether the beginning of the unfinished line was dropped."""

    def take(self, chunk: bytes, read_ns: int, since_ns: int | None = None) -> list[Claim]:
        """Return the claims that end in this chunk, which was read at `read_ns`.

        Args:
            chunk: What was read.
            read_ns: When it had been written.
            since_ns: When it had not been written yet; by default the reading before.
        """
        if since_ns is not None:
            self._read_ns = min(since_ns, read_ns)
        *lines, rest = chunk.split(b"\n")
        claims: list[Claim] = []
        for line in lines:
            claims += self._read(self._rest + line, read_ns)
            self._rest, self._cut = b"", False
        self._keep(self._rest + rest)
        self._read_ns = read_ns
        return claims

    def end(self, read_ns: int) -> list[Claim]:
        """Return the claim of a last line without an end, if there is one."""
        claims = list(self._read(self._rest, read_ns))
        self._rest = b""
        return claims

    def _keep(self, rest: bytes) -> None:
        """Keep of an unfinished line what may still become a claim."""
        at = rest.rfind(_PREFIX)
        if at > 0 or (at < 0 and len(rest) >= len(_PREFIX)):
            keep_from = at if at > 0 else len(rest) - len(_PREFIX) + 1
            rest, self._cut = rest[keep_from:], True
        # So many bytes without the end of the line tell that it is too long.
        self._rest = rest[:_LINE_BYTES_MAX]

    def _read(self, line: bytes, read_ns: int) -> Iterator[Claim]:
        at = line.rfind(_PREFIX)
        if at < 0:
            return
        first = at == 0 and not self._cut
        fact, stamp = _decode(line[at:])
        if isinstance(fact, ClaimUnreadable) and not first:
            return
        earliest_ns, latest_ns = self._place(stamp, read_ns)
        yield Claim(earliest_ns=earliest_ns, latest_ns=latest_ns, fact=fact)

    def _place(self, stamp: _Stamp | None, read_ns: int) -> tuple[int, int]:
        """Return when a line was written, by its own stamp as far as that can be placed."""
        if stamp is None:
            return self._read_ns, read_ns
        boot, mono_ns = stamp
        if self._clocks.is_ours(boot):
            exact = self._start_ns <= mono_ns <= read_ns
            return (mono_ns, mono_ns) if exact else (self._read_ns, read_ns)
        self._clocks.note_after(boot, mono_ns, self._start_ns)
        self._clocks.note_before(boot, mono_ns, read_ns)
        lowest_ns, highest_ns = self._clocks.place(boot, mono_ns)
        earliest_ns = max(self._read_ns, self._read_ns if lowest_ns is None else lowest_ns)
        latest_ns = min(read_ns, read_ns if highest_ns is None else highest_ns)
        if earliest_ns > latest_ns:
            # What contradicts the reading is a wrong stamp.
            return self._read_ns, read_ns
        return earliest_ns, latest_ns


def _decode(line: bytes) -> tuple[_ClaimFact, _Stamp | None]:
    """Return what a line states, and its own stamp where it has one."""
    if len(line) >= _LINE_BYTES_MAX:
        return ClaimUnreadable(why=f"longer than {_LINE_BYTES_MAX} bytes"), None
    try:
        fields = msgspec.json.decode(line[len(_PREFIX) :], type=dict[str, Any])
        return _convert(fields), _stamp(fields)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return ClaimUnreadable(why=f"not an event of the probe: {error}"), None


def _convert(fields: dict[str, Any]) -> _ClaimFact:
    if fields.get("v") != 1:
        return ClaimUnreadable(why=f"version {str(fields.get('v'))[:20]!r} of the line, not 1")
    for name, value in fields.items():
        if isinstance(value, int) and abs(value) > _INTEGER_MAX:
            return ClaimUnreadable(why=f"{name[:40]!r} is beyond 64 bits")
    fact: _Said = msgspec.convert(
        {**fields, "kind": fields.get("event"), "n": fields.get("seq")}, _Said
    )
    return fact


def _stamp(fields: dict[str, Any]) -> _Stamp | None:
    mono_ns, boot = fields.get("mono_ns"), fields.get("boot")
    return (boot, mono_ns) if isinstance(mono_ns, int) and isinstance(boot, str) else None
