"""What a person sees of a judgement when the run is over.

The verdict comes first and last: first for who scrolls up, last for who does not.
"""

from __future__ import annotations

import pathlib

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaosml.document import display_path
from chaosml.reports import figures
from chaosml.reports.figures import Finding
from chaosml.reports.layout import sheet, without_padding
from chaosml.reports.wording import place, printable, printable_lines
from chaosml.verdict import Judgement

__all__ = ["render"]

_COLORS = {
    "PASS": "green",
    "FAIL": "bold red",
    "UNKNOWN": "yellow",
    figures.INVALID: "yellow",
    figures.INTERRUPTED: "yellow",
}
_NARROW, _WIDE = 72, 100
"""Columns of a screen below which the least is shown, and from which on everything is."""
_COLUMNS = {
    "execution": "execution",
    "case": "case",
    "place": "struck at",
    "view": "seen as",
    "mttr": ">MTTR",
    "lost_steps": ">lost",
    "waste": ">waste",
    "status": "verdict",
}
"""Fields of a row with the names of their columns."""
_WIDE_COLUMNS = {
    **dict(list(_COLUMNS.items())[:4]),
    "result": "workflow",
    "wall": ">wall",
    **dict(list(_COLUMNS.items())[4:]),
}
_NARROW_COLUMNS = {name: _COLUMNS[name] for name in ("execution", "case", "mttr", "status")}
_EVIDENCE_MAX = 5
_DETAIL_LINES_MAX = 12
_LABEL_WIDTH = 8
_INDENT = "  "


def render(judgement: Judgement, directory: pathlib.Path, console: Console) -> str:
    """Return the summary as text for this console, with colors where it has them."""
    shown = display_path(directory)
    with console.capture() as capture:
        console.print(_title(judgement))
        console.print()
        console.print(_executions(judgement, console.width))
        if console.width >= _NARROW and any(row.parts for row in figures.rows(judgement)):
            console.print()
            console.print(_recovery(judgement))
        console.print()
        console.print(_expectations(judgement))
        for finding in figures.findings(judgement):
            console.print()
            brief = finding.status is not judgement.status
            _print_finding(console, finding, shown, brief=brief)
        console.print()
        console.print(_coverage(judgement))
        _print_whole(console, "report", f"{shown}/summary.md")
        _print_whole(console, "replay", printable_lines(judgement.replay))
        console.print()
        console.print(_last_line(judgement))
    return without_padding(capture.get(), console)


def _print_whole(console: Console, label: str, line: str, indent: str = "") -> None:
    """Print a path or command in one piece, however narrow the screen is, so it can be copied."""
    whole = Text(indent).append_text(_label(label)).append(line)
    console.print(whole, no_wrap=True, overflow="ignore", crop=False)


def _label(name: str) -> Text:
    return Text.assemble((f"{name:<{_LABEL_WIDTH}}", "dim"), " ")


def _status(name: str) -> Text:
    return Text(name, style=_COLORS[name])


def _title(judgement: Judgement) -> Text:
    name = figures.verdict_name(judgement)
    about = (
        f"{judgement.scenario}: {judgement.pipeline} on {judgement.substrate}, "
        f"seed {judgement.seed}, run {judgement.run}"
    )
    return Text.assemble((name, _COLORS[name]), ("  " + printable(about), "bold"))


def _last_line(judgement: Judgement) -> Text:
    name = figures.verdict_name(judgement)
    return Text.assemble((name, _COLORS[name]), ("  " + figures.headline(judgement), "bold"))


def _executions(judgement: Judgement, width: int) -> Table:
    columns = _NARROW_COLUMNS if width < _NARROW else _WIDE_COLUMNS if width >= _WIDE else _COLUMNS
    table = sheet(*columns.values())
    for row in figures.rows(judgement):
        cells = [str(getattr(row, name)) for name in columns]
        table.add_row(*cells[:-1], _status(row.status))
    return table


def _recovery(judgement: Judgement) -> Table:
    names = list(figures.MTTR_PARTS.values())
    table = sheet("recovery", *(f">{name}" for name in names), ">MTTR")
    for row in figures.rows(judgement):
        if row.parts:
            parts = (row.parts.get(name, figures.NONE) for name in names)
            table.add_row(row.execution, *parts, row.mttr)
    return table


def _expectations(judgement: Judgement) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for one in figures.expectations(judgement):
        table.add_row(printable(one.name), _status(one.status.value), one.words)
    return table


def _print_finding(console: Console, finding: Finding, directory: str, *, brief: bool) -> None:
    """Print a finding; a brief one, beside worse ones, without the way to its evidence."""
    lead = finding.lead
    console.print(_finding_title(finding))
    console.print(_indented(Text(printable(lead.message))))
    if brief:
        return
    if finding.evidence:
        console.print(_indented(_evidence(finding)))
        _print_whole(console, "open", f"{directory}/{place(finding.evidence[0])}", _INDENT)
    if lead.advice is not None:
        advice = Table.grid()
        advice.add_row(_label("advice"), Text(printable(lead.advice)))
        console.print(_indented(advice))
    if lead.details is not None:
        lines = printable_lines(lead.details).splitlines()[-_DETAIL_LINES_MAX:]
        console.print(_indented(_indented(Text("\n".join(lines), style="dim"))))


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, len(_INDENT)))


def _finding_title(finding: Finding) -> Text:
    title = Text.assemble(
        (finding.status.value, _COLORS[finding.status.value]),
        (f"  {finding.expectation}: {finding.cause}", "bold"),
    )
    where = printable(", ".join(finding.executions))
    return title.append(f"  {where}", style="dim") if where else title


def _evidence(finding: Finding) -> Table:
    table = Table.grid()
    shown = finding.evidence[:_EVIDENCE_MAX]
    for number, event in enumerate(shown):
        words = Text.assemble((place(event), "cyan"), f"  {printable(event.says)}")
        table.add_row(_label("" if number else "evidence"), words)
    if len(finding.evidence) > len(shown):
        more = len(finding.evidence) - len(shown)
        table.add_row(_label(""), Text(f"and {more} more, see summary.md", style="dim"))
    return table


def _coverage(judgement: Judgement) -> Group:
    shown = _label("coverage").append(figures.coverage_words(judgement))
    reasons: dict[str, list[str]] = {}
    for case, why in judgement.coverage.missing.items():
        reasons.setdefault(why, []).append(case)
    missing = [
        Text(printable(f"missing {', '.join(cases)}: {why}"), style="yellow")
        for why, cases in reasons.items()
    ]
    return Group(shown, *(Padding(line, (0, 0, 0, _LABEL_WIDTH + 1)) for line in missing))
