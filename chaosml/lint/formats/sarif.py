"""Findings as SARIF 2.1.0, which code scanning services read.

Source: OASIS Static Analysis Results Interchange Format 2.1.0, sections 3.13 to 3.35.
"""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import urllib.parse
from collections.abc import Mapping
from typing import Any

from chaosml.errors import Problem
from chaosml.lint import pages
from chaosml.lint.rule import Finding, Rule
from chaosml.lint.run import Outcome

__all__ = ["render"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(outcome: Outcome) -> str:
    """Return one SARIF log with one run."""
    numbers = {name: number for number, name in enumerate(outcome.rules)}
    run = {
        "tool": {"driver": _driver(outcome.rules)},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(finding, numbers) for one in outcome.examined for finding in one.findings
        ],
        "invocations": [
            {
                "executionSuccessful": not outcome.problems,
                "toolExecutionNotifications": [_notification(one) for one in outcome.problems],
            }
        ],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _driver(rules: Mapping[str, Rule]) -> dict[str, Any]:
    return {
        "name": "chaosml",
        "version": importlib.metadata.version("chaosml"),
        "rules": [_descriptor(rule) for rule in rules.values()],
    }


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary}; {rule.fix}"},
        # The page itself: a viewer has no access to the project's files.
        "help": {"text": f"{rule.summary}. Fix: {rule.fix}.", "markdown": pages.page(rule)},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"page": rule.page, "fixable": rule.fixable},
    }


def _result(finding: Finding, numbers: Mapping[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule.name,
        "ruleIndex": numbers[finding.rule.name],
        "level": finding.severity.value,
        "message": {"text": f"{finding.sentence}. Fix: {finding.rule.fix}."},
        "locations": [_location(finding.file, finding.line, finding.column)],
    }
    if finding.suppressed is not None:
        reason = {"kind": "inSource", "justification": finding.suppressed}
        result["suppressions"] = [reason]
    return result


def _notification(problem: Problem) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": problem.message},
        "locations": [_location(problem.file, problem.line, problem.column)],
    }


def _location(file: str, line: int, column: int) -> dict[str, Any]:
    path = pathlib.PurePath(file)
    # A relative reference keeps its `/`; everything that means something in a URI is escaped.
    uri = path.as_uri() if path.is_absolute() else urllib.parse.quote(path.as_posix())
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {"startLine": line, "startColumn": column},
        }
    }
