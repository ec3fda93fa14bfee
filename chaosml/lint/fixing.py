"""Mending a file in place: only the few characters that change, so that all else stays.

What comes out is read again: if its documents are not the old ones with exactly the changes
that were asked for, they are tried one by one, and one that does anything else is not made.
Nothing can get lost that way, whatever an unusual layout does to the place of an edit.
"""

from __future__ import annotations

import codecs
import copy
import itertools
import os
import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chaosml.document import Document, Loc, parse_all
from chaosml.errors import HarnessError, ScenarioError
from chaosml.lint.engine import Examined
from chaosml.lint.layout import Change, Layout
from chaosml.lint.rule import Add, Edit, Finding, Remove, Replace, Set

__all__ = ["Fixed", "fix", "write"]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text with its mended findings."""

    text: str
    mended: tuple[Finding, ...]


def fix(text: str, path: pathlib.Path, examined: Examined) -> Fixed:
    """Make the edits of all findings of a text that can be made and are not suppressed."""
    repairs = [
        _Repair(finding, tuple((_number(examined.documents, one), one) for one in finding.edits))
        for finding in examined.open
        if finding.edits
    ]
    if not repairs:
        return Fixed(text, ())
    layout = Layout(text)
    repairs = [repair for repair in repairs if repair.changes(layout) is not None]
    changed = _repaired(text, path, repairs)
    if changed is not None:
        return Fixed(changed, tuple(repair.finding for repair in repairs))
    # One of them cannot be made beside the others: so each is tried alone.
    mended = []
    for repair in repairs:
        changed = _repaired(text, path, [repair])
        if changed is not None:
            text = changed
            mended.append(repair.finding)
    return Fixed(text, tuple(mended))


@dataclass(frozen=True, slots=True)
class _Repair:
    """A finding with its edits and the numbers of the documents that they are for."""

    finding: Finding
    edits: tuple[tuple[int, Edit], ...]

    def changes(self, layout: Layout) -> list[Change] | None:
        found = [layout.change(number, edit) for number, edit in self.edits]
        return None if None in found else [change for change in found if change is not None]


def _repaired(text: str, path: pathlib.Path, repairs: Sequence[_Repair]) -> str | None:
    """Return the text with all of these; None where that would not be it, or not it alone."""
    layout = Layout(text)
    # Templates that share a strategy by an alias have it mended by one and the same change.
    changes: set[Change] = set()
    for repair in repairs:
        changes.update(repair.changes(layout) or ())
    ordered = sorted(changes)
    for one, after in itertools.pairwise(ordered):
        if one.end > after.start or one.start == after.start:
            return None
    wanted = copy.deepcopy(_data(text, path))
    if wanted is None or not ordered:
        return None
    for repair in repairs:
        for number, edit in repair.edits:
            _make(wanted[number], edit)
    for change in reversed(ordered):
        text = text[: change.start] + change.new + text[change.end :]
    return text if _data(text, path) == wanted else None


def _data(text: str, path: pathlib.Path) -> list[Any] | None:
    try:
        return [document.data for document in parse_all(text, path)]
    except ScenarioError:
        return None


def _number(documents: Sequence[Document], edit: Edit) -> int:
    return next(
        number for number, document in enumerate(documents) if document is edit.part.document
    )


def _look_up(data: Any, loc: Loc) -> Any:
    for item in loc:
        if isinstance(data, dict):
            data = data.get(item)
        elif isinstance(data, list) and isinstance(item, int) and item < len(data):
            data = data[item]
        else:
            return None
    return data


def _make(data: Any, edit: Edit) -> None:
    """Make an edit in plain values, where aliases are copies."""
    loc = edit.part.loc
    parent = _look_up(data, loc[:-1])
    match edit:
        case Set(value=value):
            parent[loc[-1]] = value
        case Add(key=key, value=value):
            _look_up(data, loc)[key] = value
        case Remove():
            parent.pop(loc[-1], None)
        case Replace(key=key, value=value):
            parent.pop(loc[-1], None)
            parent[key] = value


def write(path: pathlib.Path, text: str) -> None:
    """Put a text in the place of a file at once, with the file's permissions and byte order mark.

    Raises:
        HarnessError: the disk or the permissions forbid it; the file is as it was.
    """
    real = path.resolve()
    temporary: pathlib.Path | None = None
    try:
        marked = real.read_bytes().startswith(codecs.BOM_UTF8)
        with tempfile.NamedTemporaryFile(
            "wb", dir=real.parent, prefix=f".{real.name}-", delete=False
        ) as file:
            temporary = pathlib.Path(file.name)
            file.write(text.encode("utf-8-sig" if marked else "utf-8"))
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(real, temporary)
        temporary.replace(real)
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
