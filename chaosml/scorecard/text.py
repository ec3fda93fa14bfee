"""A scorecard, and a comparison, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from chaosml.reports.layout import sheet, without_padding
from chaosml.reports.wording import printable
from chaosml.scorecard import cells
from chaosml.scorecard.model import Card, Change, Key, Row, Scorecard, Skipped

__all__ = ["render", "render_changes"]

_COLORS = {
    "PASS": "green",
    "FAIL": "bold red",
    "UNKNOWN": "yellow",
    "INTERRUPTED": "yellow",
    "A": "green",
    "B": "green",
    "C": "yellow",
    "D": "bold red",
    "F": "bold red",
    "regression": "bold red",
    "doubt": "yellow",
    "improvement": "green",
}
_NARROW = 72
_INDENT = 2


def render(scorecard: Scorecard, console: Console) -> str:
    """Return the scorecard as text for this console."""
    with console.capture() as capture:
        console.print(Text(printable(cells.headline(scorecard)), style="bold"))
        if scorecard.rows:
            console.print()
            _print_overview(scorecard.rows, console)
            _print_figures(scorecard.rows, console)
        for row in scorecard.rows:
            _print_remarks(row, console)
        _print_skipped(scorecard.skipped, console)
    return without_padding(capture.get(), console)


def _print_overview(rows: Iterable[Row], console: Console) -> None:
    wide = console.width >= _NARROW
    columns = ["grade", "run", "verdict"]
    columns += [">trials", ">resumed", ">corrupt", ">traced", ">cases", ">runs"] if wide else []
    table = sheet(*columns)
    for row in rows:
        card = row.latest
        line = [_colored(cells.grade(card)), _name(card), _colored(cells.verdict(card))]
        if wide:
            line += [
                Text(str(card.trials - card.invalid)),
                Text(cells.count(card.resume)),
                Text(_corrupt(card)),
                Text(cells.count(card.lineage)),
                Text(cells.cases(card)),
                Text(str(1 + len(row.earlier))),
            ]
        table.add_row(*line)
    console.print(table)


def _corrupt(card: Card) -> str:
    return cells.corrupt(card).replace("at most", "≤")


def _print_figures(rows: Iterable[Row], console: Console) -> None:
    shown = [row.latest for row in rows if row.latest.figures]
    if not shown or console.width < _NARROW:
        return
    table = sheet("medians", ">MTTR", ">detect", ">resched.", ">start", ">restore", ">catch up")
    table.add_column("lost", justify="right", no_wrap=True)
    table.add_column("waste", justify="right", no_wrap=True)
    for card in shown:
        figures = [
            cells.WRITERS[name](card.figures[name].median) if name in card.figures else "–"  # noqa: RUF001 - as every report writes it
            for name in cells.WRITERS
        ]
        table.add_row(_name(card), *figures)
    console.print()
    console.print(table)


def _name(card: Card) -> Text:
    name = Text(printable(cells.name(card)))
    return name.append(" stale", style="yellow") if card.stale else name


def _colored(word: str) -> Text:
    return Text(word, style=_COLORS.get(word, ""))


def _print_remarks(row: Row, console: Console) -> None:
    """Print why a row is not as good as it could be, and what changed; nothing if all is well."""
    card = row.latest
    lines = [Text(printable(f"named: {', '.join(card.causes)}"))] if card.causes else []
    lines += [Text(printable(why)) for why in card.grade.caps]
    lines += [Text(printable(f"stale: {why}"), style="yellow") for why in card.stale]
    lines += [_change(change) for change in row.changes]
    if not lines:
        return
    console.print()
    console.print(_name(card))
    for line in [*lines, Text(printable(card.folder), style="dim")]:
        console.print(Padding(line, (0, 0, 0, _INDENT)))


def _change(change: Change) -> Text:
    said = Text(f"{change.kind} ", style=_COLORS[change.kind])
    return said.append(printable(f"{change.name}: {change.subject} {change.says}"), style="default")


def _print_skipped(skipped: Iterable[Skipped], console: Console) -> None:
    for number, one in enumerate(skipped):
        if number == 0:
            console.print()
            console.print(Text("skipped", style="yellow"))
        console.print(Padding(Text(printable(f"{one.path}: {one.why}")), (0, 0, 0, _INDENT)))


def render_changes(changes: Mapping[Key, tuple[Change, ...]], console: Console) -> str:
    """Return what changed, row by row, and in the last line whether it became worse."""
    kinds = [change.kind for found in changes.values() for change in found]
    counts = [f"{kinds.count(kind)} {kind}s" for kind in ("regression", "doubt", "improvement")]
    with console.capture() as capture:
        for key, found in changes.items():
            if found:
                console.print(Text(printable(" · ".join(key)), style="bold"))
                for change in found:
                    console.print(Padding(_change(change), (0, 0, 0, _INDENT)))
        console.print(Text(f"{len(changes)} compared: {', '.join(counts)}"))
    return without_padding(capture.get(), console)
