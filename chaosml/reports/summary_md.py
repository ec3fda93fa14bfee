"""`summary.md`: the run for people who review it, such as in a pull request."""

from __future__ import annotations

from chaosml.reports import figures
from chaosml.reports.figures import Finding
from chaosml.reports.markdown import block, code, code_cell, escaped, table
from chaosml.reports.wording import place
from chaosml.verdict import Judgement

__all__ = ["render"]


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


def _head(judgement: Judgement) -> str:
    about = (
        f"Pipeline {code(judgement.pipeline)} on {escaped(judgement.substrate)}, "
        f"seed {judgement.seed}, run {code(judgement.run)}."
    )
    return (
        f"# {escaped(judgement.scenario)}: {figures.verdict_name(judgement)}\n\n"
        f"**{escaped(figures.headline(judgement))}**\n\n{about}"
    )


def _expectations(judgement: Judgement) -> str:
    lines = [
        [code_cell(one.name), one.status.value, escaped(one.words)]
        for one in figures.expectations(judgement)
    ]
    return "## Expectations\n\n" + table(["expectation", "verdict", "found"], lines)


def _finding(finding: Finding) -> str:
    lead = finding.lead
    where = ", ".join(finding.executions) or "the whole run"
    parts = [
        f"## {finding.status.value}: {code(finding.expectation)}, {code(finding.cause)}",
        f"In {escaped(where)}. {escaped(lead.message)}",
    ]
    if finding.evidence:
        parts.append(
            "Evidence:\n\n"
            + "\n".join(f"- {code(place(one))} {escaped(one.says)}" for one in finding.evidence)
        )
    others = [one for one in finding.verdicts if one is not lead]
    if others:
        parts.append(
            "Also:\n\n"
            + "\n".join(
                f"- {escaped(one.execution or 'whole run')}: {escaped(one.message)}"
                + (f" ({code(place(one.evidence[0]))})" if one.evidence else "")
                for one in others
            )
        )
    if lead.advice is not None:
        parts.append(f"Advice: {escaped(lead.advice)}")
    if lead.details is not None:
        parts.append(block(lead.details))
    return "\n\n".join(parts)


def _executions(judgement: Judgement) -> str:
    lines = [
        [
            escaped(row.execution),
            escaped(row.case),
            escaped(row.place),
            escaped(row.view),
            escaped(row.result),
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
    shown = table(header, lines)
    invalid = figures.invalid_executions(judgement)
    reasons = [f"- {escaped(name)} is INVALID: {escaped(why)}" for name, why in invalid.items()]
    return "## Executions\n\n" + shown + ("\n\n" + "\n".join(reasons) if reasons else "")


def _recovery(judgement: Judgement) -> str:
    names = list(figures.MTTR_PARTS.values())
    lines = [
        [escaped(row.execution), *(row.parts.get(name, figures.NONE) for name in names), row.mttr]
        for row in figures.rows(judgement)
        if row.parts
    ]
    if not lines:
        return ""
    return "## Recovery, part by part\n\n" + table(["execution", *names, "MTTR"], lines)


def _coverage(judgement: Judgement) -> str:
    coverage = judgement.coverage
    lines = [
        [
            code_cell(case),
            str(coverage.exercised.get(case, 0)),
            escaped(coverage.missing.get(case, "")) or figures.NONE,
        ]
        for case in dict.fromkeys([*coverage.cases, *coverage.exercised])
    ]
    places = ", ".join(code(one) for one in coverage.places) or "none"
    return (
        f"## Coverage: {figures.coverage_words(judgement)}\n\n"
        + table(["case (fault/view)", "valid trials", "why it is missing"], lines)
        + f"\n\nPlaces that were struck: {places}."
    )


def _origin(judgement: Judgement) -> str:
    facts = {**judgement.versions, **judgement.fingerprint}
    lines = [f"- {escaped(name)}: {code(value)}" for name, value in facts.items()]
    return (
        "## Run it again\n\n"
        + block(judgement.replay)
        + ("\n\nMade with:\n\n" + "\n".join(lines) if lines else "")
    )
