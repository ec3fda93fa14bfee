"""Findings for people: one line each, with what to do below it."""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.rule import Finding, Severity, printable
from chaosml.lint.run import Outcome

__all__ = ["render"]


def render(outcome: Outcome) -> str:
    """Return every problem and finding, then how many there are."""
    return "".join(f"{line}\n" for line in _lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    for one in outcome.examined:
        for problem in one.problems:
            yield printable(f"{problem.file}:{problem.line}:{problem.column}: {problem.message}")
        for finding in one.open:
            yield from _finding(finding)
    for finding in outcome.mended:
        yield f"{_place(finding)}: mended [{finding.rule.name}] {finding.sentence}"
    yield _summary(outcome)


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{_place(finding)}: {finding.severity} [{finding.rule.name}] {finding.sentence}"
    mends = " (--fix does it)" if finding.edits else ""
    yield f"    fix: {finding.rule.fix}{mends}"
    yield f"    why: {finding.rule.page} (chaosml lint --explain {finding.rule.name})"


def _place(finding: Finding) -> str:
    return f"{printable(finding.file)}:{finding.line}:{finding.column}"


def _summary(outcome: Outcome) -> str:
    found = outcome.findings
    counts = [
        _count(sum(one.severity is severity for one in found), severity) for severity in Severity
    ]
    said = [count for count in counts if not count.startswith("0 ")] or ["nothing found"]
    if outcome.mended:
        said.append(f"{len(outcome.mended)} mended")
    if outcome.suppressed:
        said.append(f"{len(outcome.suppressed)} suppressed")
    if outcome.problems:
        unreadable = sum(bool(one.problems) for one in outcome.examined)
        said.append(_count(unreadable, "file unreadable", "files unreadable"))
    where = _count(outcome.documents, "document")
    others = outcome.skipped + len(outcome.others)
    rest = f"; {_count(others, 'file')} without a workflow or package" if others else ""
    return f"{', '.join(said)} in {where}{rest}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
