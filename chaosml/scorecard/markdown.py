"""A scorecard as a comment on a pull request.

Foreign text stands in code spans: inside them nothing is a link, a picture, a mention that
would write to somebody, or HTML. Forges cut comments off at 65,536 characters; rows that do
not fit are counted instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from chaosml.reports.figures import NONE
from chaosml.reports.wording import printable
from chaosml.scorecard import cells
from chaosml.scorecard.model import Card, Change, Key, Row, Scorecard, Skipped

__all__ = ["MARKER", "SIZE_MAX", "render", "render_changes"]

MARKER = "<!-- chaosml-scorecard -->"
"""The first line, by which a bot finds the comment that it wrote before."""
SIZE_MAX = 60_000
"""Characters, with room to what forges accept."""

_TICKS = re.compile(r"`+")
_TEXT_MAX = 300
_HEADER = ("grade", "run", "verdict", "trials", "resumed equal", "corrupt", "traced")
_FIGURES = ("MTTR", "lost steps", "waste", "cases", "named")


def render(scorecard: Scorecard) -> str:
    """Return the document, with the worst rows first where not all of them fit."""
    head = f"{MARKER}\n### Resilience: {cells.headline(scorecard)}\n\n"
    foot = "\n".join([*_skipped(scorecard.skipped), _origin(scorecard)]) + "\n"
    kept: list[Row] = list(scorecard.rows)
    while kept:
        body = _body(kept, len(scorecard.rows) - len(kept))
        if len(head) + len(body) + len(foot) <= SIZE_MAX:
            return head + body + foot
        kept = sorted(kept, key=_badness)[: len(kept) // 2]
    return (head + foot)[:SIZE_MAX]


def _badness(row: Row) -> tuple[bool, bool, bool]:
    worse = any(change.kind == "regression" for change in row.changes)
    return (not worse, cells.verdict(row.latest) == "PASS", not row.latest.stale)


def _body(rows: Sequence[Row], left_out: int) -> str:
    parts = [_table([*_HEADER, *_FIGURES], [_line(row.latest) for row in rows])]
    with_parts = [row.latest for row in rows if cells.parts(row.latest)]
    if with_parts:
        names = list(cells.parts(with_parts[0]))
        lines = [[_name(card), *cells.parts(card).values()] for card in with_parts]
        table = _table(["recovery", *names], lines)
        parts.append(f"<details><summary>MTTR in parts</summary>\n\n{table}\n\n</details>")
    parts += [said for row in rows if (said := _remarks(row))]
    if left_out:
        parts.append(f"{left_out} more rows do not fit here; the whole is in the HTML page.")
    return "\n\n".join(parts) + "\n\n"


def _line(card: Card) -> list[str]:
    return [
        f"**{cells.grade(card)}**",
        _name(card) + (" *stale*" if card.stale else ""),
        cells.verdict(card),
        cells.trials(card),
        cells.count(card.resume),
        cells.corrupt(card),
        cells.count(card.lineage),
        *(cells.median(card, name) for name in ("mttr_s", "lost_steps", "waste")),
        cells.cases(card),
        ", ".join(_code(cause) for cause in card.causes) or NONE,
    ]


def _remarks(row: Row) -> str:
    card = row.latest
    lines = [_change(change) for change in row.changes]
    lines += [f"- {_code(why)}" for why in card.grade.caps]
    lines += [f"- stale: {_code(why)}" for why in card.stale]
    if not lines:
        return ""
    return "\n".join([_name(card), "", *lines, f"- again: {_code(card.replay)}"])


def _change(change: Change) -> str:
    return f"- **{change.kind}** {change.name}, {_code(change.subject)}: {_code(change.says)}"


def render_changes(changes: Mapping[Key, tuple[Change, ...]]) -> str:
    """Return a comparison as a comment, with as many changes as fit."""
    lines = [f"{MARKER}\n### Resilience: {len(changes)} compared"]
    for key, found in changes.items():
        if found:
            lines += ["", _code(" · ".join(key)), "", *map(_change, found)]
    if len(lines) == 1:
        lines += ["", "Nothing changed."]
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > SIZE_MAX:
            return "\n".join([*kept, "", "The rest does not fit here."]) + "\n"
        kept.append(line)
    return "\n".join(kept) + "\n"


def _skipped(skipped: Iterable[Skipped]) -> list[str]:
    lines = [f"- {_code(one.path)}: {_code(one.why)}" for one in skipped]
    return ["Skipped:", "", *lines[:50], ""] if lines else []


def _origin(scorecard: Scorecard) -> str:
    return f"Made by chaosml {scorecard.version}, {scorecard.made}."


def _name(card: Card) -> str:
    return _code(cells.name(card))


def _code(text: str) -> str:
    """Return foreign text as a code span that nothing in it can end, not even in a table."""
    shown = printable(text) or " "
    shown = shown if len(shown) <= _TEXT_MAX else shown[: _TEXT_MAX - 1] + "…"
    ticks = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}".replace("|", "\\|")


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
