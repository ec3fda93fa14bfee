"""What a person sees of a judgement when the run is over.

The verdict comes first and last: first for who scrolls up, last for who does not.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaosml.document import display_path
from chaosml.reports import figures
from chaosml.reports.figures import Finding, Row
from chaosml.reports.wording import place, printable, printable_lines
from chaosml.verdict import Judgement

__all__ = ["render", "screen"]

_COLORS = {"PASS": "green", "FAIL": "bold red", "UNKNOWN": "yellow", figures.INVALID: "yellow"}
_PIPED_WIDTH = 100
_WIDTH_MAX = 140
_WIDE = 100
"""Columns from which on the parts of a recovery have room in the table."""
_EVIDENCE_MAX = 5
_DETAIL_LINES_MAX = 12
_LABEL_WIDTH = 9


def screen(stream: TextIO) -> Console:
    """Return a console on a stream, with columns that suit a reader or a file."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_WIDTH
    console.width = min(console.width, _WIDTH_MAX)
    return console


def render(judgement: Judgement, directory: pathlib.Path, console: Console) -> str:
    """Return the summary as text for this console, with colors where it has them."""
    shown = display_path(directory)
    with console.capture() as capture:
        console.print(_title(judgement))
        console.print()
        console.print(_executions(judgement, console.width))
        console.print()
        console.print(_expectations(judgement))
        for finding in figures.findings(judgement):
            console.print()
            console.print(_finding_title(finding))
            console.print(_finding(finding, shown))
        console.print()
        console.print(_coverage(judgement))
        _print_whole(console, _label("report"), f"{shown}/summary.md")
        _print_whole(console, _label("replay"), printable(judgement.replay))
        console.print()
        console.print(_last_line(judgement))
    return capture.get()


def _print_whole(console: Console, label: Text, line: str) -> None:
    """Print a path or command in one piece, however narrow the screen is, so it can be copied."""
    console.print(label.append(line), no_wrap=True, overflow="ignore", crop=False)


def _label(name: str) -> Text:
    return Text(f"{name:<{_LABEL_WIDTH}} ", style="dim")


def _status(name: str) -> Text:
    return Text(name, style=_COLORS[name])


def _title(judgement: Judgement) -> Text:
    about = (
        f"{judgement.scenario}: {judgement.pipeline} on {judgement.substrate}, "
        f"seed {judgement.seed}, run {judgement.run}"
    )
    return Text(printable(about), style="bold")


def _last_line(judgement: Judgement) -> Text:
    name = judgement.status.value
    return Text.assemble((name, _COLORS[name]), ("  " + figures.headline(judgement), "bold"))


def _executions(judgement: Judgement, width: int) -> Table:
    rows = figures.rows(judgement)
    wide = width >= _WIDE and any(row.parts for row in rows)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("execution", no_wrap=True)
    table.add_column("case", overflow="fold")
    table.add_column("struck at", overflow="fold")
    table.add_column("seen as", overflow="fold")
    table.add_column("wall", justify="right", no_wrap=True)
    table.add_column("MTTR", justify="right", no_wrap=True)
    if wide:
        table.add_column("made of", overflow="fold")
    table.add_column("lost", justify="right", no_wrap=True)
    table.add_column("waste", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row, wide=wide))
    return table


def _cells(row: Row, *, wide: bool) -> Iterable[RenderableType]:
    yield from (row.execution, row.case, row.place, row.view, row.wall, row.mttr)
    if wide:
        yield " + ".join(f"{name} {value}" for name, value in row.parts.items())
    yield from (row.lost_steps, row.waste, _status(row.status))


def _expectations(judgement: Judgement) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in figures.expectations(judgement):
        table.add_row(printable(one.name), _status(one.status.value), one.words)
    return table


def _finding_title(finding: Finding) -> Text:
    title = Text.assemble(
        (finding.status.value, _COLORS[finding.status.value]),
        (f"  {finding.expectation}: {finding.cause}", "bold"),
    )
    where = printable(", ".join(finding.executions))
    return title.append(f"  {where}", style="dim") if where else title


def _finding(finding: Finding, directory: str) -> Group:
    lead = finding.lead
    parts: list[RenderableType] = [Text(printable(lead.message))]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    shown = finding.evidence[:_EVIDENCE_MAX]
    for number, event in enumerate(shown):
        label = "evidence" if number == 0 else ""
        words = Text.assemble((place(event), "cyan"), f"  {printable(event.says)}")
        table.add_row(label, words)
    if len(finding.evidence) > len(shown):
        table.add_row("", f"and {len(finding.evidence) - len(shown)} more, see summary.md")
    if lead.advice is not None:
        table.add_row("advice", Text(printable(lead.advice)))
    parts.append(table)
    if finding.evidence:
        path = f"{directory}/{place(finding.evidence[0])}"
        parts.append(Text("open      ", style="dim", no_wrap=True, overflow="ignore").append(path))
    if lead.details is not None:
        lines = printable_lines(lead.details).splitlines()[-_DETAIL_LINES_MAX:]
        parts.append(Padding(Text("\n".join(lines), style="dim"), (0, 0, 0, 2)))
    return Group(*(Padding(part, (0, 0, 0, 2)) for part in parts))


def _coverage(judgement: Judgement) -> Group:
    shown = _label("coverage").append(figures.coverage_words(judgement))
    missing = [
        Padding(Text(printable(f"{case} is missing: {why}"), style="yellow"), (0, 0, 0, 10))
        for case, why in judgement.coverage.missing.items()
    ]
    return Group(shown, *missing)
