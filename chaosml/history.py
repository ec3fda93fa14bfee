"""The append-only list of an execution's facts, as JSON lines.

One thread writes. Intents are fsynced before this returns; other facts are
flushed to the kernel at once, which a killed process does not take with it. A
torn last line (the writer died in it) is ignored on reading and nothing else is.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import msgspec

from chaosml import clock
from chaosml.errors import HistoryError
from chaosml.event import (
    Basis,
    Emission,
    Event,
    Fact,
    HealIntended,
    InjectionIntended,
    SourceClosed,
    SourceLost,
    SourceOpened,
)

__all__ = [
    "HARNESS",
    "CloseSource",
    "Entry",
    "HistoryWriter",
    "LoseSource",
    "OpenSource",
    "read",
]

HARNESS = "harness"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source may emit from now on."""

    source: str


@dataclass(frozen=True, slots=True)
class CloseSource:
    """A source ended in order; its last event had number `last`."""

    source: str
    last: int


@dataclass(frozen=True, slots=True)
class LoseSource:
    """A source ended, and what it had still to say is unknown."""

    source: str
    why: str


Entry = Emission | OpenSource | CloseSource | LoseSource
"""What a substrate or a service hands to the writer, in order."""

_DURABLE = (InjectionIntended, HealIntended)


class HistoryWriter:
    """Appends events to `history.jsonl`; gives `seq`, and numbers the harness's own events."""

    def __init__(self, path: pathlib.Path, boot: str) -> None:
        """Create the file.

        Raises:
            HistoryError: the file exists or cannot be created.
        """
        self._path = path
        self._boot = boot
        self._encoder = msgspec.json.Encoder()
        self._seq = 0
        self._open: dict[str, int] = {}
        try:
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - lives as long as the writer
        except OSError as error:
            raise HistoryError(f"cannot create the history {path}: {error.strerror}") from error
        self._open[HARNESS] = 0
        self.say(f"source/{HARNESS}", SourceOpened(source=HARNESS, clock=boot))

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def open_sources(self) -> dict[str, int]:
        """Sources that may emit, each with the number of its last event."""
        return dict(self._open)

    def open_source(self, source: str) -> None:
        """State that `source` may emit from now on; a second call does nothing."""
        if source in self._open:
            return
        self.say(f"source/{source}", SourceOpened(source=source, clock=self._boot))
        self._open[source] = 0

    def close_source(self, source: str, last: int) -> None:
        """State that `source` ended in order with event number `last`."""
        if self._open.pop(source, None) is not None:
            self.say(f"source/{source}", SourceClosed(source=source, last=last))

    def lose_source(self, source: str, why: str) -> None:
        """State that `source` ended and that what it had still to say is unknown."""
        last = self._open.pop(source, None)
        if last is not None:
            self.say(f"source/{source}", SourceLost(source=source, last_seen=last, why=why))

    def say(self, subject: str, fact: Fact, *, basis: Basis = Basis.OBSERVED) -> Event:
        """Append a fact of the harness itself, stamped now."""
        now = clock.monotonic_ns()
        self._open[HARNESS] += 1
        return self._write(
            Emission(
                source=HARNESS,
                source_seq=self._open[HARNESS],
                earliest_ns=now,
                latest_ns=now,
                basis=basis,
                subject=subject,
                data=fact,
            )
        )

    def record(self, entry: Entry) -> Event | None:
        """Append an entry; return its event where it is an emission.

        Raises:
            HistoryError: as `append`.
        """
        match entry:
            case OpenSource(source):
                self.open_source(source)
            case CloseSource(source, last):
                self.close_source(source, last)
            case LoseSource(source, why):
                self.lose_source(source, why)
            case emission:
                return self.append(emission)
        return None

    def append(self, emission: Emission) -> Event:
        """Append what a source said.

        Raises:
            HistoryError: the source is not open, or the disk refuses the line.
        """
        if emission.source not in self._open:
            raise HistoryError(f"event of source {emission.source!r}, which is not open")
        self._open[emission.source] = max(self._open[emission.source], emission.source_seq)
        return self._write(emission)

    def _write(self, emission: Emission) -> Event:
        self._seq += 1
        event = Event(
            seq=self._seq,
            source=emission.source,
            source_seq=emission.source_seq,
            earliest_ns=emission.earliest_ns,
            latest_ns=emission.latest_ns,
            basis=emission.basis,
            subject=emission.subject,
            data=emission.data,
        )
        line = self._encoder.encode(event) + b"\n"
        end = self._file.tell()
        try:
            self._write_whole(line)
            if isinstance(emission.data, _DURABLE):
                os.fsync(self._file.fileno())
        except OSError as error:
            # Half a line inside would make everything after it unreadable.
            self._file.truncate(end)
            self._file.seek(end)
            raise HistoryError(
                f"cannot write the history {self._path}: {error.strerror}"
            ) from error
        return event

    def _write_whole(self, line: bytes) -> None:
        """Write all of `line`: a raw write may take only a part, as on a full disk."""
        view = memoryview(line)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """Close the harness's own source and the file; a second call does nothing."""
        if self._file.closed:
            return
        try:
            last = self._open[HARNESS] + 1
            self.say(f"source/{HARNESS}", SourceClosed(source=HARNESS, last=last))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise HistoryError(
                f"cannot close the history {self._path}: {error.strerror}"
            ) from error
        finally:
            self._file.close()


def read(path: pathlib.Path) -> Iterator[Event]:
    """Yield the events of a history in order, holding one chunk of it in memory.

    Raises:
        HistoryError: the file is missing, or a line other than a torn last one is no event.
    """
    decode = msgspec.json.Decoder(Event).decode
    number = 0
    try:
        with open(path, "rb") as file:
            rest = b""
            while chunk := file.read(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    number += 1
                    yield decode(line)
    except OSError as error:
        raise HistoryError(f"cannot read the history {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HistoryError(
            f"{path}:{number}: not an event that this version knows ({error}); "
            "judge it with the version that wrote it"
        ) from error
