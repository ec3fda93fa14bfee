"""`states.jsonl` and `kills.jsonl`: results line by line as they come, so that nothing is lost.

A line that was being written when the sweep died is ignored, and its state tested again.
"""

from __future__ import annotations

import pathlib
from typing import Generic, TypeVar

import msgspec

from chaosml.errors import HistoryError

__all__ = ["Journal"]

_Line = TypeVar("_Line", bound=msgspec.Struct)


class Journal(Generic[_Line]):
    """A file of results."""

    def __init__(self, path: pathlib.Path, kind: type[_Line]) -> None:
        self._path = path
        self._decode = msgspec.json.Decoder(kind).decode

    def read(self) -> list[_Line]:
        """Return what was written whole; nothing where there is no file.

        Raises:
            HistoryError: a line other than a torn last one is no result.
        """
        try:
            *lines, _ = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise HistoryError(f"cannot read {self._path}: {error.strerror}") from error
        try:
            return [self._decode(line) for line in lines]
        except msgspec.MsgspecError as error:
            raise HistoryError(
                f"{self._path}: not results that this version knows ({error})"
            ) from error

    def mend(self) -> None:
        """Cut a torn last line off.

        Raises:
            HistoryError: the disk refuses.
        """
        try:
            content = self._path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                self._path.write_bytes(whole)
        except FileNotFoundError:
            return
        except OSError as error:
            raise HistoryError(f"cannot mend {self._path}: {error.strerror}") from error

    def append(self, result: _Line) -> None:
        """Add a result.

        Raises:
            HistoryError: the disk refuses.
        """
        try:
            with open(self._path, "ab", buffering=0) as file:
                file.write(msgspec.json.encode(result) + b"\n")
        except OSError as error:
            raise HistoryError(f"cannot write {self._path}: {error.strerror}") from error
