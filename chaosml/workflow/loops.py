"""Loops: what one task or step becomes for each of its items, and what all of them gave.

Sources: argo-workflows workflow/controller/operator.go `processItem`, `expandSequence`,
`processAggregateNodeOutputs`; pkg/apis/workflow/v1alpha1/item.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chaosml.workflow.functions import escape_html, to_json
from chaosml.workflow.model import Sequence, Work
from chaosml.workflow.protocol import Vertex
from chaosml.workflow.state import ControllerError
from chaosml.workflow.substitution import UnresolvedReference, substitute, substitute_all

__all__ = ["Expansion", "aggregate", "expand", "format_number", "format_problem"]

_ITEMS_MAX = 10_000
_DIRECTIVE = re.compile(r"%([-+# 0]*)(\d*)([a-zA-Z%])")


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """A task or step for one item."""

    name: str
    """Such as `train(0:spot)`."""
    variables: Mapping[str, str]
    """`item` and, where the item is a map, `item.KEY`."""


def expand(work: Work, variables: Mapping[str, str]) -> tuple[Expansion, ...]:
    """Return what a loop expands to; nothing where there are no items.

    Raises:
        ControllerError: there is no list of items to be had.
    """
    items = _items(work, variables)
    if len(items) > _ITEMS_MAX:
        raise ControllerError(f"the loop has {len(items)} items; at most {_ITEMS_MAX} are run")
    return tuple(_expansion(work.name, index, item) for index, item in enumerate(items))


def _items(work: Work, variables: Mapping[str, str]) -> list[Any]:
    try:
        if work.with_items:
            items: list[Any] = _as_json(substitute_all(list(work.with_items), variables))
            return items
        if work.with_param is not None:
            return _parse_list(substitute(work.with_param, variables))
        return _sequence(work.with_sequence or Sequence(), variables)
    except UnresolvedReference as error:
        raise ControllerError(str(error)) from error


def _as_json(value: Any) -> Any:
    """Return a YAML value as the API server keeps it: keys sorted, whole floats as integers."""
    if isinstance(value, Mapping):
        return {key: _as_json(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return _Number(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _Number(json.dumps(value))
    return value


def _parse_list(text: str) -> list[Any]:
    try:
        value = _parse(text)
        if value is not None and not isinstance(value, list):
            raise ValueError(
                f"json: cannot unmarshal {_kind(value)} into Go value of type []v1alpha1.Item"
            )
    except ValueError as error:
        message = f"withParam value could not be parsed as a JSON list: {text.strip()}: {error}"
        raise ControllerError(message) from error
    return value or []


def _parse(text: str) -> Any:
    """Read JSON, numbers as they are written.

    Raises:
        ValueError: it is none, in Go's words as far as they are known.
    """
    try:
        return json.loads(
            text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        rest = text.strip()
        if not rest:
            raise ValueError("unexpected end of JSON input") from error
        if error.pos == len(text) - len(text.lstrip()):
            message = f"invalid character '{rest[0]}' looking for beginning of value"
            raise ValueError(message) from error
        raise ValueError(f"{error.msg.lower()} at character {error.pos + 1}") from error


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, _Number) else "string"


def _write(value: Any) -> str:
    """Return compact JSON, numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{_write(key)}:{_write(item)}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_write, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _show(value: Any) -> str:
    """Return an item as text: JSON, without the quotes around a string."""
    text = _write(value)
    return text[1:-1] if isinstance(value, str) and not isinstance(value, _Number) else text


def _expansion(name: str, index: int, item: Any) -> Expansion:
    if item is None:
        raise ControllerError(
            f"withItems[{index}] expected string, number, list, or map. received: null"
        )
    if isinstance(item, dict):
        pairs = {key: _show(value) for key, value in item.items()}
        variables = {f"item.{key}": value for key, value in pairs.items()}
        variables["item"] = escape_html(_write({key: item[key] for key in sorted(item)}))
        shown = ",".join(sorted(f"{key}:{value}" for key, value in pairs.items()))
    elif isinstance(item, list):
        variables = {"item": escape_html(_write(item))}
        shown = f"[{' '.join(map(_show, item))}]"
    else:
        variables = {"item": _show(item)}
        shown = variables["item"]
    clean = shown.replace("(", "").replace(")", "")
    return Expansion(f"{name}({index}:{clean})", variables)


