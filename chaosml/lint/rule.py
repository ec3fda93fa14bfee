"""What a rule is, what it finds, and how a finding can be mended."""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from chaosml.lint.part import Part

if TYPE_CHECKING:
    from chaosml.lint.argo import Manifest
    from chaosml.lint.kubeflow import Package

__all__ = [
    "Add",
    "Edit",
    "Finding",
    "Hit",
    "Remove",
    "Replace",
    "Rule",
    "Set",
    "Severity",
    "named",
    "printable",
]


class Severity(enum.StrEnum):
    """How sure the loss is; the words are those of SARIF."""

    ERROR = "error"
    """The first death of a pod, or the first start, goes wrong."""
    WARNING = "warning"
    """It goes wrong under conditions that are usual on interruptible nodes."""
    NOTE = "note"
    """It works, but not for the reason that the file suggests."""


@dataclass(frozen=True, slots=True)
class Set:
    """Give the scalar at a place another value."""

    part: Part
    value: str | bool


@dataclass(frozen=True, slots=True)
class Add:
    """Add a key to the mapping at a place."""

    part: Part
    key: str
    value: str | bool


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the key at a place, with its value."""

    part: Part


@dataclass(frozen=True, slots=True)
class Replace:
    """Put another key and value where a key with a scalar stands."""

    part: Part
    key: str
    value: str


Edit: TypeAlias = Set | Add | Remove | Replace


@dataclass(frozen=True, slots=True)
class Hit:
    """What a check found: where, for whom, what, and the edit that mends it."""

    part: Part
    message: str
    """What is wrong, without who has it: hits at one place that say the same become one finding."""
    subject: str = ""
    """The template or task that has it; empty where it is the document."""
    edit: Edit | None = None
    severity: Severity | None = None
    """Where it differs from the rule's."""
    key: bool = False
    """Whether the key is meant, not its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that does not survive, with everything that its page says."""

    name: str
    severity: Severity
    summary: str
    """One line, without a full stop."""
    why: str
    """What really happens, in Markdown."""
    fix: str
    """What to write instead, one sentence."""
    sources: Sequence[str]
    """Where it can be checked."""
    bad: str
    """A file with the defect; lines on which it is found end with `# found`."""
    good: str
    """The same without it."""
    fixable: bool = False
    """Whether `--fix` can mend it."""
    argo: Callable[[Manifest], Iterable[Hit]] | None = None
    kubeflow: Callable[[Package], Iterable[Hit]] | None = None

    @property
    def page(self) -> str:
        """Where its page is, from the root of the project."""
        return f"docs/lint/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """A hit as it is reported: once for a place, whoever shares it."""

    file: str
    line: int
    column: int
    rule: Rule
    severity: Severity
    message: str
    subjects: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    suppressed: str | None = None
    """The reason why it is left as it is; None where it counts."""

    @property
    def sentence(self) -> str:
        """The message with those that it is about in front, safe to show on one line."""
        return printable(
            f"{named(self.subjects)}: {self.message}" if self.subjects else self.message
        )


def named(names: Sequence[str], most: int = 4) -> str:
    """Return names as a sentence shows them, the first few of many."""
    shown = ", ".join(f'"{name}"' for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def printable(text: str) -> str:
    r"""Return a text as one line in which nothing can steer a terminal: `\n`, `\x1b`, …."""
    return "".join(
        one.encode("unicode_escape").decode()
        if unicodedata.category(one)[0] in "CZ" and one != " "
        else one
        for one in text
    )
