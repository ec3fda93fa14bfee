"""A YAML document that knows where everything in it stands.

YAML is read as version 1.2's core schema says: `on` and `yes` are text, `010` is
ten, `12:30:00` is text, `1e3` is a number. Keys are text and unique, tags cannot
construct objects, and nothing in a file can make it large: bytes, depth and what
aliases expand to are limited.
"""

from __future__ import annotations

import copy
import dataclasses
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from chaosml.document.source import display_path, load_text
from chaosml.errors import Problem, ScenarioError

__all__ = [
    "Document",
    "Loc",
    "Mark",
    "describe",
    "parse",
    "parse_all",
    "read",
    "read_all",
    "read_scalar",
    "resolve",
]

Loc = tuple[str | int, ...]
"""Keys and indices from the top of a document."""

_DEPTH_MAX = 60
_VALUES_MAX = 100_000
_DIGITS_MAX = 400

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# What readers of YAML 1.1, Argo's among them, take for booleans, octals and numbers.
_YAML_1_1_ONLY = re.compile(
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF|[-+]?0[0-9]+|[-+]?[0-9]+(_[0-9]+)+"
)
_COMMENT_OR_START = re.compile(r"(?m)^(---)?[ \t]*(#.*)?$")


@dataclass(frozen=True, slots=True)
class Mark:
    """Lines and columns, from 1, of a value and of the key or dash that introduces it."""

    value: tuple[int, int]
    key: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping read from a file, with the places of its keys and values."""

    path: pathlib.Path
    text: str
    data: dict[str, Any]
    marks: Mapping[Loc, Mark]
    ambiguous: Mapping[Loc, str] = field(default_factory=dict)
    """Unquoted text that readers of YAML 1.1 take for something else."""
    overridden: Mapping[Loc, str] = field(default_factory=dict)
    """Values that do not come from the file, with what set them, such as `--set trials=3`."""

    @property
    def file(self) -> str:
        """The path as messages show it."""
        return display_path(self.path)

    def mark(self, loc: Sequence[str | int], *, key: bool = False) -> tuple[int, int]:
        """Return line and column of a value, or of its key.

        Items of `loc` that are nowhere in the document, such as the tags of a union or the name
        of a missing key, are skipped: then the nearest ancestor is meant, by its key.
        """
        found: Loc = ()
        for item in loc:
            if (*found, item) in self.marks:
                found = (*found, item)
        mark = self.marks[found]
        return mark.key if key or found[-1:] != tuple(loc[-1:]) else mark.value

    def problem(self, loc: Sequence[str | int], message: str, *, key: bool = False) -> Problem:
        """Return a problem at a place of this document."""
        line, column = self.mark(loc, key=key)
        for overridden, origin in self.overridden.items():
            if tuple(loc[: len(overridden)]) == overridden:
                message = f"{message} (given by {origin})"
        return Problem(self.file, line, column, message)

    def get(self, loc: Sequence[str | int]) -> Any:
        """Return the raw value at a place; None where there is none."""
        value: Any = self.data
        for item in loc:
            if not _holds(value, item):
                return None
            value = value[item]
        return value

    def override(self, loc: Loc, value: Any, *, origin: str) -> Document:
        """Return this document with another value at a place; missing mappings are made.

        Raises:
            KeyError: the place is inside something that is no mapping or not in the list.
        """
        data = copy.deepcopy(self.data)
        parent: Any = data
        for item in loc[:-1]:
            if isinstance(parent, dict):
                parent.setdefault(item, {})
            if not _holds(parent, item):
                raise KeyError(item)
            parent = parent[item]
        last = loc[-1]
        if not isinstance(parent, dict) and not _holds(parent, last):
            raise KeyError(last)
        parent[last] = value
        return dataclasses.replace(self, data=data, overridden={**self.overridden, loc: origin})


def _holds(value: Any, item: str | int) -> bool:
    if isinstance(value, dict):
        return item in value
    return isinstance(value, list) and isinstance(item, int) and 0 <= item < len(value)


def read(path: pathlib.Path, *, origin: Problem | None = None) -> Document:
    """Read a file.

    Args:
        path: The file.
        origin: The place that names the file, for the message where it cannot be read; its
            `message` says what the place is.

    Raises:
        ScenarioError: the file cannot be read, or is not one YAML mapping.
    """
    return parse(load_text(path, origin), path)


def read_all(path: pathlib.Path, *, origin: Problem | None = None) -> tuple[Document, ...]:
    """Read a file of one or more documents, which `---` separates; empty ones are left out.

    Args:
        path: The file.
        origin: As in `read`.

    Raises:
        ScenarioError: the file cannot be read, or a document is not a YAML mapping.
    """
    return parse_all(load_text(path, origin), path)


def parse_all(text: str, path: pathlib.Path) -> tuple[Document, ...]:
    """Turn the text of a file into its documents; empty ones are left out.

    Raises:
        ScenarioError: a document is not a YAML mapping.
    """
    parts = list(_split(text, display_path(path)))
    filled = [part for part in parts if _COMMENT_OR_START.sub("", part).strip()]
    return tuple(parse(part, path) for part in filled or parts)


def _split(text: str, shown: str) -> Iterator[str]:
    """Yield the documents of a text, each after as many empty lines as stand before it."""
    try:
        starts = [
            _position(event)[0] - 1
            for event in yaml.parse(text, Loader=yaml.CSafeLoader)
            if isinstance(event, yaml.DocumentStartEvent)
        ]
    except yaml.YAMLError as error:
        raise ScenarioError([_explain(error, text, shown)]) from error
    if len(starts) < 2:
        yield text
        return
    lines = text.splitlines(keepends=True)
    for start, end in zip([0, *starts[1:]], [*starts[1:], len(lines)], strict=True):
        yield "\n" * start + "".join(lines[start:end])


def parse(text: str, path: pathlib.Path) -> Document:
    """Turn the text of a file into a document.

    Raises:
        ScenarioError: it is not one YAML mapping; with every duplicate key and strange tag.
    """
    shown = display_path(path)
    try:
        _check_events(text, shown)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ScenarioError([_explain(error, text, shown)]) from error
    if node is None:
        raise ScenarioError([Problem(shown, 1, 1, "the file is empty")])
    builder = _Builder(shown)
    data = builder.build(node, (), _position(node))
    if not isinstance(data, dict) and not builder.problems:
        problem = Problem(shown, *_position(node), f"expected a mapping, found {describe(data)}")
        builder.problems.append(problem)
    if builder.problems:
        raise ScenarioError(builder.problems)
    return Document(path, text, data, builder.marks, builder.ambiguous)


def read_scalar(text: str) -> Any:
    """Return the YAML value of a short text, such as `30%`, `3` or `[60, 180]`.

    Raises:
        ValueError: it is not YAML; with what is wrong.
    """
    try:
        return parse(f"value: {text}\n", pathlib.Path("value")).data["value"]
    except ScenarioError as error:
        raise ValueError(error.problems[0].message) from error


def describe(value: Any) -> str:
    """Return a raw value as messages show it: short scalars as they are, others by kind."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            shown = value if len(value) <= 60 else f"{value[:57]}…"
            return f'"{shown}"'.replace("\n", "\\n")
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return str(value)


