"""The functions that an expression may call: those of expr-lang, of Argo and of Sprig.

A function that cannot be given exactly (the time, chance, the cluster) is refused by name
when the expression is parsed, because one that is guessed wrong would give a wrong verdict
without a word. Functions that take a predicate are in `terms`.

Sources: expr-lang's builtins, argo-workflows util/expr/env/env.go.
"""

from __future__ import annotations

import base64
import json
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chaosml.workflow.rendering import escape_html, show, to_json
from chaosml.workflow.sprig import SPRIG

__all__ = ["FUNCTIONS", "escape_html", "show", "to_json"]

_REPEAT_MAX = 100_000


def _integer(value: Any) -> int:
    if isinstance(value, float):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is not an integer")


def _floating(value: Any) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{value!r} is not a number")


def _length(value: Any) -> int:
    if isinstance(value, str | list | dict):
        return len(value)
    raise ValueError(f"{value!r} has no length")


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{value!r} is not a list")


def _map(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{value!r} is not a map")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is not a string")


def _from_json(text: Any) -> Any:
    return json.loads(_text(text))


_PATH_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")


def _json_path(text: Any, path: Any) -> Any:
    """Follow `$.a.b[0]['c']`; filters and wildcards are refused."""
    value, position = _from_json(text), 1
    if not _text(path).startswith("$"):
        raise ValueError(f"the path {path!r} does not start with $")
    while position < len(path):
        found = _PATH_STEP.match(path, position)
        if found is None:
            raise ValueError(f"the path {path!r} uses more than .name, [0] and ['name']")
        key = found.group(1) or found.group(3) or found.group(4)
        value = _items(value)[int(found.group(2))] if key is None else _map(value)[key]
        position = found.end()
    return value


def _numbers(values: Iterable[Any]) -> list[Any]:
    """Return numbers, those in lists one by one, as `max`, `min` and their kind take them."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, list):
            found += _numbers(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(value)
        else:
            raise ValueError(f"{value!r} is not a number")
    return found


def _round(value: Any) -> float:
    """Round half away from zero, as Go does."""
    return math.copysign(math.floor(abs(_floating(value)) + 0.5), _floating(value))


def _type(value: Any) -> str:
    kinds: Mapping[type, str] = {bool: "bool", int: "int", float: "float", str: "string"}
    if value is None:
        return "nil"
    return kinds.get(type(value), "map" if isinstance(value, dict) else "array")


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(type(item) is type(one) and item == one for one in found):
            found.append(item)
    return found


def _flatten(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        found += _flatten(item) if isinstance(item, list) else [item]
    return found


def _sort(items: Any, order: str = "asc") -> list[Any]:
    if order not in ("asc", "desc"):
        raise ValueError(f"the order is asc or desc, not {order!r}")
    return sorted(_items(items), reverse=order == "desc")


def _repeat(text: Any, count: Any) -> str:
    if not 0 <= _integer(count) * len(_text(text)) <= _REPEAT_MAX:
        raise ValueError(f"cannot repeat it {count} times")
    return _text(text) * _integer(count)


def _split_after(text: Any, separator: Any) -> list[str]:
    *parts, last = _text(text).split(_text(separator))
    return [*(f"{part}{separator}" for part in parts), last]


def _split(text: Any, separator: Any, count: Any = -1) -> list[str]:
    limit = _integer(count)
    return _text(text).split(_text(separator), limit - 1 if limit > 0 else -1)


def _get(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    position = _integer(key)
    return value[position] if -len(_items(value)) <= position < len(value) else None


_Function = Callable[..., Any]

_EXPR: dict[str, _Function] = {
    "abs": lambda value: abs(_numbers((value,))[0]),
    "asFloat": _floating,
    "asInt": _integer,
    "bitand": lambda left, right: _integer(left) & _integer(right),
    "bitnot": lambda value: ~_integer(value),
    "bitor": lambda left, right: _integer(left) | _integer(right),
    "bitshl": lambda left, right: _integer(left) << min(_integer(right), 64),
    "bitshr": lambda left, right: _integer(left) >> _integer(right),
    "bitxor": lambda left, right: _integer(left) ^ _integer(right),
    "ceil": lambda value: float(math.ceil(_floating(value))),
    "concat": lambda *lists: [item for items in lists for item in _items(items)],
    "first": lambda value: _items(value)[0] if _items(value) else None,
    "flatten": lambda items: _flatten(_items(items)),
    "float": _floating,
    "floor": lambda value: float(math.floor(_floating(value))),
    "fromBase64": lambda text: base64.b64decode(_text(text), validate=True).decode(),
    "fromJSON": _from_json,
    "fromPairs": lambda pairs: {key: value for key, value in _items(pairs)},
    "get": _get,
    "hasPrefix": lambda text, prefix: _text(text).startswith(_text(prefix)),
    "hasSuffix": lambda text, suffix: _text(text).endswith(_text(suffix)),
    "indexOf": lambda text, part: _text(text).find(_text(part)),
    "int": _integer,
    "join": lambda items, separator="": _text(separator).join(map(_text, _items(items))),
    "jsonpath": _json_path,
    "keys": lambda value: sorted(_map(value)),
    "last": lambda value: _items(value)[-1] if _items(value) else None,
    "lastIndexOf": lambda text, part: _text(text).rfind(_text(part)),
    "len": _length,
    "lower": lambda text: _text(text).lower(),
    "max": lambda *values: max(_numbers(values)),
    "mean": lambda *values: float(statistics.fmean(_numbers(values) or [0])),
    "median": lambda *values: float(statistics.median(_numbers(values) or [0])),
    "min": lambda *values: min(_numbers(values)),
    "repeat": _repeat,
    "replace": lambda text, old, new: _text(text).replace(_text(old), _text(new)),
    "reverse": lambda items: _items(items)[::-1],
    "round": _round,
    "sort": _sort,
    "split": _split,
    "splitAfter": _split_after,
    "string": show,
    "take": lambda items, count: _items(items)[: _integer(count)],
    "toBase64": lambda text: base64.b64encode(_text(text).encode()).decode(),
    "toJSON": lambda value: to_json(value, indent=2),
    "toJson": to_json,
    "toPairs": lambda value: [[key, _map(value)[key]] for key in sorted(_map(value))],
    "trim": lambda text, characters=None: _text(text).strip(characters),
    "trimPrefix": lambda text, prefix=" ": _text(text).removeprefix(_text(prefix)),
    "trimSuffix": lambda text, suffix=" ": _text(text).removesuffix(_text(suffix)),
    "type": _type,
    "uniq": lambda items: _unique(_items(items)),
    "upper": lambda text: _text(text).upper(),
    "values": lambda value: [_map(value)[key] for key in sorted(_map(value))],
}

FUNCTIONS: Mapping[str, _Function] = {
    **_EXPR,
    **{f"sprig.{name}": function for name, function in SPRIG.items()},
}
