"""Where the characters of a YAML text stand, so that an edit changes nothing but them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from chaosml.document import Loc
from chaosml.lint.rule import Add, Edit, Remove, Replace, Set

__all__ = ["Change", "Layout"]

# The line breaks of YAML 1.1, which PyYAML counts.
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PLAIN = re.compile(r"[A-Za-z][\w./-]*")
_NOT_PLAIN = re.compile(r"(?i)y|yes|n|no|on|off|true|false|null")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """Characters that take the place of others."""

    start: int
    end: int
    new: str


class Layout:
    """The nodes of a text and their places."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in _BREAK.finditer(text))]
        documents = yaml.compose_all(text, Loader=yaml.CSafeLoader)
        self._roots: list[Any] = [root for root in documents if root is not None]

    def change(self, number: int, edit: Edit) -> Change | None:
        """Return what an edit in one of the documents changes; None where it cannot be made."""
        if number >= len(self._roots):
            return None
        found = self._find(self._roots[number], edit.part.loc)
        if found is None:
            return None
        key, value, parent = found
        match edit:
            case Set(value=wanted):
                return self._set(value, wanted)
            case Add(key=name, value=wanted):
                return self._add(value, f"{name}: {_rendered(wanted)}")
            case Replace(key=name, value=wanted):
                if key is None or not _is_inline(value):
                    return None
                new = f"{name}: {_rendered(wanted)}"
                return Change(self._offset(key.start_mark), self._offset(value.end_mark), new)
            case Remove():
                return self._remove(key, value, parent)

    def _find(self, root: Any, loc: Loc) -> tuple[Any, Any, Any] | None:
        """Return the key, the value and the mapping or list that holds them."""
        key, value, parent = None, root, None
        for item in loc:
            entry = _entry(value, item)
            if entry is None:
                return None
            parent = value
            key, value = entry
        return key, value, parent

    def _offset(self, mark: Any) -> int:
        return int(self._starts[mark.line] + mark.column)

    def _set(self, node: Any, value: str | bool) -> Change | None:
        if not _is_inline(node) or not isinstance(node, yaml.ScalarNode):
            return None
        start, end = self._offset(node.start_mark), self._offset(node.end_mark)
        if start == end:
            return None
        return Change(start, end, _rendered(value, node.style or ""))

    def _add(self, node: Any, entry: str) -> Change | None:
        if not isinstance(node, yaml.MappingNode):
            return None
        if node.flow_style:
            opening = self._text.find("{", self._offset(node.start_mark)) + 1
            return Change(opening, opening, f"{entry}, " if node.value else entry)
        first = node.value[0][0].start_mark
        newline = "\r\n" if "\r\n" in self._text else "\n"
        start = self._offset(first)
        return Change(start, start, f"{entry}{newline}{' ' * first.column}")

    def _remove(self, key: Any, value: Any, parent: Any) -> Change | None:
        if key is None or not _is_inline(value) or len(parent.value) < 2:
            return None
        start, end = self._offset(key.start_mark), self._offset(value.end_mark)
        if parent.flow_style:
            after = re.compile(r"\s*,\s*").match(self._text, end)
            if after is not None:
                return Change(start, after.end(), "")
            before = re.search(r"\s*,\s*\Z", self._text[:start])
            return None if before is None else Change(before.start(), end, "")
        line = self._starts[key.start_mark.line]
        if self._text[line:start].strip():
            return None
        rest = re.compile(r"[ \t]*(#[^\r\n]*)?(\r\n|\n|\Z)").match(self._text, end)
        if rest is None:
            return None
        # What somebody wrote beside the value stays, on a line of its own.
        comment = f"{self._text[line:start]}{rest[1]}{rest[2]}" if rest[1] else ""
        return Change(line, rest.end(), comment)


def _entry(node: Any, item: str | int) -> tuple[Any, Any] | None:
    """Return key and value of an entry of a mapping or list, what is merged into it too."""
    if isinstance(node, yaml.SequenceNode):
        within = isinstance(item, int) and item < len(node.value)
        return (None, node.value[item]) if within else None
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == item and isinstance(key, yaml.ScalarNode):
            return key, value
    for key, value in node.value:
        if key.value == "<<":
            parents = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for parent in parents:
                if (found := _entry(parent, item)) is not None:
                    return found
    return None


def _is_inline(node: Any) -> bool:
    """Tell whether the end of a node is where its last character is."""
    if isinstance(node, yaml.ScalarNode):
        return node.style not in ("|", ">")
    return bool(node.flow_style)


def _rendered(value: str | bool, style: str = "") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not style and _PLAIN.fullmatch(value) and not _NOT_PLAIN.fullmatch(value):
        return value
    single = style == "'" or (not style and '"' in value)
    if single and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=not value.isprintable())
