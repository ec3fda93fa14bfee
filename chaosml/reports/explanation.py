"""Why one expectation of a run did not hold, as plain lines: for test reports and messages.

A PASS of one expectation is as good as the run that it rests on: where the run was cut
short or a trial is INVALID, nothing passes.
"""

from __future__ import annotations

import pathlib

from chaosml.document import display_path
from chaosml.reports import figures
from chaosml.reports.figures import Finding
from chaosml.reports.wording import place, printable, printable_lines
from chaosml.verdict import Judgement, Status, worst

__all__ = ["WHOLE", "brief", "explain", "standing"]

WHOLE = "verdict"
"""Stands for the run as a whole: holds only if the command would end with 0."""

_EVIDENCE_MAX = 5


def standing(judgement: Judgement, expectation: str) -> str:
    """Return `PASS`, `FAIL`, `UNKNOWN`, `INVALID` or `INTERRUPTED` for one expectation.

    Without any verdict it is UNKNOWN.
    """
    own = _own_status(judgement, expectation)
    if own is Status.FAIL:
        return str(own.value)
    if judgement.interrupted:
        return figures.INTERRUPTED
    if own is Status.UNKNOWN and not _rests_on_invalid_trials(judgement, expectation):
        return str(own.value)
    return figures.INVALID if figures.invalid_executions(judgement) else str(own.value)


def _own_status(judgement: Judgement, expectation: str) -> Status:
    if expectation == WHOLE:
        return judgement.status
    return worst(one.status for one in judgement.verdicts if one.expectation == expectation)


def _rests_on_invalid_trials(judgement: Judgement, expectation: str) -> bool:
    """Whether everything that is unknown is so because of trials without a receipt."""
    invalid = figures.invalid_executions(judgement)
    doubts = [
        verdict.execution in invalid
        for verdict in judgement.verdicts
        if verdict.status is Status.UNKNOWN and expectation in (verdict.expectation, WHOLE)
    ]
    return bool(doubts) and all(doubts)


def brief(judgement: Judgement, expectation: str) -> str:
    """Return standing and cause in one line of printable text."""
    found = standing(judgement, expectation)
    if expectation == WHOLE:
        words = figures.headline(judgement)
    else:
        words = "; ".join(
            f"{one.cause}: {printable(one.lead.message)}"
            for one in _findings(judgement, expectation)
        )
        words = words or _reason(judgement, expectation, found)
    return printable(f"{found} {expectation}: {words}")


def explain(judgement: Judgement, expectation: str, directory: pathlib.Path) -> str:
    """Return what was found, the events behind it, what to change, and the replay command.

    Args:
        judgement: The judged run.
        expectation: A key under `expect:`, `effect`, or `WHOLE`.
        directory: Of the run.
    """
    shown = display_path(directory)
    found = standing(judgement, expectation)
    findings = _findings(judgement, expectation)
    reason = _reason(judgement, expectation, found)
    causes = ", ".join(dict.fromkeys(finding.cause for finding in findings))
    lines = [f"{found} {printable(expectation)}: {causes or reason or figures.headline(judgement)}"]
    lines += [f"  {reason}"] if causes and reason else []
    for finding in findings:
        lines += _finding(finding, shown)
    return "\n".join(
        [*lines, f"  report    {shown}/summary.md", f"  replay    {printable(judgement.replay)}"]
    )


def _findings(judgement: Judgement, expectation: str) -> list[Finding]:
    # Findings carry their expectation as it is shown.
    return [one for one in figures.findings(judgement) if one.expectation == printable(expectation)]


def _finding(finding: Finding, directory: str) -> list[str]:
    lead = finding.lead
    where = ", ".join(finding.executions) or "the whole run"
    lines = [f"  {finding.status.value} {finding.cause} in {printable(where)}"]
    lines.append(f"    {printable(lead.message)}")
    for event in finding.evidence[:_EVIDENCE_MAX]:
        lines.append(
            f"    evidence  {directory}/{printable(place(event))}  {printable(event.says)}"
        )
    if lead.advice is not None:
        lines.append(f"    advice    {printable(lead.advice)}")
    if lead.details is not None:
        lines += [f"    {line}" for line in printable_lines(lead.details).splitlines()]
    return lines


def _reason(judgement: Judgement, expectation: str, found: str) -> str:
    """Return why an expectation does not stand where no finding of its own says so."""
    if found == figures.INTERRUPTED:
        return "the run was cut short, so what was not executed cannot have held"
    if found == figures.INVALID:
        invalid = figures.invalid_executions(judgement)
        named = ", ".join(f"{name} ({why})" for name, why in invalid.items())
        return f"no receipt in {named}: nothing is proved there"
    if (
        found == Status.UNKNOWN.value
        and not _findings(judgement, expectation)
        and expectation != WHOLE
    ):
        return "no checker judged it: see what else is unknown in the report"
    return ""
