"""How text is laid out for people: screens of any width, tables without lines."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console
from rich.table import Table

__all__ = ["screen", "sheet", "without_padding"]

_PIPED_WIDTH = 100
_WIDTH_MAX = 140


def screen(stream: TextIO) -> Console:
    """Return a console on a stream, with columns that suit a reader or a file."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_WIDTH
    console.width = min(console.width, _WIDTH_MAX)
    return console


def sheet(*columns: str) -> Table:
    """Return a table without lines; the columns whose names begin with > hold figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        figure = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if figure else "left",
            no_wrap=figure or column in {"execution", "verdict"},
            overflow="fold",
        )
    return table


def without_padding(text: str, console: Console) -> str:
    """Return rendered text without blanks at the ends of lines, where it is not a terminal's."""
    if console.is_terminal:
        return text
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
