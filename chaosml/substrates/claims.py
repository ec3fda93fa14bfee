"""Finding the lines of probes in what a pod prints, and reading them.

A program may print anything: binary data, endless lines, progress bars that leave
a line unfinished before the probe's. A line of a probe is what follows the last
`@chaosml ` up to the line's end. Where it stands at the beginning of the line and
cannot be read, that is evidence too; behind other text it is taken for a quotation.
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
)

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


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a probe and when it was written."""

    earliest_ns: int
    latest_ns: int
    fact: _ClaimFact


class ClaimReader:
    """Reads the claims out of one stream of one pod."""

    def __init__(self, *, boot: str, start_ns: int) -> None:
        self._boot = boot
        self._start_ns = start_ns
        self._read_ns = start_ns
        self._rest = b""
        self._cut = False
        """Whether the beginning of the unfinished line was dropped."""

    def take(self, chunk: bytes, read_ns: int) -> list[Claim]:
        """Return the claims that end in this chunk, which was read at `read_ns`."""
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
        fact, mono_ns = _decode(line[at:], self._boot)
        if isinstance(fact, ClaimUnreadable) and not first:
            return
        if mono_ns is not None and self._start_ns <= mono_ns <= read_ns:
            yield Claim(earliest_ns=mono_ns, latest_ns=mono_ns, fact=fact)
        else:
            yield Claim(earliest_ns=self._read_ns, latest_ns=read_ns, fact=fact)


def _decode(line: bytes, boot: str) -> tuple[_ClaimFact, int | None]:
    """Return what a line states, and its own stamp where that is on our clock."""
    if len(line) >= _LINE_BYTES_MAX:
        return ClaimUnreadable(why=f"longer than {_LINE_BYTES_MAX} bytes"), None
    try:
        fields = msgspec.json.decode(line[len(_PREFIX) :], type=dict[str, Any])
        return _convert(fields), _stamp(fields, boot)
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


def _stamp(fields: dict[str, Any], boot: str) -> int | None:
    mono_ns = fields.get("mono_ns")
    return mono_ns if isinstance(mono_ns, int) and fields.get("boot") == boot else None
