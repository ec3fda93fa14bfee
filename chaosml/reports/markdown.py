"""Markdown that shows foreign text as it is: escaped, in code spans, in blocks, in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from chaosml.reports.wording import printable, printable_lines

__all__ = ["block", "code", "code_cell", "escaped", "table"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&#!])")
_FENCE = re.compile(r"`+")


def escaped(text: str) -> str:
    """Return foreign text as Markdown that shows it as it is, also inside of a table."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def code(text: str) -> str:
    """Return foreign text as an inline code span, which nothing in it can end."""
    shown = printable(text)
    ticks = "`" * (max((len(run) for run in _FENCE.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def code_cell(text: str) -> str:
    """Return a code span for a table, whose cells end at a bar even in code."""
    return code(text).replace("|", "\\|")


def block(text: str) -> str:
    """Return foreign text as a fenced block, which nothing in it can end."""
    shown = printable_lines(text)
    ticks = "`" * max(3, max((len(run) for run in _FENCE.findall(shown)), default=0) + 1)
    return f"{ticks}text\n{shown}\n{ticks}"


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
