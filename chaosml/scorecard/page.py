"""The scorecard as one HTML file: no script, nothing from elsewhere.

The page has a limit. What every row needs always fits; executions in detail, with their
timelines, are added while there is room: failures first, then what proves nothing, and of
every run the first ones before the second ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from chaosml import history
from chaosml.document import display_path
from chaosml.errors import HistoryError
from chaosml.reports import figures
from chaosml.reports.wording import folder, place, printable_lines
from chaosml.scorecard import cells, templates
from chaosml.scorecard.comparison import REGRESSION, compare
from chaosml.scorecard.drawing import Cited, Drawing, draw
from chaosml.scorecard.model import Card, Change, Row, Scorecard
from chaosml.scorecard.picture import picture
from chaosml.scorecard.reading import Found, Harvest
from chaosml.verdict import ExecutionSummary, Verdict

__all__ = ["SIZE_MAX", "render"]

SIZE_MAX = 1_400_000
"""Bytes of a page, a little less than what is promised."""

_HISTORY_MAX = 64 << 20
_EXECUTIONS_MAX = 60
_RUNS_MAX = 20
_EVIDENCE_MAX = 12
_SEVEREST_FIRST = ("FAIL", figures.INVALID, "UNKNOWN", "PASS")


@dataclass(frozen=True, slots=True)
class _Unit:
    """One execution that may be shown in detail."""

    row: int
    number: int
    found: Found
    execution: ExecutionSummary
    line: figures.Row

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        """The lowest is shown first."""
        is_control = self.execution.execution.startswith("control/")
        return (_SEVEREST_FIRST.index(self.line.status), is_control, self.number, self.row)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A cited event: where it stands and, where its history is kept, what it says."""

    place: str
    says: str
    cited: Cited | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict with the events behind it."""

    verdict: Verdict
    evidence: tuple[_Evidence, ...]
    more: int
    details: Markup | None


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the trend, with what became worse in it."""

    card: Card
    worse: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """Everything about one row of the scorecard."""

    row: Row
    trend: list[_Run]
    lines: list[figures.Row]
    lines_more: int
    runs_more: int
    whole: list[_Judged]
    """Verdicts over the whole run."""
    details: list[Markup]
    details_more: int
    replay: Markup


def render(scorecard: Scorecard, harvest: Harvest) -> bytes:
    """Return the page."""
    by_folder = {found.folder: found for found in harvest.found}
    units = [
        unit
        for number, row in enumerate(scorecard.rows)
        for unit in _units(number, by_folder[row.latest.folder])
    ]
    bare = _page(scorecard, by_folder, {}, units)
    shown: dict[int, list[tuple[int, Markup]]] = {}
    left = SIZE_MAX - len(bare)
    for unit in sorted(units, key=lambda unit: unit.rank):
        detail = templates.render("execution.html", **_detail(unit))
        left -= len(detail)
        if left < 0:
            break
        shown.setdefault(unit.row, []).append((unit.number, Markup(detail.decode())))
    return _page(scorecard, by_folder, shown, units) if shown else bare


def _page(
    scorecard: Scorecard,
    by_folder: Mapping[str, Found],
    shown: Mapping[int, list[tuple[int, Markup]]],
    units: Iterable[_Unit],
) -> bytes:
    of_row: dict[int, int] = {}
    for unit in units:
        of_row[unit.row] = of_row.get(unit.row, 0) + 1
    sections = [
        _section(row, by_folder[row.latest.folder], shown.get(number, []), of_row.get(number, 0))
        for number, row in enumerate(scorecard.rows)
    ]
    return templates.render("page.html", scorecard=scorecard, sections=sections, cells=cells)


def _units(row: int, found: Found) -> Iterator[_Unit]:
    judgement = found.judgement
    lines = figures.rows(judgement)
    for number, (execution, line) in enumerate(zip(judgement.executions, lines, strict=True)):
        yield _Unit(row, number, found, execution, line)


def _section(row: Row, found: Found, shown: list[tuple[int, Markup]], units: int) -> _Section:
    judgement = found.judgement
    lines = figures.rows(judgement)
    whole = [one for one in judgement.verdicts if one.execution is None]
    return _Section(
        row=row,
        trend=_trend(row),
        lines=lines[:_EXECUTIONS_MAX],
        lines_more=max(0, len(lines) - _EXECUTIONS_MAX),
        runs_more=max(0, len(row.earlier) + 1 - _RUNS_MAX),
        whole=[_judged(verdict, {}) for verdict in whole],
        details=[detail for _, detail in sorted(shown, key=lambda one: one[0])],
        details_more=units - len(shown),
        replay=_lines(judgement.replay),
    )


def _trend(row: Row) -> list[_Run]:
    cards = [row.latest, *row.earlier][: _RUNS_MAX + 1]
    first = [_Run(cards[-1], ())] if len(cards) <= _RUNS_MAX else []
    return [
        _Run(card, _worse(compare(before, card))) for card, before in itertools.pairwise(cards)
    ] + first


def _worse(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(change for change in changes if change.kind == REGRESSION)


def _detail(unit: _Unit) -> dict[str, object]:
    """Return what the template of an execution needs."""
    name = unit.execution.execution
    judgement = unit.found.judgement
    verdicts = [one for one in judgement.verdicts if one.execution == name]
    cited = frozenset(
        event.seq for one in verdicts for event in one.evidence if event.execution == name
    )
    drawing, why = _drawing(unit, cited)
    known = {} if drawing is None else {(name, seq): one for seq, one in drawing.cited.items()}
    return {
        "line": unit.line,
        "execution": unit.execution,
        "drawing": drawing,
        "picture": None if drawing is None else picture(drawing),
        "why": why,
        "judged": [_judged(one, known) for one in verdicts],
        "dash": figures.NONE,
    }


def _drawing(unit: _Unit, cited: frozenset[int]) -> tuple[Drawing | None, str]:
    path = unit.found.path / folder(unit.execution.execution) / "history.jsonl"
    try:
        size = path.stat().st_size
    except OSError:
        return None, "no history kept, so there is no timeline"
    if size > _HISTORY_MAX:
        return None, f"the history is too long to be drawn: {size >> 20} MiB"
    steps = [
        one.measures.get("steps")
        for one in unit.found.judgement.executions
        if one.execution.startswith("control/")
    ]
    final = max((step for step in steps if type(step) is int), default=None)
    try:
        return draw(history.read(path), cited, final), ""
    except HistoryError as error:
        said = str(error).replace(str(path), display_path(path))
        return None, f"the history cannot be drawn: {said}"


def _judged(verdict: Verdict, known: Mapping[tuple[str, int], Cited]) -> _Judged:
    events = tuple(dict.fromkeys(verdict.evidence))
    return _Judged(
        verdict=verdict,
        evidence=tuple(
            _Evidence(place(one), one.says, known.get((one.execution, one.seq)))
            for one in events[:_EVIDENCE_MAX]
        ),
        more=max(0, len(events) - _EVIDENCE_MAX),
        details=None if verdict.details is None else _lines(verdict.details),
    )


def _lines(text: str) -> Markup:
    """Return foreign text with its lines, escaped."""
    return Markup("{}").format(printable_lines(text))