def _check_events(text: str, shown: str) -> None:
    """Refuse several documents, tags, and nesting too deep to recurse into."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        if documents > 1:
            message = "a second document begins here; a file holds one"
        elif depth > _DEPTH_MAX:
            message = f"nested deeper than {_DEPTH_MAX} levels"
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            message = f"the tag {event.tag!r} is not allowed; remove it, or quote what is text"
        else:
            continue
        raise ScenarioError([Problem(shown, *_position(event), message)])


def _position(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _explain(error: yaml.YAMLError, text: str, shown: str) -> Problem:
    """Say in one line what PyYAML found."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        context = f" {error.context}" if error.context else ""
        message = f"this is not YAML: {error.problem}{context}; check indentation and quotes"
        return Problem(shown, mark.line + 1, mark.column + 1, message)
    position = getattr(error, "position", 0)
    if not isinstance(position, int):
        position = 0
    before = text.encode()[:position]
    line = before.count(b"\n") + 1
    column = len(before) - (before.rfind(b"\n") + 1) + 1
    reason = getattr(error, "reason", "unreadable")
    return Problem(shown, line, column, f"this is not YAML: {reason}")


def _is_merge(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and not node.style


class _Builder:
    """Turns PyYAML's nodes into plain values and notes where they stand."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.problems: list[Problem] = []
        self.marks: dict[Loc, Mark] = {}
        self.ambiguous: dict[Loc, str] = {}
        self.open: set[int] = set()
        self.count = 0

    def build(self, node: Any, loc: Loc, key: tuple[int, int]) -> Any:
        self.count += 1
        if self.count > _VALUES_MAX or len(loc) > _DEPTH_MAX:
            message = f"more than {_VALUES_MAX} values, or {_DEPTH_MAX} levels, after aliases"
            raise ScenarioError([Problem(self.shown, *key, message)])
        self.marks[loc] = Mark(value=_position(node), key=key)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, loc)
        if id(node) in self.open:
            self.complain(key, "an alias refers to what contains it")
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [
                    self.build(item, (*loc, index), _position(item))
                    for index, item in enumerate(node.value)
                ]
            return self.mapping(node, loc)
        finally:
            self.open.discard(id(node))

    def complain(self, position: tuple[int, int], message: str) -> None:
        self.problems.append(Problem(self.shown, *position, message))

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        first: dict[str, int] = {}
        # What is merged comes first, so that the places of a mapping's own keys win.
        for key_node, value_node in node.value:
            for parent in self.parents(value_node) if _is_merge(key_node) else ():
                merged = {**self.merge(parent, loc), **merged}
        for key_node, value_node in node.value:
            key = None if _is_merge(key_node) else self.key(key_node)
            position = _position(key_node)
            if key is None:
                continue
            if key in first:
                message = f'the key "{key}" is given twice; the first is in line {first[key]}'
                self.complain(position, message)
                continue
            first[key] = position[0]
            own[key] = self.build(value_node, (*loc, key), position)
        return {**merged, **own}

    def parents(self, node: Any) -> Iterator[yaml.MappingNode]:
        """Yield the mappings that a merge key names."""
        for candidate in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(candidate, yaml.MappingNode) and id(candidate) not in self.open:
                yield candidate
            else:
                self.complain(_position(node), "`<<` merges mappings that stand elsewhere")

    def merge(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        self.open.add(id(node))
        values = self.mapping(node, loc)
        self.open.discard(id(node))
        return values

    def key(self, node: Any) -> str | None:
        value = self.scalar(node, None) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, str):
            return value
        shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
        self.complain(_position(node), f"keys are text, found {shown or 'nothing'}; quote it")
        return None

    def scalar(self, node: yaml.ScalarNode, loc: Loc | None) -> Any:
        # The tag that PyYAML has given the node follows YAML 1.1, so it is not looked at.
        if node.style:
            return node.value
        if loc is not None and _YAML_1_1_ONLY.fullmatch(node.value):
            self.ambiguous[loc] = node.value
        try:
            return resolve(node.value)
        except ValueError as error:
            self.complain(_position(node), str(error))
            return None


def resolve(text: str) -> Any:
    """Return the value of a plain scalar.

    Raises:
        ValueError: a number is too long to be meant.
    """
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if len(text) > _DIGITS_MAX and _FLOAT.fullmatch(text):
        raise ValueError(f"a number of {len(text)} digits; quote it if it is text")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL_FLOAT.fullmatch(text):
        return float(text.replace(".", ""))
    return text
