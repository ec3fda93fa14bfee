"""The sensitivity matrix: defect by checker, on the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from chaosml.checkers.judge import CHECKERS
from chaosml.reports.layout import sheet, without_padding
from chaosml.selftest.findings import Catch, Finding, cells_of, succeeded
from chaosml.selftest.model import Defect, OutOfReach
from chaosml.verdict import Status

__all__ = ["json_of", "last_line", "markdown_of", "text_of"]

_NAMES = tuple(checker.name for checker in CHECKERS)
_SHOWN = tuple(name for name in _NAMES if name != "effect")
"""On a screen: where a fault did not take effect, the run is invalid and says so."""
_HEAD = 4
_RIGHT = "X"
_MARKS = {Status.FAIL: "x", Status.UNKNOWN: "?", Status.PASS: "."}
_LEGEND = (
    "X fails with the cause that names the defect, x fails too, ? unknown, . passes, "
    "blank: not asked"
)


def text_of(findings: Sequence[Finding], unseen: Sequence[OutOfReach], console: Console) -> str:
    """Return the matrix for a screen."""
    defects = _defective(findings)
    with console.capture() as capture:
        if defects:
            console.print(_table(defects), soft_wrap=True)
            console.print(f"columns: {', '.join(_SHOWN)}\n{_LEGEND}", style="dim")
        for finding in findings:
            if not finding.is_good:
                console.print(f"\n{finding.catch.value}: {finding.ended.job.name}: {finding.words}")
                console.print(f"  replay {finding.ended.job.replay}", soft_wrap=True)
        console.print()
        for defect in unseen:
            console.print(f"not caught: {defect.name} ({defect.what}): {defect.why}")
        console.print()
        console.print(last_line(findings), soft_wrap=True)
    return without_padding(capture.get(), console)


def _table(defects: Sequence[Finding]) -> Table:
    """Return the matrix with short heads, so that it fits a screen of a hundred columns."""
    table = sheet("defect", *(name[:_HEAD] for name in _SHOWN), "result")
    for column in table.columns:
        column.no_wrap = True
    for finding in defects:
        marks = _marks(finding)
        table.add_row(finding.ended.job.name, *(marks[name] for name in _SHOWN), _result(finding))
    return table


def last_line(findings: Sequence[Finding]) -> str:
    """Return the whole in one line."""
    defects, healthy = _defective(findings), _healthy(findings)
    caught = sum(finding.is_good for finding in defects)
    silent = sum(finding.is_good for finding in healthy)
    parts = []
    if defects:
        parts.append(f"{caught} of {len(defects)} defects caught by the right checker")
    if healthy:
        parts.append(f"the healthy pipeline passed {silent} of {len(healthy)} seeds")
    return f"{'PASS' if succeeded(findings) else 'FAIL'}  {'; '.join(parts)}"


def markdown_of(findings: Sequence[Finding], unseen: Sequence[OutOfReach]) -> str:
    """Return the matrix as Markdown."""
    lines = [
        f"| defect | what is wrong | {' | '.join(_NAMES)} | named by | result |",
        "|---|---|" + "---|" * len(_NAMES) + "---|---|",
    ]
    for finding in _defective(findings):
        defect, marks = finding.ended.job.defect, _marks(finding)
        assert defect is not None
        cells = " | ".join(marks[name] for name in _NAMES)
        lines.append(
            f"| {defect.name} | {defect.what} | {cells} | {defect.named} | {finding.catch.value} |"
        )
    lines += ["", _LEGEND + ".", "", last_line(findings) + ".", ""]
    lines += ["Not caught:", ""]
    lines += [f"- `{one.name}`, {one.what}: {one.why}." for one in unseen]
    return "\n".join(lines) + "\n"


def json_of(findings: Sequence[Finding], unseen: Sequence[OutOfReach]) -> bytes:
    """Return everything as one JSON document."""
    document = {
        "schema": 1,
        "passed": succeeded(findings),
        "defects": [_defect_entry(finding) for finding in _defective(findings)],
        "healthy": [_entry(finding) for finding in _healthy(findings)],
        "not_caught": [{"name": one.name, "what": one.what, "why": one.why} for one in unseen],
    }
    return msgspec.json.format(msgspec.json.encode(document)) + b"\n"


def _defect_entry(finding: Finding) -> dict[str, Any]:
    defect, judgement = finding.ended.job.defect, finding.ended.judgement
    assert defect is not None
    cells = {} if judgement is None else cells_of(judgement)
    return {
        **_entry(finding),
        "what": defect.what,
        "checker": defect.named.checker,
        "cause": defect.named.cause,
        "checkers": {name: status.value for name, status in sorted(cells.items())},
    }


def _entry(finding: Finding) -> dict[str, Any]:
    job = finding.ended.job
    return {
        "name": job.name,
        "result": finding.catch.value,
        "says": finding.words,
        "seed": job.seed,
        "took_s": round(finding.ended.took_s, 3),
        "replay": job.replay,
    }


def _defective(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.ended.job.defect is not None]


def _healthy(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.ended.job.defect is None]


def _marks(finding: Finding) -> dict[str, str]:
    judgement, defect = finding.ended.judgement, finding.ended.job.defect
    cells = {} if judgement is None else cells_of(judgement)
    marks = {name: _MARKS[cells[name]] if name in cells else "" for name in _NAMES}
    if finding.catch is Catch.CAUGHT and isinstance(defect, Defect):
        marks[defect.named.checker] = _RIGHT
    return marks


def _result(finding: Finding) -> str:
    defect = finding.ended.job.defect
    if finding.catch is Catch.CAUGHT and defect is not None:
        return defect.named.cause
    return finding.catch.value
