"""Values that the command line puts in the place of a scenario's: `--set trials=3`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chaosml.document import (
    Document,
    Loc,
    explain_unknown_key,
    name_path,
    nearest,
    read_scalar,
    takes_text,
)
from chaosml.errors import UsageError
from chaosml.scenario.model import Scenario

__all__ = ["apply_overrides"]

_INDEX = re.compile(r"\[(\d+)\]")


def apply_overrides(document: Document, values: Mapping[str, str]) -> Document:
    """Return the document with other values.

    A path is dotted, as in `expect.mttr.at-most`; entries of a list are named by their `name`,
    or by their index from 0: `faults.reclaim.with.notice`, `faults[0].with.notice`.

    Raises:
        UsageError: a path cannot be in a scenario, or a value is not YAML.
    """
    for path, value in values.items():
        document = _apply(document, path, value)
    return document


def _apply(document: Document, path: str, text: str) -> Document:
    option = f"--set {path}={text}"
    loc = _resolve(document, path, option)
    unknown = explain_unknown_key(Scenario, loc)
    if unknown is not None:
        raise UsageError(f"{option}: {unknown}")
    try:
        value = text if takes_text(Scenario, loc) else read_scalar(text)
    except ValueError as error:
        raise UsageError(f"{option}: the value: {error}") from error
    try:
        return document.override(loc, value, origin=option)
    except KeyError as error:
        message = f"{option}: {name_path(loc[:-1])} has no {error.args[0]!r} in {document.file}"
        raise UsageError(message) from error


def _resolve(document: Document, path: str, option: str) -> Loc:
    """Turn a dotted path into keys and indices; names of list entries become their index."""
    words = [word for word in _INDEX.sub(r".\1", path).split(".") if word]
    if not words:
        raise UsageError(f"{option}: the path is empty; write one such as trials or expect.mttr")
    loc: Loc = ()
    for word in words:
        entries = document.get(loc)
        if isinstance(entries, list):
            loc = (*loc, _find_entry(entries, word, f"{option}: {name_path(loc)}"))
        else:
            loc = (*loc, word)
    return loc


def _find_entry(entries: list[object], word: str, where: str) -> int:
    names = [str(entry.get("name")) if isinstance(entry, dict) else "" for entry in entries]
    if word in names:
        return names.index(word)
    if word.isdigit() and int(word) < len(entries):
        return int(word)
    meant = nearest(word, [name for name in names if name])
    advice = f'did you mean "{meant}"?' if meant else f"there are {len(entries)}, counted from 0"
    raise UsageError(f'{where} has no entry "{word}"; {advice}')
