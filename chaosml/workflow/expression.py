"""Expressions of Argo documents: `when`, `depends`, `{{=…}}` and retry conditions.

One parser reads three flavours:

- `WHEN`: govaluate as Argo uses it, where a bare word is a string;
- `DEPENDS`: tasks and their results with `&&`, `||`, `!`;
- `EXPR`: the part of expr-lang that `functions` and the operators below make up.

Length, nesting and the number of operators are bounded, so that no document can
make the parser or an evaluation run away.
"""

from __future__ import annotations

import difflib
import enum
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosml.workflow.functions import FUNCTIONS
from chaosml.workflow.terms import (
    Binary,
    Call,
    Conditional,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Result,
    Term,
    Unary,
    references,
)
from chaosml.workflow.tokens import ExpressionError, Token, tokenize

__all__ = ["Expression", "ExpressionError", "Flavour", "parse"]

_NESTING_MAX = 40
_OPERATORS_MAX = 200

_PRECEDENCE: Mapping[str, int] = {
    "||": 10,
    "&&": 15,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 20),
    **dict.fromkeys(("in", "matches", "contains", "startsWith", "endsWith"), 20),
    **dict.fromkeys(("+", "-"), 30),
    **dict.fromkeys(("*", "/", "%"), 60),
    "**": 100,
    "??": 500,
}
_UNARY = {"!": 50, "-": 90, "+": 90}
_SPELLINGS = {"or": "||", "and": "&&", "not": "!", "^": "**"}
_WORDS = frozenset(("in", "matches", "contains", "startsWith", "endsWith"))
_EXPR_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "nil": None}
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False}
_RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned")
_BARE_TASK = ("Succeeded", "Skipped", "Daemoned")
_LOOP_RESULTS = ("AnySucceeded", "AllFailed")
_NOT_SUPPORTED = {
    "|": "a pipe; write f(x) instead of x | f()",
    "..": "a range",
    "#": "a predicate",
    ";": "a sequence",
    "=": "an assignment; compare with ==",
    "&": "a bit operation; write &&",
    "~": "a bit operation",
}


class Flavour(enum.Enum):
    """Where an expression stands, which decides its grammar."""

    WHEN = "when"
    DEPENDS = "depends"
    EXPR = "expression"


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    source: str
    flavour: Flavour
    term: Term
    references: tuple[str, ...]
    """The variables it reads, dotted as far as they are constant: `tasks.a.outputs.result`;
    for `depends`, the tasks."""

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Return the value.

        Args:
            scope: Variables by name, maps nested; for `depends` the results of each task as a
                set; not read for `when`, whose references are substituted before.

        Raises:
            ExpressionError: a name is unknown or an operand has the wrong type.
        """
        return self.term.evaluate(scope)

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """Return the value of a condition.

        Raises:
            ExpressionError: as `evaluate`, or the value is neither true nor false.
        """
        value = self.evaluate(scope)
        if not isinstance(value, bool):
            raise ExpressionError(f"{self.source!r} must be true or false, but is {value!r}")
        return value


@functools.lru_cache(maxsize=1024)
def parse(source: str, flavour: Flavour = Flavour.EXPR) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: the syntax is wrong, a function is unknown, or a limit is exceeded.
    """
    parser = _Parser(source, flavour)
    term = parser.parse()
    return Expression(source, flavour, term, tuple(dict.fromkeys(references(term))))


