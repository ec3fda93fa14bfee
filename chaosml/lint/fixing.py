"""Mending a file in place: only the few characters that change, so that all else stays.

Each edit is checked: the new text is read again, and if its documents are not the old ones
with exactly that change, the edit is not made. Nothing can get lost that way, whatever an
unusual layout does to the position of an edit.
"""

from __future__ import annotations

import codecs
import copy
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
from chaosml.lint.layout import Layout
from chaosml.lint.rule import Add, Edit, Finding, Remove, Replace, Set

__all__ = ["Fixed", "fix", "write"]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A text with its mended findings."""

    text: str
    mended: tuple[Finding, ...]


def fix(text: str, path: pathlib.Path, examined: Examined) -> Fixed:
    """Make the edits of all findings of a text that can be made and are not suppressed."""
    mended = []
    for finding in examined.open:
        edits = [(_number(examined.documents, edit), edit) for edit in finding.edits]
        changed = _apply_all(text, path, edits) if edits else None
        if changed is not None:
            text = changed
            mended.append(finding)
    return Fixed(text, tuple(mended))


def _apply_all(text: str, path: pathlib.Path, edits: Sequence[tuple[int, Edit]]) -> str | None:
    """Return the text with the edits of one finding; None where one of them cannot be made."""
    before = _data(text, path)
    if before is None:
        return None
    wanted = copy.deepcopy(before)
    for number, edit in edits:
        # Templates that share a strategy by an alias have it mended by the first edit.
        if _is_made(_data(text, path), number, edit):
            _make(wanted[number], edit)
            continue
        changed = Layout(text).edited(number, edit)
        if changed is None:
            return None
        text = changed
        _make(wanted[number], edit)
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


def _is_made(documents: list[Any] | None, number: int, edit: Edit) -> bool:
    if documents is None:
        return False
    value = _look_up(documents[number], edit.part.loc)
    match edit:
        case Set():
            # Quotes alone do not show in the value; setting it twice does no harm.
            return False
        case Add(key=key, value=wanted):
            return isinstance(value, dict) and bool(value.get(key) == wanted)
        case Remove():
            return value is None
        case Replace(key=key, value=wanted):
            return bool(_look_up(documents[number], (*edit.part.loc[:-1], key)) == wanted)


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
