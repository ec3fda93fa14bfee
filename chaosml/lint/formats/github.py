"""Findings as annotations of a pull request: workflow commands of GitHub Actions.

Source of the escaping: actions/toolkit packages/core/src/command.ts (`escapeData`,
`escapeProperty`). A name in a workflow file must not be able to give commands of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaosml.lint.formats import text
from chaosml.lint.rule import Severity
from chaosml.lint.run import Outcome

__all__ = ["render"]

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(outcome: Outcome) -> str:
    """Return one command a line, then the summary as it is for people."""
    summary = text.render(outcome).rstrip("\n").rpartition("\n")[2]
    return "".join(f"{line}\n" for line in (*_commands(outcome), summary))


def _commands(outcome: Outcome) -> Iterator[str]:
    for problem in outcome.problems:
        yield _command(
            "error", problem.file, problem.line, problem.column, "unreadable", problem.message
        )
    for finding in outcome.findings:
        message = f"{finding.sentence}\nFix: {finding.rule.fix}\nWhy: {finding.rule.page}"
        yield _command(
            _COMMANDS[finding.severity],
            finding.file,
            finding.line,
            finding.column,
            finding.rule.name,
            message,
        )


def _command(kind: str, file: str, line: int, column: int, title: str, message: str) -> str:
    properties = {"file": file, "line": line, "col": column, "title": f"chaosml {title}"}
    shown = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{kind} {shown}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
