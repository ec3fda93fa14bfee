"""The section at the end of a session: the scorecard of its runs, and how to replay what failed."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import pytest
from rich.console import Console

from chaosml.document import display_path
from chaosml.errors import HistoryError
from chaosml.pytest_plugin.exchange import Record
from chaosml.reports import verdict_json
from chaosml.reports.wording import printable
from chaosml.scorecard import alone, text
from chaosml.scorecard.reading import Found
from chaosml.verdict import Judgement, Status

__all__ = ["write"]

_WIDTH_MIN = 80


def write(terminal: pytest.TerminalReporter, records: Sequence[Record]) -> None:
    """Write the section."""
    terminal.section("chaosml")
    runs = [(record, _outcome(record)) for record in records]
    width = max(terminal.config.get_terminal_writer().fullwidth, _WIDTH_MIN)
    console = Console(
        width=width,
        force_terminal=terminal.hasmarkup,
        highlight=False,
        markup=False,
        emoji=False,
    )
    found = [
        Found(pathlib.Path(record.directory or ""), outcome)
        for record, outcome in runs
        if not isinstance(outcome, str)
    ]
    if found:
        for line in text.render(alone.scorecard_of(found), console).splitlines():
            terminal.write_line(line)
    for record, outcome in runs:
        _write_run(terminal, record, outcome)


def _write_run(terminal: pytest.TerminalReporter, record: Record, outcome: Judgement | str) -> None:
    """Write where the report of a run is, or why there is none."""
    if isinstance(outcome, str) or record.directory is None:
        terminal.write_line(f"ERROR  {printable(record.scenario)}: {printable(str(outcome))}")
        return
    report = f"{display_path(pathlib.Path(record.directory))}/summary.md"
    terminal.write_line(f"report  {report}")
    if outcome.status is not Status.PASS:
        terminal.write_line(f"replay  {printable(outcome.replay)}")


def _outcome(record: Record) -> Judgement | str:
    """Return the judgement of a run, or why there is none."""
    if record.directory is None:
        return (record.error or "").splitlines()[0]
    try:
        return verdict_json.read(pathlib.Path(record.directory))
    except HistoryError as error:
        return str(error)
