"""The reports of all shards in one folder, with one overview and one JUnit document.

A shard that is missing, a scenario that none of them ran: each is named, and nothing passes
because of what is not there.
"""

from __future__ import annotations

import io
import pathlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import junitparser

from chaosml.errors import HistoryError, UsageError
from chaosml.reports import verdict_json
from chaosml.reports.wording import printable
from chaosml.store import shards
from chaosml.store.directory import replace_file
from chaosml.store.shards import ShardRecord
from chaosml.verdict import Judgement

__all__ = ["Merged", "merge"]

_JUNIT = "junit.xml"


@dataclass(frozen=True, slots=True)
class Merged:
    """Every scenario that was collected, with its judgement or why there is none."""

    runs: tuple[tuple[str, Judgement | str], ...]


def merge(folders: Sequence[pathlib.Path], into: pathlib.Path) -> Merged:
    """Copy the runs of all shards into one folder and write their common `junit.xml`.

    Args:
        folders: Reports folders of the jobs, or folders that hold them.
        into: Where everything is put; what is there already stays.

    Raises:
        UsageError: the records are not parts of one whole, or a run is there already.
        HistoryError: a folder or record cannot be read, or the disk refuses.
    """
    records = {path: one for folder in folders for path, one in shards.find(folder).items()}
    whole = _check_parts(records)
    homes = {record.shard.index: (path.parent, record) for path, record in records.items()}
    runs: list[tuple[str, Judgement | str]] = []
    documents: list[tuple[str, pathlib.Path | str]] = []
    for scenario, index in whole.scenarios.items():
        source = _source(scenario, index, whole.shard.of, homes)
        if isinstance(source, str):
            runs.append((scenario, source))
            documents.append((scenario, source))
            continue
        home, run = source
        target = _copy(home / run, into / run)
        runs.append((scenario, verdict_json.read(target)))
        documents.append((scenario, target / _JUNIT))
    _write_junit(into, documents)
    return Merged(tuple(runs))


def _check_parts(records: Mapping[pathlib.Path, ShardRecord]) -> ShardRecord:
    """Return any of the records, if they are parts of one whole and none is there twice."""
    first_path, first = next(iter(records.items()))
    seen: dict[int, pathlib.Path] = {}
    for path, record in records.items():
        if record.shard.of != first.shard.of or record.scenarios != first.scenarios:
            raise UsageError(
                f"{path} and {first_path} do not divide the same scenarios among the same number "
                "of shards; merge the folders of one pipeline run"
            )
        if record.shard.index in seen:
            raise UsageError(
                f"{path} and {seen[record.shard.index]} are both shard {record.shard}; merge one"
            )
        seen[record.shard.index] = path
    return first


def _source(
    scenario: str, index: int, of: int, homes: Mapping[int, tuple[pathlib.Path, ShardRecord]]
) -> tuple[pathlib.Path, str] | str:
    """Return folder and name of a scenario's run, or why there is none."""
    if index not in homes:
        return f"shard {index}/{of} is missing"
    home, record = homes[index]
    if scenario in record.errors:
        return record.errors[scenario]
    if scenario not in record.runs:
        return f"shard {index}/{of} did not run it"
    run = record.runs[scenario]
    # The record comes from elsewhere: it may name nothing outside its folder.
    if not (home / run).resolve().is_relative_to(home.resolve()) or pathlib.Path(run).is_absolute():
        raise UsageError(f"{home}: the record names {run!r}, which is outside this folder")
    return home, run


def _copy(source: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    if source.resolve() == target.resolve():
        return target
    try:
        shutil.copytree(source, target, symlinks=True)
    except FileExistsError as error:
        raise UsageError(f"{target} exists already; merge into another folder") from error
    except (OSError, shutil.Error) as error:
        raise HistoryError(f"cannot copy {source} to {target}: {error}") from error
    return target


def _write_junit(into: pathlib.Path, documents: Iterable[tuple[str, pathlib.Path | str]]) -> None:
    whole = junitparser.JUnitXml()
    for scenario, document in documents:
        if isinstance(document, str):
            whole.add_testsuite(_absent(scenario, document))
            continue
        try:
            found = junitparser.JUnitXml.fromfile(str(document))
        except (OSError, SyntaxError) as error:
            raise HistoryError(f"{document}: cannot be read: {error}") from error
        for suite in found:
            whole.add_testsuite(suite)
    file = io.BytesIO()
    whole.write(file, pretty=True)
    try:
        into.mkdir(parents=True, exist_ok=True)
        replace_file(into / _JUNIT, file.getvalue())
    except OSError as error:
        raise HistoryError(f"cannot write {into / _JUNIT}: {error.strerror}") from error


def _absent(scenario: str, why: str) -> junitparser.TestSuite:
    """Return a suite with the error that stands for a run that is not there."""
    name = printable(scenario)
    suite = junitparser.TestSuite(name)
    case = junitparser.TestCase("verdict [whole run]", classname=f"chaosml.{name}.verdict")
    error = junitparser.Error(printable(why), "absent")
    error.text = printable(why)
    case.result = [error]
    suite.add_testcase(case)
    return suite
