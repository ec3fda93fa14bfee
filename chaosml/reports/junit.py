"""`junit.xml`: a test case for every expectation of every execution, for CI systems.

FAIL is a failure; UNKNOWN and INVALID are errors, so that CI is never green by
accident; nothing is skipped.
"""

from __future__ import annotations

import io

import junitparser

from chaosml.reports import figures
from chaosml.reports.wording import place, printable, printable_lines
from chaosml.verdict import Judgement, Status, Verdict

__all__ = ["render"]


def render(judgement: Judgement) -> bytes:
    """Return the document."""
    suite = junitparser.TestSuite(printable(judgement.scenario))
    for name, value in _properties(judgement).items():
        suite.add_property(name, printable(value))
    suite.add_testcases([_case(judgement, verdict) for verdict in judgement.verdicts])
    suite.add_testcase(_whole(judgement))
    suite.time = round(sum(execution.wall_s for execution in judgement.executions), 3)
    document = junitparser.JUnitXml()
    document.add_testsuite(suite)
    file = io.BytesIO()
    document.write(file, pretty=True)
    return file.getvalue()


def _properties(judgement: Judgement) -> dict[str, str]:
    return {
        "run": judgement.run,
        "pipeline": judgement.pipeline,
        "substrate": judgement.substrate,
        "seed": str(judgement.seed),
        "coverage": figures.coverage_words(judgement),
        "replay": judgement.replay,
    }


def _case(judgement: Judgement, verdict: Verdict) -> junitparser.TestCase:
    where = verdict.execution or "whole run"
    case = junitparser.TestCase(
        printable(f"{verdict.expectation} [{where}]"),
        classname=printable(f"chaosml.{judgement.scenario}.{verdict.expectation}"),
    )
    if verdict.status is not Status.PASS:
        _refuse(case, verdict.status, verdict.cause, verdict.message, _text(verdict))
    return case


def _whole(judgement: Judgement) -> junitparser.TestCase:
    """Return the case that is green only if the command ends with 0."""
    case = junitparser.TestCase(
        "verdict [whole run]", classname=printable(f"chaosml.{judgement.scenario}.verdict")
    )
    words = figures.headline(judgement)
    if judgement.interrupted:
        _refuse(case, Status.UNKNOWN, "interrupted", words, words)
    elif judgement.status is not Status.PASS:
        invalid = figures.invalid_executions(judgement)
        lines = [f"{name} is INVALID: {why}" for name, why in invalid.items()]
        _refuse(case, judgement.status, None, words, "\n".join([words, *lines]))
    return case


def _refuse(
    case: junitparser.TestCase, status: Status, cause: str | None, message: str, text: str
) -> None:
    kind = junitparser.Failure if status is Status.FAIL else junitparser.Error
    result = kind(printable(message), printable(cause or status.value.lower()))
    result.text = printable_lines(text)
    case.result = [result]


def _text(verdict: Verdict) -> str:
    lines = [verdict.message]
    lines += [f"evidence: {place(event)}  {event.says}" for event in verdict.evidence]
    if verdict.advice is not None:
        lines.append(f"advice: {verdict.advice}")
    if verdict.details is not None:
        lines += ["details:", verdict.details]
    return "\n".join(lines)
