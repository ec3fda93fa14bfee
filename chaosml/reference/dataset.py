"""The digits: read, checked, normalised, split."""

from __future__ import annotations

import gzip
import hashlib
import io
import pathlib
import zlib
from typing import Any

import numpy
from numpy.typing import NDArray

from chaosml.reference.program import PermanentError

__all__ = ["CLASSES", "PIXELS", "SOURCE", "prepare", "read_raw", "validate"]

SOURCE = pathlib.Path(__file__).parent / "digits.csv.gz"
"""The raw data; see `DIGITS.md` beside it."""
PIXELS = 64
CLASSES = 10
_PIXEL_MAX = 16
_ROWS_MIN = 100
_TEST_EVERY = 5


def read_raw(source: pathlib.Path) -> tuple[bytes, str]:
    """Return the raw bytes and their SHA-256, which names the dataset everywhere.

    Raises:
        PermanentError: the file cannot be read.
    """
    try:
        data = source.read_bytes()
    except OSError as error:
        raise PermanentError(f"cannot read the data: {error}") from error
    return data, hashlib.sha256(data).hexdigest()


def validate(raw: bytes) -> NDArray[numpy.int64]:
    """Return the rows, pixels then label, if they are what the pipeline is made for.

    Raises:
        PermanentError: they are not; the message names every problem.
    """
    try:
        text = gzip.decompress(raw).decode("ascii")
        if not text.strip():
            raise ValueError("it is empty")
        rows = numpy.loadtxt(io.StringIO(text), delimiter=",", dtype=numpy.int64, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise PermanentError(f"the data is no compressed table of integers: {error}") from error
    problems = _find_problems(rows)
    if problems:
        raise PermanentError("the data is not valid: " + "; ".join(problems))
    return rows


def _find_problems(rows: NDArray[numpy.int64]) -> list[str]:
    if rows.shape[1] != PIXELS + 1:
        return [f"{rows.shape[1]} columns instead of {PIXELS + 1}"]
    problems = []
    pixels, labels = rows[:, :PIXELS], rows[:, PIXELS]
    if len(rows) < _ROWS_MIN:
        problems.append(f"{len(rows)} rows, fewer than {_ROWS_MIN}")
    if pixels.min() < 0 or pixels.max() > _PIXEL_MAX:
        problems.append(
            f"pixels from {pixels.min()} to {pixels.max()} instead of 0 to {_PIXEL_MAX}"
        )
    if set(numpy.unique(labels)) != set(range(CLASSES)):
        problems.append(f"labels {sorted(set(labels.tolist()))} instead of 0 to {CLASSES - 1}")
    return problems


def prepare(rows: NDArray[numpy.int64]) -> dict[str, NDArray[Any]]:
    """Return normalised images and labels, every fifth row for the test."""
    images = (rows[:, :PIXELS] / _PIXEL_MAX).astype(numpy.float32)
    labels = rows[:, PIXELS]
    held_out = numpy.arange(len(rows)) % _TEST_EVERY == 0
    return {
        "train/images": images[~held_out],
        "train/labels": labels[~held_out],
        "test/images": images[held_out],
        "test/labels": labels[held_out],
    }
