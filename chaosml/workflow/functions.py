"""The functions that an expression may call: a named part of expr-lang's and of Sprig's.

Every other function is refused by name when the expression is parsed, because one that
is guessed wrong would give a wrong verdict without a word.

Sources: expr-lang's builtins, argo-workflows util/expr/env/env.go, Masterminds/sprig.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["FUNCTIONS", "show", "to_json"]


def show(value: Any) -> str:
    """Return a value as Go's `%v` prints it, which is how a result gets into a string."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _show_float(value)
    if isinstance(value, list):
        return "[" + " ".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def _show_float(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    # Go's %v takes the exponent form from 1e21 on, Python's repr from 1e16.
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent}" if exponent else mantissa


def to_json(value: Any) -> str:
    """Return a value as Go's `json.Marshal` writes it."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for character, escape in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(character, escape)
    return text


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


def _lenient_integer(value: Any) -> int:
    """Sprig's casts never fail: what is no number is 0."""
    try:
        return int(_floating(value))
    except ValueError:
        return 0


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


def _decode_base64(text: Any) -> str:
    try:
        return base64.b64decode(_text(text), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        return str(error)


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in (0, "", [], {})


def _numbers(values: tuple[Any, ...]) -> list[float]:
    return [value if isinstance(value, int) else _floating(value) for value in values]


def _round(value: Any) -> float:
    """Round half away from zero, as Go does."""
    return math.copysign(math.floor(abs(_floating(value)) + 0.5), _floating(value))


def _divide(dividend: int, divisor: int) -> int:
    """Divide as Go does: towards zero."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


_Function = Callable[..., Any]

_EXPR: dict[str, _Function] = {
    "abs": lambda value: abs(_numbers((value,))[0]),
    "asFloat": _floating,
    "asInt": _integer,
    "ceil": lambda value: float(math.ceil(_floating(value))),
    "first": lambda value: _items(value)[0] if _items(value) else None,
    "float": _floating,
    "floor": lambda value: float(math.floor(_floating(value))),
    "fromJSON": _from_json,
    "hasPrefix": lambda text, prefix: _text(text).startswith(_text(prefix)),
    "hasSuffix": lambda text, suffix: _text(text).endswith(_text(suffix)),
    "int": _integer,
    "join": lambda items, separator="": _text(separator).join(map(_text, _items(items))),
    "jsonpath": _json_path,
    "keys": lambda value: sorted(_map(value)),
    "last": lambda value: _items(value)[-1] if _items(value) else None,
    "len": _length,
    "lower": lambda text: _text(text).lower(),
    "max": lambda *values: max(_numbers(values)),
    "min": lambda *values: min(_numbers(values)),
    "replace": lambda text, old, new: _text(text).replace(_text(old), _text(new)),
    "round": _round,
    "split": lambda text, separator: _text(text).split(_text(separator)),
    "string": show,
    "toJSON": to_json,
    "toJson": to_json,
    "trim": lambda text, characters=None: _text(text).strip(characters),
    "trimPrefix": lambda text, prefix: _text(text).removeprefix(_text(prefix)),
    "trimSuffix": lambda text, suffix: _text(text).removesuffix(_text(suffix)),
    "upper": lambda text: _text(text).upper(),
    "values": lambda value: [_map(value)[key] for key in sorted(_map(value))],
}

_SPRIG: dict[str, _Function] = {
    "add": lambda *values: sum(map(_lenient_integer, values)),
    "atoi": _lenient_integer,
    "b64dec": _decode_base64,
    "b64enc": lambda text: base64.b64encode(_text(text).encode()).decode(),
    "contains": lambda part, text: _text(part) in _text(text),
    "default": lambda fallback, value: fallback if _is_empty(value) else value,
    "div": lambda left, right: _divide(_lenient_integer(left), _lenient_integer(right)),
    "first": lambda value: _items(value)[0] if _items(value) else None,
    "float64": _floating,
    "hasPrefix": lambda prefix, text: _text(text).startswith(_text(prefix)),
    "hasSuffix": lambda suffix, text: _text(text).endswith(_text(suffix)),
    "int": _lenient_integer,
    "int64": _lenient_integer,
    "join": lambda separator, items: _text(separator).join(show(item) for item in _items(items)),
    "last": lambda value: _items(value)[-1] if _items(value) else None,
    "lower": lambda text: _text(text).lower(),
    "max": lambda *values: max(map(_lenient_integer, values)),
    "min": lambda *values: min(map(_lenient_integer, values)),
    "mul": lambda *values: math.prod(map(_lenient_integer, values)),
    "replace": lambda old, new, text: _text(text).replace(_text(old), _text(new)),
    "sha256sum": lambda text: hashlib.sha256(_text(text).encode()).hexdigest(),
    "splitList": lambda separator, text: _text(text).split(_text(separator)),
    "sub": lambda left, right: _lenient_integer(left) - _lenient_integer(right),
    "ternary": lambda yes, no, condition: yes if condition is True else no,
    "toJson": to_json,
    "toString": show,
    "trim": lambda text: _text(text).strip(),
    "trimPrefix": lambda prefix, text: _text(text).removeprefix(_text(prefix)),
    "trimSuffix": lambda suffix, text: _text(text).removesuffix(_text(suffix)),
    "trunc": lambda size, text: _text(text)[:size] if size >= 0 else _text(text)[size:],
    "upper": lambda text: _text(text).upper(),
}

FUNCTIONS: Mapping[str, _Function] = {
    **_EXPR,
    **{f"sprig.{name}": function for name, function in _SPRIG.items()},
}
