"""From the text of a file to its findings.

text ─► documents ─► manifests, packages ─► rules ─► hits ─► findings, one a place
                                              suppressions ──┘
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chaosml.document import Document, describe, parse_all
from chaosml.errors import Problem, ScenarioError
from chaosml.lint.argo import KINDS, Manifest
from chaosml.lint.kubeflow import Package, is_package
from chaosml.lint.part import Part
from chaosml.lint.rule import Finding, Hit, Rule, Severity
from chaosml.lint.suppressions import Suppression, suppressions

__all__ = ["UNUSED", "WITHOUT_REASON", "Examined", "examine"]

UNUSED = "suppression-unused"
WITHOUT_REASON = "suppression-without-reason"
_GROUP = "argoproj.io/"


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in one file."""

    file: str
    findings: tuple[Finding, ...] = ()
    """In the order of the file, suppressed ones too."""
    problems: tuple[Problem, ...] = ()
    """Why it could not be read; then there are no findings."""
    documents: tuple[Document, ...] = ()
    """All of its documents."""
    others: tuple[str, ...] = ()
    """What the other documents are."""

    @property
    def looked_at(self) -> int:
        """How many of the documents are of a kind that rules know."""
        return len(self.documents) - len(self.others)

    @property
    def open(self) -> tuple[Finding, ...]:
        """The findings that count."""
        return tuple(finding for finding in self.findings if finding.suppressed is None)


def examine(text: str, path: pathlib.Path, rules: Mapping[str, Rule]) -> Examined:
    """Look at every document of a file with these rules."""
    shown = Document(path, text, {}, {}).file
    try:
        documents = parse_all(text, path)
    except ScenarioError as error:
        return Examined(shown, problems=error.problems)
    subjects = [_subject(document) for document in documents]
    known = [subject for subject in subjects if not isinstance(subject, str)]
    hits = [
        (rule, hit) for subject in known for rule in rules.values() for hit in _ask(rule, subject)
    ]
    findings = _merged(hits, shown)
    comments = suppressions(text) if known else ()
    findings = [_suppressed(finding, comments) for finding in findings]
    findings += _about_comments(comments, findings, rules, shown)
    findings.sort(key=lambda one: (one.line, one.column, one.rule.name, one.message))
    others = tuple(subject for subject in subjects if isinstance(subject, str))
    return Examined(shown, tuple(findings), (), documents, others)


def _subject(document: Document) -> Manifest | Package | str:
    """Return what rules can look at; a few words on it where they cannot."""
    whole = Part.whole(document)
    group, kind = whole.at("apiVersion").text, whole.at("kind").text
    if kind in KINDS and (group.startswith(_GROUP) or not group):
        return Manifest(whole)
    if is_package(whole):
        return Package(whole)
    return f"kind {describe(kind)}" if kind else "no kind"


def _ask(rule: Rule, subject: Manifest | Package) -> Iterator[Hit]:
    if isinstance(subject, Manifest):
        yield from rule.argo(subject) if rule.argo is not None else ()
    else:
        yield from rule.kubeflow(subject) if rule.kubeflow is not None else ()


def _merged(hits: Sequence[tuple[Rule, Hit]], shown: str) -> list[Finding]:
    """Make one finding of what several templates share, such as by an alias or by the spec."""
    found: dict[tuple[str, int, int, str, Severity], Finding] = {}
    for rule, hit in hits:
        line, column = hit.part.document.mark(hit.part.loc, key=hit.key)
        severity = hit.severity or rule.severity
        key = (rule.name, line, column, hit.message, severity)
        seen = found.get(key) or Finding(shown, line, column, rule, severity, hit.message)
        subjects = (*seen.subjects, hit.subject) if hit.subject else seen.subjects
        edits = seen.edits if hit.edit is None else (*seen.edits, hit.edit)
        found[key] = replace(seen, subjects=tuple(dict.fromkeys(subjects)), edits=edits)
    return list(found.values())


def _suppressed(finding: Finding, comments: Sequence[Suppression]) -> Finding:
    for comment in comments:
        if comment.covers(finding.rule.name, finding.line):
            return replace(finding, suppressed=comment.reason)
    return finding


def _about_comments(
    comments: Sequence[Suppression],
    findings: Sequence[Finding],
    rules: Mapping[str, Rule],
    shown: str,
) -> Iterator[Finding]:
    for comment in comments:
        for name, message in _complaints(comment, findings, rules):
            if name in rules:
                rule = rules[name]
                yield Finding(shown, comment.line, comment.column, rule, rule.severity, message)


def _complaints(
    comment: Suppression, findings: Sequence[Finding], rules: Mapping[str, Rule]
) -> Iterator[tuple[str, str]]:
    from chaosml.lint.rules import rules as all_rules

    if not comment.rules:
        yield WITHOUT_REASON, "names no rule; write ignore[RULE] and the reason"
    elif not comment.reason:
        yield WITHOUT_REASON, "gives no reason, so nothing is suppressed"
    for name in comment.rules:
        if name not in all_rules():
            yield UNUSED, f"there is no rule {describe(name)}"
        elif name in rules and not any(
            one.rule.name == name and comment.target in (None, one.line) for one in findings
        ):
            yield UNUSED, f"{name} finds nothing here"
