"""The terms that an expression is made of, each of which can evaluate itself.

A condition must be a boolean; what operators do is in `operators`, what functions do with a
predicate in `closures`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chaosml.workflow.closures import CLOSURES
from chaosml.workflow.functions import FUNCTIONS
from chaosml.workflow.operators import OPERATORS, is_integer, is_number
from chaosml.workflow.tokens import ExpressionError

__all__ = [
    "Binary",
    "Call",
    "Closure",
    "Conditional",
    "Let",
    "ListOf",
    "Literal",
    "MapOf",
    "Member",
    "Name",
    "Result",
    "Scope",
    "Slice",
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
        if isinstance(target, list | str) and is_integer(key):
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
class Slice:
    """`a[1:3]`; a side that is left out is the list's own end."""

    target: Term
    start: Term | None
    stop: Term | None
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Cut a list or a text."""
        target = self.target.evaluate(scope)
        start = None if self.start is None else self.start.evaluate(scope)
        stop = None if self.stop is None else self.stop.evaluate(scope)
        bounds = [bound for bound in (start, stop) if bound is not None]
        if not isinstance(target, list | str) or not all(map(is_integer, bounds)):
            raise ExpressionError(f"cannot cut [{start}:{stop}] of {_kind(target)}", self.position)
        return target[start:stop]


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value; body`."""

    name: str
    value: Term
    body: Term

    def evaluate(self, scope: Scope) -> Any:
        """Evaluate the body with one variable more."""
        return self.body.evaluate({**scope, self.name: self.value.evaluate(scope)})


@dataclass(frozen=True, slots=True)
class Closure:
    """A function with a predicate, which sees each item as `#`: `filter(list, # > 1)`."""

    function: str
    items: Term
    predicate: Term | None
    arguments: tuple[Term, ...]
    position: int

    def evaluate(self, scope: Scope) -> Any:
        """Apply the predicate to the items, as far as the function needs it."""
        items = self.items.evaluate(scope)
        if not isinstance(items, list):
            raise ExpressionError(f"{self.function} wants a list, not {items!r}", self.position)
        rest = [argument.evaluate(scope) for argument in self.arguments]
        predicate = self.predicate

        def apply(index: int, **more: Any) -> Any:
            if predicate is None:
                return items[index]
            return predicate.evaluate({**scope, "#": items[index], "#index": index, **more})

        try:
            return CLOSURES[self.function](items, apply, *rest)
        except (ValueError, TypeError) as error:
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
        if not is_number(value):
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
            return OPERATORS[self.operator](left, right)
        except (TypeError, ArithmeticError, re.error) as error:
            raise ExpressionError(
                f"{left!r} {self.operator} {right!r}: {error}", self.position
            ) from error


def _kind(value: Any) -> str:
    return "nil" if value is None else f"{type(value).__name__} {value!r}"


def _boolean(value: Any, operator: str, position: int) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{operator} wants true or false, not {value!r}", position)
    return value


def references(term: Term) -> Iterator[str]:
    """Yield the variables that a term reads, dotted while the keys are constant.

    What the term itself brings, `#` and the names of `let`, is none of them.
    """
    match term:
        case Let():
            yield from references(term.value)
            for name in references(term.body):
                if name.partition(".")[0] != term.name:
                    yield name
        case Name() if not term.name.startswith("#"):
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
    Closure: lambda term: (
        term.items,
        *((term.predicate,) if term.predicate is not None else ()),
        *term.arguments,
    ),
    Conditional: lambda term: (term.condition, term.yes, term.no),
    ListOf: lambda term: term.items,
    Literal: lambda term: (),
    Name: lambda term: (),
    MapOf: lambda term: tuple(value for _, value in term.entries),
    Slice: lambda term: tuple(
        part for part in (term.target, term.start, term.stop) if part is not None
    ),
    Unary: lambda term: (term.operand,),
}
