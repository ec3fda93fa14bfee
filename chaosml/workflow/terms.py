"""The terms that an expression is made of, each of which can evaluate itself.

The operators follow expr-lang: `/` gives a float, strings and numbers do not mix,
`in` looks into lists and map keys, and a condition must be a boolean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chaosml.workflow.functions import FUNCTIONS
from chaosml.workflow.tokens import ExpressionError

__all__ = [
    "Binary",
    "Call",
    "Conditional",
    "ListOf",
    "Literal",
    "MapOf",
    "Member",
    "Name",
    "Result",
    "Scope",
    "Term",
    "Unary",
    "references",
]

Scope = Mapping[str, Any]


class Term(Protocol):
    """A part of an expression."""

    def evaluate(self, scope: Scope) -> Any:
        """Return the value.

        Raises:
            ExpressionError: an operand has the wrong type or a name is not in the scope.
        """


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the source."""

    value: Any

    def evaluate(self, scope: Scope) -> Any:
        """Return the value; the scope does not matter."""
        return self.value


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Look the variable up."""
        if self.name not in scope:
            known = ", ".join(sorted(scope)) or "none"
            raise ExpressionError(f"unknown name {self.name} (known: {known})", self.position)
        return scope[self.name]


@dataclass(frozen=True, slots=True)
class Result:
    """What `depends` asks of a task: one result, or any of those that a bare name accepts."""

    task: str
    results: tuple[str, ...]
    position: int

    def evaluate(self, scope: Scope) -> bool:
        """Tell whether the task has one of the results; the scope has a set of them by task."""
        if self.task not in scope:
            raise ExpressionError(f"unknown task {self.task}", self.position)
        return any(result in scope[self.task] for result in self.results)


@dataclass(frozen=True, slots=True)
class Member:
    """`a.b`, `a['b']`, `a[0]`; with `optional` (`a?.b`) a missing one is nil."""

    target: Term
    key: Term
    optional: bool
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Look into a map (a missing key is nil, as in expr-lang) or a list."""
        target, key = self.target.evaluate(scope), self.key.evaluate(scope)
        if isinstance(target, Mapping):
            return target.get(key)
        if target is None and self.optional:
            return None
        if isinstance(target, list | str) and _is_integer(key):
            if not -len(target) <= key < len(target):
                raise ExpressionError(
                    f"index {key} is outside of 0..{len(target) - 1}", self.position
                )
            return target[key]
        raise ExpressionError(f"cannot look up {key!r} in {_kind(target)}", self.position)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one of the known functions."""

    function: str
    arguments: tuple[Term, ...]
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Call the function."""
        arguments = [argument.evaluate(scope) for argument in self.arguments]
        try:
            return FUNCTIONS[self.function](*arguments)
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError) as error:
            raise ExpressionError(f"{self.function}: {error}", self.position) from error


@dataclass(frozen=True, slots=True)
class Unary:
    """`!a`, `-a`, `+a`."""

    operator: str
    operand: Term
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Apply the operator."""
        value = self.operand.evaluate(scope)
        if self.operator == "!":
            return not _boolean(value, "!", self.position)
        if not _is_number(value):
            raise ExpressionError(f"{self.operator} wants a number, not {value!r}", self.position)
        return -value if self.operator == "-" else value


@dataclass(frozen=True, slots=True)
class Conditional:
    """`a ? b : c`."""

    condition: Term
    yes: Term
    no: Term
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Evaluate the branch that the condition chooses, and only that."""
        chosen = _boolean(self.condition.evaluate(scope), "?", self.position)
        return self.yes.evaluate(scope) if chosen else self.no.evaluate(scope)


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple[Term, ...]

    def evaluate(self, scope: Scope) -> list[Any]:
        """Evaluate the items."""
        return [item.evaluate(scope) for item in self.items]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{a: 1, "b": 2}`."""

    entries: tuple[tuple[str, Term], ...]

    def evaluate(self, scope: Scope) -> dict[str, Any]:
        """Evaluate the values."""
        return {key: value.evaluate(scope) for key, value in self.entries}


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands with an operator between."""

    operator: str
    left: Term
    right: Term
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Apply the operator; `&&`, `||` and `??` look at the right side only if need be."""
        left = self.left.evaluate(scope)
        if self.operator in ("&&", "||"):
            if _boolean(left, self.operator, self.position) is (self.operator == "||"):
                return left
            return _boolean(self.right.evaluate(scope), self.operator, self.position)
        if self.operator == "??":
            return self.right.evaluate(scope) if left is None else left
        right = self.right.evaluate(scope)
        try:
            return _OPERATORS[self.operator](left, right)
        except (TypeError, ArithmeticError, re.error) as error:
            raise ExpressionError(
                f"{left!r} {self.operator} {right!r}: {error}", self.position
            ) from error


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return "nil" if value is None else f"{type(value).__name__} {value!r}"


def _boolean(value: Any, operator: str, position: int) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{operator} wants true or false, not {value!r}", position)
    return value


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _numbers(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Let an operator accept numbers only."""

    def apply(left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)):
            raise TypeError("both sides must be numbers")
        return function(left, right)

    return apply


def _ordered(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Let a comparison accept two numbers or two strings."""

    def apply(left: Any, right: Any) -> bool:
        comparable = _is_number(left) and _is_number(right)
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
    if _is_number(left) and _is_number(right):
        return left + right
    raise TypeError("both sides must be numbers, or both strings")


def _contained(left: Any, right: Any) -> bool:
    if isinstance(right, list):
        return any(_equal(left, item) for item in right)
    if isinstance(right, Mapping):
        return left in right
    raise TypeError("the right side must be a list or a map")


def _matches(text: str, pattern: str) -> bool:
    return re.search(pattern, text) is not None


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
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
    "-": _numbers(lambda left, right: left - right),
    "*": _numbers(lambda left, right: left * right),
    "/": _numbers(lambda left, right: float(left / right)),
    "%": _numbers(math.fmod),
    "**": _numbers(lambda left, right: math.pow(left, right)),
}


def references(term: Term) -> Iterator[str]:
    """Yield the variables that a term reads, dotted while the keys are constant."""
    match term:
        case Name():
            yield term.name
        case Result():
            yield term.task
        case Member():
            yield from _member_references(term)
        case _:
            for part in _PARTS[type(term)](term):
                yield from references(part)


def _member_references(member: Member) -> Iterator[str]:
    """Yield the longest constant path, and whatever the keys themselves read."""
    keys: list[Term] = []
    target: Term = member
    while isinstance(target, Member):
        keys.insert(0, target.key)
        target = target.target
    path = ""
    for key in keys:
        if not isinstance(key, Literal) or not isinstance(key.value, str):
            break
        path += f".{key.value}"
    for reference in references(target):
        yield f"{reference}{path}" if isinstance(target, Name) else reference
    for key in keys:
        yield from references(key)


_PARTS: Mapping[type[Any], Callable[[Any], tuple[Term, ...]]] = {
    Binary: lambda term: (term.left, term.right),
    Call: lambda term: term.arguments,
    Conditional: lambda term: (term.condition, term.yes, term.no),
    ListOf: lambda term: term.items,
    Literal: lambda term: (),
    MapOf: lambda term: tuple(value for _, value in term.entries),
    Unary: lambda term: (term.operand,),
}
