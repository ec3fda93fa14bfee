"""From the text of a file to its findings.

text ─► documents ─► manifests, packages ─► rules ─► hits ─► findings, one a place
                                              suppressions ──┘
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chaosml.document import Document, describe, parse_all
from chaosml.errors import Problem, ScenarioError
from chaosml.lint.argo import KINDS, Manifest
from chaosml.lint.kubeflow import Package, is_package
from chaosml.lint.part import Part
from chaosml.lint.rule import Finding, Hit, Rule, Severity
from chaosml.lint.rules import rules as all_rules
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
    comments = suppressions(text) if known else ()
    findings = list(_suppressed(_merged(hits, shown), comments))
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


def _merged(hits: Sequence[tuple[Rule, Hit]], shown: str) -> Iterator[Finding]:
    """Make one finding of what several templates share, such as by an alias or by the spec."""
    alike: dict[tuple[str, int, int, str, Severity], list[tuple[Rule, Hit]]] = {}
    for rule, hit in hits:
        place = hit.part.document.mark(hit.part.loc, key=hit.key)
        key = (rule.name, *place, hit.message, hit.severity or rule.severity)
        alike.setdefault(key, []).append((rule, hit))
    for (_, line, column, message, severity), same in alike.items():
        subjects = dict.fromkeys(hit.subject for _, hit in same if hit.subject)
        edits = tuple(hit.edit for _, hit in same if hit.edit is not None)
        rule = same[0][0]
        yield Finding(shown, line, column, rule, severity, message, tuple(subjects), edits)


def _suppressed(findings: Iterable[Finding], comments: Sequence[Suppression]) -> Iterator[Finding]:
    by_target: dict[int | None, list[Suppression]] = {}
    for comment in comments:
        by_target.setdefault(comment.target, []).append(comment)
    for finding in findings:
        near = (*by_target.get(finding.line, ()), *by_target.get(None, ()))
        reason = next((one.reason for one in near if one.covers(finding.rule.name)), None)
        yield replace(finding, suppressed=reason)


def _about_comments(
    comments: Sequence[Suppression],
    findings: Sequence[Finding],
    rules: Mapping[str, Rule],
    shown: str,
) -> Iterator[Finding]:
    # For a whole file it does not matter on which line a rule has found something.
    found = {(one.rule.name, line) for one in findings for line in (one.line, None)}
    for comment in comments:
        for name, message in _complaints(comment, found, rules):
            if name in rules:
                rule = rules[name]
                yield Finding(shown, comment.line, comment.column, rule, rule.severity, message)


def _complaints(
    comment: Suppression, found: Collection[tuple[str, int | None]], rules: Mapping[str, Rule]
) -> Iterator[tuple[str, str]]:
    if not comment.rules:
        yield WITHOUT_REASON, "names no rule; write ignore[RULE] and the reason"
    elif not comment.reason:
        yield WITHOUT_REASON, "gives no reason, so nothing is suppressed"
    for name in comment.rules:
        if name not in all_rules():
            yield UNUSED, f"there is no rule {describe(name)}"
        elif name in rules and (name, comment.target) not in found:
            yield UNUSED, f"{name} finds nothing here"
