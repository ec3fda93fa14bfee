"""`verdict.json`: the whole judgement for machines; equal judgements give equal bytes."""

from __future__ import annotations

import pathlib

import msgspec

from chaosml.errors import HistoryError
from chaosml.verdict import Judgement

__all__ = ["read", "render"]


def render(judgement: Judgement) -> bytes:
    """Return the document, with sorted keys and a final newline."""
    encoded = msgspec.json.encode(judgement, order="sorted")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def read(directory: pathlib.Path) -> Judgement:
    """Return the judgement that a run directory holds.

    Raises:
        HistoryError: it cannot be read, or another version wrote it.
    """
    path = directory / "verdict.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Judgement)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HistoryError(f"{path}: is not what this version writes: {error}") from error