class _Parser:
    """A precedence climber over the tokens of one expression."""

    def __init__(self, source: str, flavour: Flavour) -> None:
        self._flavour = flavour
        self._tokens = tokenize(source, task_names=flavour is Flavour.DEPENDS)
        self._next = 0
        self._nesting = 0
        self._operators = 0

    def parse(self) -> Term:
        if self._peek().kind == "end":
            raise ExpressionError("the expression is empty")
        term = self._expression()
        if self._peek().kind != "end":
            raise self._unexpected("an operator or the end")
        return term

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._next + ahead, len(self._tokens) - 1)]

    def _take(self) -> Token:
        token = self._peek()
        self._next += 1
        return token

    def _is(self, text: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token.kind == "operator" and token.text == text

    def _expect(self, text: str) -> Token:
        if not self._is(text):
            raise self._unexpected(repr(text))
        return self._take()

    def _unexpected(self, wanted: str) -> ExpressionError:
        token = self._peek()
        if token.kind == "operator" and token.text in _NOT_SUPPORTED:
            meaning = _NOT_SUPPORTED[token.text]
            return ExpressionError(f"{token.text!r} is not supported: {meaning}", token.position)
        seen = "the end" if token.kind == "end" else repr(token.text)
        hint = ""
        if self._flavour is Flavour.WHEN:
            hint = " (hint: put values that are not single words into quotes)"
        return ExpressionError(f"expected {wanted}, found {seen}{hint}", token.position)

    def _count(self, position: int) -> None:
        self._operators += 1
        if self._operators > _OPERATORS_MAX:
            raise ExpressionError(f"more than {_OPERATORS_MAX} operators", position)

    def _expression(self, least: int = 0) -> Term:
        self._nesting += 1
        if self._nesting > _NESTING_MAX:
            raise ExpressionError(
                f"nested more than {_NESTING_MAX} levels deep", self._peek().position
            )
        term = self._prefixed()
        while (operator := self._operator()) and _PRECEDENCE[operator[0]] >= least:
            term = self._binary(term, *operator)
        if least == 0 and self._is("?"):
            term = self._conditional(term)
        self._nesting -= 1
        return term

    def _operator(self) -> tuple[str, int] | None:
        """Return the binary operator that comes next and how many tokens it has."""
        token = self._peek()
        text = _SPELLINGS.get(token.text, token.text)
        if token.kind == "operator" and self._flavour is Flavour.WHEN:
            text = {"=~": "matches", "!~": "not matches", "^": "^"}.get(token.text, token.text)
        if token.kind == "name" and self._flavour is Flavour.EXPR:
            if token.text == "not" and self._peek(1).text in _WORDS:
                return self._peek(1).text, 2
            return (text, 1) if text in _WORDS or text in ("&&", "||") else None
        if token.kind == "name" and self._flavour is Flavour.WHEN and token.text == "in":
            return "in", 1
        if token.kind != "operator":
            return None
        if text == "not matches":
            return "matches", 1
        if self._flavour is Flavour.DEPENDS and text not in ("&&", "||"):
            return None
        return (text, 1) if text in _PRECEDENCE else None

    def _binary(self, left: Term, operator: str, size: int) -> Term:
        negated = size == 2 or self._is("!~")
        position = self._peek().position
        self._next += size
        self._count(position)
        precedence = _PRECEDENCE[operator]
        if operator == "in" and self._flavour is Flavour.WHEN:
            right: Term = ListOf(self._listed("(", ")"))
        else:
            right = self._expression(precedence if operator == "**" else precedence + 1)
        if operator == "matches" and isinstance(right, Literal):
            _check_pattern(right.value, position)
        return Binary(f"not {operator}" if negated else operator, left, right, position)

    def _conditional(self, condition: Term) -> Term:
        position = self._take().position
        self._count(position)
        if self._is(":"):
            self._take()
            return Conditional(condition, condition, self._expression(), position)
        yes = self._expression()
        self._expect(":")
        return Conditional(condition, yes, self._expression(), position)

    def _prefixed(self) -> Term:
        token = self._peek()
        is_word = token.kind == "name" and token.text == "not" and self._flavour is Flavour.EXPR
        operator = "!" if is_word else token.text
        unary = ("!",) if self._flavour is Flavour.DEPENDS else tuple(_UNARY)
        if (token.kind == "operator" or is_word) and operator in unary:
            self._take()
            self._count(token.position)
            binding = _UNARY["-"] if self._flavour is Flavour.WHEN else _UNARY[operator]
            return Unary(operator, self._expression(binding), token.position)
        return self._members(self._primary())

    def _primary(self) -> Term:
        token = self._peek()
        if self._is("("):
            self._take()
            term = self._expression()
            self._expect(")")
            return term
        if token.kind == "name":
            return self._named(self._take())
        if token.kind == "string" and self._flavour is not Flavour.DEPENDS:
            return Literal(self._take().text)
        if token.kind == "number":
            return Literal(_number(self._take(), floating=self._flavour is Flavour.WHEN))
        if self._flavour is Flavour.EXPR and self._is("["):
            return ListOf(self._listed("[", "]"))
        if self._flavour is Flavour.EXPR and self._is("{"):
            return self._map()
        raise self._unexpected("a value")

    def _named(self, token: Token) -> Term:
        if self._flavour is Flavour.DEPENDS:
            return _result(token)
        constants = _EXPR_CONSTANTS if self._flavour is Flavour.EXPR else _CONSTANTS
        if token.text in constants:
            return Literal(constants[token.text])
        if self._flavour is Flavour.WHEN:
            if self._is("."):
                raise self._unexpected("an operator")
            return Literal(token.text)
        if self._is("("):
            return self._call(token.text, token.position)
        if token.text == "sprig" and self._is(".") and self._is("(", 2):
            self._take()
            return self._call(f"sprig.{self._take().text}", token.position)
        return Name(token.text, token.position)

    def _call(self, function: str, position: int) -> Term:
        if function not in FUNCTIONS:
            near = difflib.get_close_matches(function, FUNCTIONS, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(FUNCTIONS)}"
            raise ExpressionError(f"the function {function} is not supported; {advice}", position)
        self._count(position)
        return Call(function, self._listed("(", ")"), position)

    def _listed(self, opening: str, closing: str) -> tuple[Term, ...]:
        self._expect(opening)
        items: list[Term] = []
        while not self._is(closing):
            items.append(self._expression())
            if not self._is(closing):
                self._expect(",")
        self._take()
        return tuple(items)

    def _map(self) -> Term:
        self._expect("{")
        entries: list[tuple[str, Term]] = []
        while not self._is("}"):
            key = self._take()
            if key.kind not in ("name", "string", "number"):
                raise ExpressionError(f"{key.text!r} is no key of a map", key.position)
            self._expect(":")
            entries.append((key.text, self._expression()))
            if not self._is("}"):
                self._expect(",")
        self._take()
        return MapOf(tuple(entries))

    def _members(self, term: Term) -> Term:
        while self._flavour is Flavour.EXPR and (self._is(".") or self._is("?.") or self._is("[")):
            token = self._take()
            self._count(token.position)
            if token.text == "[":
                key = self._expression()
                self._expect("]")
            else:
                name = self._take()
                if name.kind != "name":
                    raise ExpressionError(f"expected a name after {token.text}", name.position)
                if self._is("("):
                    raise ExpressionError(
                        f"the function {name.text} is not supported here", name.position
                    )
                key = Literal(name.text)
            term = Member(term, key, token.text == "?.", token.position)
        return term


def _number(token: Token, *, floating: bool) -> int | float:
    text = token.text.replace("_", "")
    if text.lower().startswith("0x"):
        return float(int(text, 16)) if floating else int(text, 16)
    return float(text) if floating or not text.isdigit() else int(text)


def _result(token: Token) -> Result:
    task, dot, result = token.text.partition(".")
    if not dot:
        return Result(task, _BARE_TASK, token.position)
    if result in _LOOP_RESULTS:
        raise ExpressionError(
            f"{result} is a result of tasks with a loop only, which are not supported",
            token.position,
        )
    if result not in _RESULTS:
        near = difflib.get_close_matches(result, _RESULTS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"results are {', '.join(_RESULTS)}"
        raise ExpressionError(f"{result!r} is no result of a task; {advice}", token.position)
    return Result(task, (result,), token.position)


def _check_pattern(pattern: Any, position: int) -> None:
    try:
        re.compile(str(pattern))
    except re.error as error:
        raise ExpressionError(f"{pattern!r} is no regular expression: {error}", position) from error
