"""The binary operators of expressions, as expr-lang has them.

`/` gives a float, strings and numbers do not mix, `in` looks into lists and map keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["OPERATORS", "is_integer", "is_number"]

_RANGE_MAX = 100_000


def is_integer(value: Any) -> bool:
    """Tell whether a value is a whole number, which a boolean is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, which a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _numbers(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Let an operator accept numbers only."""

    def apply(left: Any, right: Any) -> Any:
        if not (is_number(left) and is_number(right)):
            raise TypeError("both sides must be numbers")
        return function(left, right)

    return apply


def _ordered(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Let a comparison accept two numbers or two strings."""

    def apply(left: Any, right: Any) -> bool:
        comparable = is_number(left) and is_number(right)
        if not comparable and not (isinstance(left, str) and isinstance(right, str)):
            raise TypeError("both sides must be numbers, or both strings")
        return function(left, right)

    return apply


def _strings(function: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    """Let an operator accept strings only."""

    def apply(left: Any, right: Any) -> bool:
        if not (isinstance(left, str) and isinstance(right, str)):
            raise TypeError("both sides must be strings")
        return function(left, right)

    return apply


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if is_number(left) and is_number(right):
        return left + right
    raise TypeError("both sides must be numbers, or both strings")


def _contained(left: Any, right: Any) -> bool:
    if isinstance(right, list):
        return any(_equal(left, item) for item in right)
    if isinstance(right, Mapping):
        return left in right
    raise TypeError("the right side must be a list or a map")


def _remainder(left: Any, right: Any) -> Any:
    """Divide as Go does, where the remainder has the sign of the dividend."""
    remainder = math.fmod(left, right)
    return int(remainder) if is_integer(left) and is_integer(right) else remainder


def _range(left: Any, right: Any) -> list[int]:
    if not (is_integer(left) and is_integer(right)):
        raise TypeError("both sides must be whole numbers")
    if right - left >= _RANGE_MAX:
        raise TypeError(f"more than {_RANGE_MAX} numbers")
    return list(range(left, right + 1))


def _matches(text: str, pattern: str) -> bool:
    return re.search(pattern, text) is not None


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _contained,
    "not in": lambda left, right: not _contained(left, right),
    "matches": _strings(_matches),
    "not matches": _strings(lambda text, pattern: not _matches(text, pattern)),
    "contains": _strings(lambda text, part: part in text),
    "not contains": _strings(lambda text, part: part not in text),
    "startsWith": _strings(lambda text, part: text.startswith(part)),
    "not startsWith": _strings(lambda text, part: not text.startswith(part)),
    "endsWith": _strings(lambda text, part: text.endswith(part)),
    "not endsWith": _strings(lambda text, part: not text.endswith(part)),
    "+": _add,
    "..": _range,
    "-": _numbers(lambda left, right: left - right),
    "*": _numbers(lambda left, right: left * right),
    "/": _numbers(lambda left, right: float(left / right)),
    "%": _numbers(_remainder),
    "**": _numbers(lambda left, right: math.pow(left, right)),
}
