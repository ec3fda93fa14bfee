"""`summary.md`: the run for people who review it, such as in a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from chaosml.reports import figures
from chaosml.reports.figures import Finding
from chaosml.reports.wording import place, printable, printable_lines
from chaosml.verdict import Judgement

__all__ = ["render"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&#!])")
_FENCE = re.compile(r"`+")


def render(judgement: Judgement) -> bytes:
    """Return the document."""
    parts = [
        _head(judgement),
        _expectations(judgement),
        *(_finding(finding) for finding in figures.findings(judgement)),
        _executions(judgement),
        _recovery(judgement),
        _coverage(judgement),
        _origin(judgement),
    ]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def _escaped(text: str) -> str:
    """Return foreign text as Markdown that shows it as it is, also inside of a table."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """Return foreign text as an inline code span, which nothing in it can end."""
    shown = printable(text)
    ticks = "`" * (max((len(run) for run in _FENCE.findall(shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _code_cell(text: str) -> str:
    """Return a code span for a table, whose cells end at a bar even in code."""
    return _code(text).replace("|", "\\|")


def _block(text: str) -> str:
    shown = printable_lines(text)
    ticks = "`" * max(3, max((len(run) for run in _FENCE.findall(shown)), default=0) + 1)
    return f"{ticks}text\n{shown}\n{ticks}"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _head(judgement: Judgement) -> str:
    about = (
        f"Pipeline {_code(judgement.pipeline)} on {_escaped(judgement.substrate)}, "
        f"seed {judgement.seed}, run {_code(judgement.run)}."
    )
    return (
        f"# {_escaped(judgement.scenario)}: {figures.verdict_name(judgement)}\n\n"
        f"**{_escaped(figures.headline(judgement))}**\n\n{about}"
    )


def _expectations(judgement: Judgement) -> str:
    lines = [
        [_code_cell(one.name), one.status.value, _escaped(one.words)]
        for one in figures.expectations(judgement)
    ]
    return "## Expectations\n\n" + _table(["expectation", "verdict", "found"], lines)


def _finding(finding: Finding) -> str:
    lead = finding.lead
    where = ", ".join(finding.executions) or "the whole run"
    parts = [
        f"## {finding.status.value}: {_code(finding.expectation)}, {_code(finding.cause)}",
        f"In {_escaped(where)}. {_escaped(lead.message)}",
    ]
    if finding.evidence:
        parts.append(
            "Evidence:\n\n"
            + "\n".join(f"- {_code(place(one))} {_escaped(one.says)}" for one in finding.evidence)
        )
    others = [one for one in finding.verdicts if one is not lead]
    if others:
        parts.append(
            "Also:\n\n"
            + "\n".join(
                f"- {_escaped(one.execution or 'whole run')}: {_escaped(one.message)}"
                + (f" ({_code(place(one.evidence[0]))})" if one.evidence else "")
                for one in others
            )
        )
    if lead.advice is not None:
        parts.append(f"Advice: {_escaped(lead.advice)}")
    if lead.details is not None:
        parts.append(_block(lead.details))
    return "\n\n".join(parts)


def _executions(judgement: Judgement) -> str:
    lines = [
        [
            _escaped(row.execution),
            _escaped(row.case),
            _escaped(row.place),
            _escaped(row.view),
            _escaped(row.result),
            row.wall,
            row.mttr,
            row.lost_steps,
            row.waste,
            row.status,
        ]
        for row in figures.rows(judgement)
    ]
    header = ["execution", "case", "struck at", "seen as", "workflow", "wall time"]
    header += ["MTTR", "lost steps", "waste", "verdict"]
    table = _table(header, lines)
    invalid = figures.invalid_executions(judgement)
    reasons = [f"- {_escaped(name)} is INVALID: {_escaped(why)}" for name, why in invalid.items()]
    return "## Executions\n\n" + table + ("\n\n" + "\n".join(reasons) if reasons else "")


def _recovery(judgement: Judgement) -> str:
    names = list(figures.MTTR_PARTS.values())
    lines = [
        [_escaped(row.execution), *(row.parts.get(name, figures.NONE) for name in names), row.mttr]
        for row in figures.rows(judgement)
        if row.parts
    ]
    if not lines:
        return ""
    return "## Recovery, part by part\n\n" + _table(["execution", *names, "MTTR"], lines)


def _coverage(judgement: Judgement) -> str:
    coverage = judgement.coverage
    lines = [
        [
            _code_cell(case),
            str(coverage.exercised.get(case, 0)),
            _escaped(coverage.missing.get(case, "")) or figures.NONE,
        ]
        for case in dict.fromkeys([*coverage.cases, *coverage.exercised])
    ]
    places = ", ".join(_code(one) for one in coverage.places) or "none"
    return (
        f"## Coverage: {figures.coverage_words(judgement)}\n\n"
        + _table(["case (fault/view)", "valid trials", "why it is missing"], lines)
        + f"\n\nPlaces that were struck: {places}."
    )


def _origin(judgement: Judgement) -> str:
    facts = {**judgement.versions, **judgement.fingerprint}
    lines = [f"- {_escaped(name)}: {_code(value)}" for name, value in facts.items()]
    return (
        "## Run it again\n\n"
        + _block(judgement.replay)
        + ("\n\nMade with:\n\n" + "\n".join(lines) if lines else "")
    )
