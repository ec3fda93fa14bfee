"""The texts that documents are read from, and what files are called in messages."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import BinaryIO

from chaosml.errors import Problem, ScenarioError

__all__ = ["display_path", "load_text", "read_text"]

_BYTES_MAX = 1_048_576


def display_path(path: pathlib.Path) -> str:
    """Return a path relative to the working directory where it lies below it."""
    try:
        return str(path.absolute().relative_to(pathlib.Path.cwd()))
    except ValueError:
        return str(path)


def load_text(path: pathlib.Path, origin: Problem | None) -> str:
    """Return the text of a file, as `read_text` does.

    Args:
        path: The file.
        origin: The place that names the file, for the message where it cannot be read.

    Raises:
        ScenarioError: it cannot be read, is larger, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            return read_text(file, path, origin=origin)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise _unreadable(display_path(path), f"cannot be read: {reason}", origin) from error


def read_text(file: BinaryIO, path: pathlib.Path, *, origin: Problem | None = None) -> str:
    """Return the text of an open file, which is UTF-8 and not larger than a document may be.

    Raises:
        ScenarioError: it is larger, or is no UTF-8.
        OSError: it cannot be read.
    """
    shown = display_path(path)
    raw = file.read(_BYTES_MAX + 1)
    if len(raw) > _BYTES_MAX:
        raise _unreadable(shown, f"is larger than {_BYTES_MAX} bytes", origin)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"is not UTF-8 text: byte 0x{raw[error.start]:02x}; save the file as UTF-8"
        raise ScenarioError([Problem(shown, line, column, message)]) from error
    return text


def _unreadable(shown: str, message: str, origin: Problem | None) -> ScenarioError:
    if origin is None:
        return ScenarioError([Problem(shown, 1, 1, f"the file {message}")])
    message = f"{origin.message}: the file {shown!r} {message}"
    return ScenarioError([dataclasses.replace(origin, message=message)])