def _sequence(sequence: Sequence, variables: Mapping[str, str]) -> list[Any]:
    start = _integer(sequence.start, variables) or 0
    end, count = _integer(sequence.end, variables), _integer(sequence.count, variables)
    if end is None:
        if count is None:
            raise ControllerError("neither end nor count was specified in withSequence")
        if count == 0:
            return []
        end = start + count - 1
    if abs(end - start) >= _ITEMS_MAX:
        raise ControllerError(
            f"the loop has {abs(end - start) + 1} items; at most {_ITEMS_MAX} are run"
        )
    numbers = range(start, end + 1) if start <= end else range(start, end - 1, -1)
    template = substitute(sequence.format or "%d", variables)
    return [format_number(template, number) for number in numbers]


def _integer(text: str | None, variables: Mapping[str, str]) -> int | None:
    if text is None:
        return None
    value = substitute(text, variables)
    if not re.fullmatch(r"[+-]?\d+", value):
        raise ControllerError(f'strconv.Atoi: parsing "{value}": invalid syntax')
    return int(value)


def format_problem(template: str) -> str | None:
    """Return what is wrong with a `withSequence.format`; None where it can be applied."""
    directives = [found for found in _DIRECTIVE.finditer(template) if found.group(3) != "%"]
    rest = _DIRECTIVE.sub("", template)
    verbs = "".join(found.group(3) for found in directives)
    if "%" in rest or len(directives) != 1 or verbs not in "dxXob":
        return "it needs exactly one of %d, %x, %X, %o, %b, with a width and flags if need be"
    return None


def format_number(template: str, number: int) -> str:
    """Apply a Go format to a number.

    Raises:
        ControllerError: it has another verb than those for whole numbers, or not exactly one.
    """
    problem = format_problem(template)
    if problem is not None:
        raise ControllerError(f"withSequence.format: {template!r}: {problem}")

    def write(found: re.Match[str]) -> str:
        flags, width, verb = found.groups()
        if verb == "%":
            return "%"
        if verb != "b":
            return f"%{flags}{width}{verb}" % number
        sign = "-" if number < 0 else "+" if "+" in flags else " " if " " in flags else ""
        digits = f"{'0b' if '#' in flags else ''}{abs(number):b}"
        if "-" in flags:
            return f"{sign}{digits}".ljust(int(width or 0))
        if "0" in flags:
            return sign + digits.rjust(int(width or 0) - len(sign), "0")
        return f"{sign}{digits}".rjust(int(width or 0))

    return _DIRECTIVE.sub(write, template)


def aggregate(prefix: str, vertices: Iterable[Vertex]) -> dict[str, str]:
    """Return what all vertices of a loop gave, as JSON lists in the order of its items.

    Only those that have succeeded count.

    Raises:
        ControllerError: a result is no JSON.
    """
    maps: list[Mapping[str, str]] = []
    lists: dict[str, list[str]] = {}
    results: list[str] = []
    for vertex in vertices:
        if vertex.phase != "Succeeded":
            continue
        if vertex.outputs:
            maps.append(vertex.outputs)
        for name, value in vertex.outputs.items():
            lists.setdefault(name, []).append(value)
        if vertex.result is not None:
            results.append(_result(vertex.result))
    return {
        f"{prefix}.outputs.result": f"[{','.join(results)}]",
        f"{prefix}.outputs.parameters": to_json([dict(one) for one in maps]),
        **{f"{prefix}.outputs.parameters.{name}": _list(values) for name, values in lists.items()},
    }


def _result(text: str) -> str:
    try:
        return escape_html(_write(_parse(text)))
    except ValueError as error:
        raise ControllerError(str(error)) from error


def _list(values: list[str]) -> str:
    """Return a JSON list: of the values themselves if all are JSON lists or maps, else of text."""
    parsed: list[Any] = []
    for value in values:
        try:
            parsed.append(json.loads(value))
        except ValueError:
            return to_json(values)
    if all(isinstance(value, list | dict) for value in parsed):
        return to_json(parsed)
    return to_json(values)
