"""Findings for programs."""

from __future__ import annotations

import json
from typing import Any

from chaosml.lint.rule import Finding
from chaosml.lint.run import Outcome

__all__ = ["SCHEMA", "render"]

SCHEMA = 1
"""Rises when a key changes its meaning or goes."""


def render(outcome: Outcome) -> str:
    """Return one JSON object."""
    document = {
        "schema": SCHEMA,
        "documents": outcome.documents,
        "findings": [_finding(finding) for finding in outcome.findings],
        "suppressed": [_finding(finding) for finding in outcome.suppressed],
        "mended": [_finding(finding) for finding in outcome.mended],
        "problems": [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
            for one in outcome.problems
        ],
        "others": [{"file": file, "found": found} for file, found in outcome.others.items()],
        "skipped": outcome.skipped,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "rule": finding.rule.name,
        "severity": finding.severity.value,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "subjects": list(finding.subjects),
        "fix": finding.rule.fix,
        "fixable": bool(finding.edits),
        "page": finding.rule.page,
    }
    return shown if finding.suppressed is None else {**shown, "reason": finding.suppressed}
