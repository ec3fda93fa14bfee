"""The functions of Sprig that depend on nothing but their arguments, as expressions call them.

What casts does so as Sprig does, which never fails: what is no number is 0. Left out are
those that read the clock, roll dice, make keys or change a map in place, and those whose
result depends on Go's types.

Source: Masterminds/sprig v3.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from chaosml.workflow.rendering import show, to_json

__all__ = ["SPRIG"]

_LONGEST = 100_000
_INTEGER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9]\d*|0)")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is not a string")


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ValueError(f"{value!r} is not a list")


def _map(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{value!r} is not a map")


def _integer(value: Any) -> int:
    """Cast to an integer; text may be written in any of Go's bases."""
    if isinstance(value, str):
        text = re.sub(r"\.0*$", "", value)
        if not _INTEGER.fullmatch(text):
            return 0
        octal = re.fullmatch(r"([+-]?)0([0-7]+)", text)
        return int(f"{octal.group(1)}{octal.group(2)}", 8) if octal else int(text, 0)
    if isinstance(value, bool | int | float):
        return int(value)
    return 0


def _floating(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in (0, "", [], {})


def _divide(dividend: int, divisor: int) -> int:
    """Divide as Go does: towards zero."""
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _round(value: Any, places: Any, half: float = 0.5) -> float:
    power = math.pow(10, _integer(places))
    digit = power * _floating(value)
    fraction = math.modf(digit)[0]
    return (math.ceil(digit) if fraction >= half else math.floor(digit)) / power


def _decode(decode: Callable[[str], bytes], text: Any) -> str:
    try:
        return decode(_text(text)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        return str(error)


def _substring(start: Any, end: Any, text: Any) -> str:
    first, last = _integer(start), _integer(end)
    if first < 0:
        return _text(text)[: max(last, 0)]
    return _text(text)[first:] if last < 0 or last > len(text) else text[first:last]


def _truncate(size: Any, text: Any) -> str:
    count = _integer(size)
    if count < 0 and len(_text(text)) + count > 0:
        return _text(text)[count:]
    return _text(text)[:count] if 0 <= count < len(text) else _text(text)


def _repeat(count: Any, text: Any) -> str:
    if not 0 <= _integer(count) * len(_text(text)) <= _LONGEST:
        raise ValueError(f"cannot repeat it {count} times")
    return _text(text) * _integer(count)


def _indent(spaces: Any, text: Any) -> str:
    padding = _repeat(spaces, " ")
    return padding + _text(text).replace("\n", f"\n{padding}")


def _until(start: int, stop: int, step: int) -> list[int]:
    if step == 0 or (stop < start) != (step < 0):
        return []
    numbers = range(start, stop, step)
    if len(numbers) > _LONGEST:
        raise ValueError(f"a list of {len(numbers)} numbers")
    return list(numbers)


def _until_count(count: Any) -> list[int]:
    number = _integer(count)
    return _until(0, number, -1 if number < 0 else 1)


def _numbered(parts: list[str]) -> dict[str, str]:
    return {f"_{index}": part for index, part in enumerate(parts)}


def _dict(*pairs: Any) -> dict[str, Any]:
    values = [*pairs, ""] if len(pairs) % 2 else list(pairs)
    return {show(values[index]): values[index + 1] for index in range(0, len(values), 2)}


def _dig(*arguments: Any) -> Any:
    *keys, fallback, value = arguments
    for key in keys:
        if key not in _map(value):
            return fallback
        value = value[key]
    return value


def _slice(items: Any, *bounds: Any) -> list[Any]:
    start = _integer(bounds[0]) if bounds else 0
    end = _integer(bounds[1]) if len(bounds) > 1 else len(_items(items))
    if not 0 <= start <= end <= len(_items(items)):
        raise ValueError(f"[{start}:{end}] is outside of the list")
    return _items(items)[start:end]


def _chunk(size: Any, items: Any) -> list[list[Any]]:
    count = _integer(size)
    if count < 1:
        raise ValueError("the size of a chunk must be positive")
    return [_items(items)[start : start + count] for start in range(0, len(items), count)]


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _quote(mark: str, values: tuple[Any, ...]) -> str:
    shown = (show(value) for value in values if value is not None)
    if mark == "'":
        return " ".join(f"'{text}'" for text in shown)
    return " ".join(json.dumps(text, ensure_ascii=False) for text in shown)


def _kind(value: Any) -> str:
    kinds: Mapping[type, str] = {bool: "bool", int: "int", float: "float64", str: "string"}
    if value is None:
        return "invalid"
    return kinds.get(type(value), "map" if isinstance(value, dict) else "slice")


def _strings(value: Any) -> list[str]:
    """Return what Sprig makes of a list of anything: text, without what is nil."""
    return [show(item) for item in _items(value) if item is not None]


def _hash(name: str) -> Callable[[Any], str]:
    return lambda text: hashlib.new(name, _text(text).encode()).hexdigest()


SPRIG: dict[str, Callable[..., Any]] = {
    "add": lambda *values: sum(map(_integer, values)),
    "add1": lambda value: _integer(value) + 1,
    "adler32sum": lambda text: str(zlib.adler32(_text(text).encode())),
    "all": lambda *values: not any(map(_is_empty, values)),
    "any": lambda *values: not all(map(_is_empty, values)),
    "append": lambda items, item: [*_items(items), item],
    "atoi": lambda text: int(text) if re.fullmatch(r"[+-]?\d+", _text(text)) else 0,
    "b32dec": lambda text: _decode(base64.b32decode, text),
    "b32enc": lambda text: base64.b32encode(_text(text).encode()).decode(),
    "b64dec": lambda text: _decode(lambda one: base64.b64decode(one, validate=True), text),
    "b64enc": lambda text: base64.b64encode(_text(text).encode()).decode(),
    "cat": lambda *values: " ".join(show(value) for value in values if value is not None),
    "ceil": lambda value: float(math.ceil(_floating(value))),
    "chunk": _chunk,
    "coalesce": lambda *values: next((one for one in values if not _is_empty(one)), None),
    "compact": lambda items: [item for item in _items(items) if not _is_empty(item)],
    "concat": lambda *lists: [item for items in lists for item in _items(items)],
    "contains": lambda part, text: _text(part) in _text(text),
    "default": lambda fallback, value=None: fallback if _is_empty(value) else value,
    "dict": _dict,
    "dig": _dig,
    "div": lambda left, right: _divide(_integer(left), _integer(right)),
    "empty": _is_empty,
    "first": lambda value: _items(value)[0] if _items(value) else None,
    "float64": _floating,
    "floor": lambda value: float(math.floor(_floating(value))),
    "fromJson": lambda text: json.loads(_text(text)),
    "get": lambda value, key: _map(value).get(_text(key), ""),
    "has": lambda item, items: item in _items(items),
    "hasKey": lambda value, key: _text(key) in _map(value),
    "hasPrefix": lambda prefix, text: _text(text).startswith(_text(prefix)),
    "hasSuffix": lambda suffix, text: _text(text).endswith(_text(suffix)),
    "indent": _indent,
    "initial": lambda items: _items(items)[:-1],
    "int": _integer,
    "int64": _integer,
    "join": lambda separator, items: _text(separator).join(_strings(items)),
    "keys": lambda *maps: [key for one in maps for key in sorted(_map(one))],
    "kindIs": lambda kind, value: _kind(value) == _text(kind),
    "kindOf": _kind,
    "last": lambda value: _items(value)[-1] if _items(value) else None,
    "list": lambda *values: list(values),
    "lower": lambda text: _text(text).lower(),
    "max": lambda *values: max(map(_integer, values)),
    "maxf": lambda *values: max(map(_floating, values)),
    "min": lambda *values: min(map(_integer, values)),
    "minf": lambda *values: min(map(_floating, values)),
    "mod": lambda left, right: int(math.fmod(_integer(left), _integer(right))),
    "mul": lambda *values: math.prod(map(_integer, values)),
    "nindent": lambda spaces, text: f"\n{_indent(spaces, text)}",
    "nospace": lambda text: "".join(_text(text).split()),
    "omit": lambda value, *keys: {k: v for k, v in _map(value).items() if k not in keys},
    "pick": lambda value, *keys: {k: _map(value)[k] for k in keys if k in _map(value)},
    "pluck": lambda key, *maps: [_map(one)[key] for one in maps if key in _map(one)],
    "plural": lambda one, many, count: one if _integer(count) == 1 else many,
    "prepend": lambda items, item: [item, *_items(items)],
    "quote": lambda *values: _quote('"', values),
    "regexFind": lambda pattern, text: (
        found.group() if (found := re.search(_text(pattern), _text(text))) else ""
    ),
    "regexMatch": lambda pattern, text: re.search(_text(pattern), _text(text)) is not None,
    "regexReplaceAllLiteral": lambda pattern, text, new: re.sub(
        _text(pattern), lambda _: _text(new), _text(text)
    ),
    "repeat": _repeat,
    "replace": lambda old, new, text: _text(text).replace(_text(old), _text(new)),
    "rest": lambda items: _items(items)[1:],
    "reverse": lambda items: _items(items)[::-1],
    "round": _round,
    "sha1sum": _hash("sha1"),
    "sha256sum": _hash("sha256"),
    "sha512sum": _hash("sha512"),
    "slice": _slice,
    "sortAlpha": lambda items: sorted(_strings(items)),
    "split": lambda separator, text: _numbered(_text(text).split(_text(separator))),
    "splitList": lambda separator, text: _text(text).split(_text(separator)),
    "splitn": lambda separator, count, text: _numbered(
        _text(text).split(_text(separator), max(_integer(count) - 1, -1))
    ),
    "squote": lambda *values: _quote("'", values),
    "sub": lambda left, right: _integer(left) - _integer(right),
    "substr": _substring,
    "ternary": lambda yes, no, condition: yes if condition is True else no,
    "toJson": to_json,
    "toPrettyJson": lambda value: to_json(value, indent=2),
    "toString": show,
    "toStrings": _strings,
    "trim": lambda text: _text(text).strip(),
    "trimAll": lambda characters, text: _text(text).strip(_text(characters)),
    "trimPrefix": lambda prefix, text: _text(text).removeprefix(_text(prefix)),
    "trimSuffix": lambda suffix, text: _text(text).removesuffix(_text(suffix)),
    "trunc": _truncate,
    "uniq": lambda items: _unique(_items(items)),
    "until": _until_count,
    "untilStep": lambda start, stop, step: _until(_integer(start), _integer(stop), _integer(step)),
    "upper": lambda text: _text(text).upper(),
    "values": lambda value: [_map(value)[key] for key in sorted(_map(value))],
    "without": lambda items, *dropped: [item for item in _items(items) if item not in dropped],
}
"""By the name that follows `sprig.`."""
