"""`--chaosml-shard I/N`: one part of the scenarios, and the record that `chaosml merge` reads."""

from __future__ import annotations

import json
import pathlib

import pytest

from chaosml.errors import HistoryError, UsageError
from chaosml.pytest_plugin import exchange
from chaosml.pytest_plugin.items import Expectation, ScenarioFile
from chaosml.reports.wording import printable
from chaosml.store.shards import Shard, ShardRecord, divide, parse, write

__all__ = ["check", "finish", "keep_own"]

_DIVISION = "division"
"""File of the exchange: which scenario is whose. No record, so without their suffix."""


def check(config: pytest.Config) -> None:
    """Refuse a shard that does not exist.

    Raises:
        pytest.UsageError: the option is not I/N, or there are no scenarios to divide.
    """
    if not config.getoption("chaosml"):
        raise pytest.UsageError("--chaosml-shard divides scenarios: it needs --chaosml")
    try:
        _shard(config)
    except UsageError as error:
        raise pytest.UsageError(f"--chaosml-shard: {error}") from error


def keep_own(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the scenarios of other shards; every other test stays."""
    files = {item.parent for item in items if isinstance(item, Expectation)}
    # Refused ones are somebody's, too: the merged report must not lack them.
    costs = {record.scenario: 0 for record in exchange.records_of(config) if record.error}
    costs |= {file.nodeid: file.executions for file in files if isinstance(file, ScenarioFile)}
    shard = _shard(config)
    division = divide(costs, shard.of)
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        file = item.parent.nodeid if isinstance(item, Expectation) and item.parent else ""
        (kept if division.get(file, shard.index) == shard.index else left).append(item)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)
    # Every worker writes the same.
    place = exchange.of(config).folder / _DIVISION
    place.write_text(json.dumps(division), encoding="utf-8")


def finish(session: pytest.Session) -> None:
    """Write the record of this shard."""
    config = session.config
    shared = exchange.of(config)
    try:
        text = (shared.folder / _DIVISION).read_text(encoding="utf-8")
    except FileNotFoundError:
        return  # Nothing was collected, so there is nothing to merge.
    division: dict[str, int] = json.loads(text)
    reports = config.invocation_params.dir / config.getoption("chaosml_reports")
    shard = _shard(config)
    runs, errors = {}, {}
    for record in shared.records():
        if division.get(record.scenario) != shard.index:
            continue  # Another shard's, or a call of a test in Python, which every shard repeats.
        if record.directory is None:
            errors[record.scenario] = printable(record.error or "")
        else:
            runs[record.scenario] = str(pathlib.Path(record.directory).relative_to(reports))
    try:
        write(reports, ShardRecord(shard=shard, scenarios=division, runs=runs, errors=errors))
    except HistoryError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    is_empty = bool(division) and shard.index not in division.values()
    if is_empty and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        # Fewer scenarios than shards: that this one has nothing to do is as it should be.
        session.exitstatus = pytest.ExitCode.OK


def _shard(config: pytest.Config) -> Shard:
    return parse(config.getoption("chaosml_shard"))
