"""How scenarios are divided among the jobs of a CI system, and the record that a job leaves.

    reports/shard-2-of-3.json      which scenarios there were, whose each was, where its run lies

Every job computes the same division from the same scenarios, so none has to ask another.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping

import msgspec

from chaosml.errors import HistoryError, UsageError
from chaosml.store.directory import replace_file

__all__ = ["Shard", "ShardRecord", "divide", "find", "parse", "write"]

_FORM = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


class Shard(msgspec.Struct, frozen=True, order=True):
    """One part of several."""

    index: int
    """From 1."""
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


class ShardRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one job did: `shard-I-of-N.json`."""

    schema: int = 1
    shard: Shard
    scenarios: dict[str, int]
    """Every scenario that was collected, with the index of the shard whose it is."""
    runs: dict[str, str]
    """Scenarios of this shard that were run, with the run directory below the reports folder."""
    errors: dict[str, str] = {}
    """Scenarios of this shard whose run broke, with the reason."""


def parse(text: str) -> Shard:
    """Return the shard that `I/N` names.

    Raises:
        UsageError: there is no such shard.
    """
    match = _FORM.fullmatch(text)
    shard = Shard(*map(int, match.groups())) if match else None
    if shard is None or not 1 <= shard.index <= shard.of:
        raise UsageError(f"{text!r} is no shard; write I/N with I from 1 to N, such as 1/4")
    return shard


def divide(costs: Mapping[str, int], of: int) -> dict[str, int]:
    """Return the shard of every scenario, so that no shard has much more to do than another.

    The dearest first, each to the shard that has least to do; costs are executions.
    """
    loads = dict.fromkeys(range(1, of + 1), 0)
    shards = {}
    for scenario in sorted(costs, key=lambda name: (-costs[name], name)):
        index = min(loads, key=lambda one: (loads[one], one))
        shards[scenario] = index
        loads[index] += costs[scenario]
    return dict(sorted(shards.items()))


def write(reports: pathlib.Path, record: ShardRecord) -> pathlib.Path:
    """Leave the record of a shard in its reports folder.

    Raises:
        HistoryError: the file system refuses.
    """
    path = reports / f"shard-{record.shard.index}-of-{record.shard.of}.json"
    try:
        reports.mkdir(parents=True, exist_ok=True)
        replace_file(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    except OSError as error:
        raise HistoryError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def find(folder: pathlib.Path) -> dict[pathlib.Path, ShardRecord]:
    """Return the records below a folder, each by its file.

    Raises:
        HistoryError: there is none, or one is not what this version writes.
    """
    found = {path: _read(path) for path in sorted(folder.rglob("shard-*-of-*.json"))}
    if not found:
        raise HistoryError(
            f"{folder}: holds no shard-I-of-N.json; name the reports folder of a job that ran "
            "pytest --chaosml-shard I/N"
        )
    return found


def _read(path: pathlib.Path) -> ShardRecord:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ShardRecord)
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise HistoryError(f"{path}: is not what this version writes: {error}") from error
