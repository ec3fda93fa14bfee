"""Data that the pipeline is not made for is refused before anything is trained on it."""

from __future__ import annotations

import gzip
import hashlib

import numpy
import pytest

from chaosml.reference import dataset
from chaosml.reference.program import PermanentError

PUBLISHED_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"


def table(change=lambda rows: rows):
    raw, _ = dataset.read_raw(dataset.SOURCE)
    rows = change(dataset.validate(raw))
    text = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    return gzip.compress(text.encode(), mtime=0)


def set_cell(row, column, value):
    def change(rows):
        rows[row, column] = value
        return rows

    return change


def test_the_packaged_data_is_the_published_file():
    raw, sha256 = dataset.read_raw(dataset.SOURCE)
    assert sha256 == hashlib.sha256(raw).hexdigest() == PUBLISHED_SHA256
    assert dataset.validate(raw).shape == (1797, 65)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no compressed table"),
        (b"garbage", "no compressed table"),
        (gzip.compress(b"1,2\n3\n", mtime=0), "no compressed table"),
        (gzip.compress(b"1,x\n", mtime=0), "no compressed table"),
        (gzip.compress(b"1,2\n", mtime=0), "2 columns"),
        (table(lambda rows: rows[:50]), "50 rows"),
        (table(set_cell(3, 5, 17)), "pixels from 0 to 17"),
        (table(set_cell(3, 5, -1)), "pixels from -1"),
        (table(set_cell(3, 64, 10)), "labels"),
        (table(lambda rows: rows[rows[:, 64] != 9]), "labels"),
    ],
)
def test_wrong_data_is_refused_with_its_problem(raw, says):
    with pytest.raises(PermanentError, match=says):
        dataset.validate(raw)


def test_a_truncated_file_is_refused():
    raw, _ = dataset.read_raw(dataset.SOURCE)
    with pytest.raises(PermanentError):
        dataset.validate(raw[: len(raw) // 2])


def test_every_problem_is_named_at_once():
    with pytest.raises(PermanentError, match=r"pixels .*; labels"):
        dataset.validate(table(lambda rows: set_cell(1, 64, 11)(set_cell(0, 0, 99)(rows))))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PermanentError, match=r"absent\.csv"):
        dataset.read_raw(tmp_path / "absent.csv")


def test_the_split_takes_every_row_once():
    raw, _ = dataset.read_raw(dataset.SOURCE)
    rows = dataset.validate(raw)
    parts = dataset.prepare(rows)
    assert len(parts["train/images"]) + len(parts["test/images"]) == len(rows)
    assert len(parts["test/labels"]) == 360
    assert parts["train/images"].dtype == numpy.float32
    assert parts["train/images"].max() == 1.0
