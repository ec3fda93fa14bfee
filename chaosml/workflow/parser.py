"""The parser of expressions: a precedence climber over the tokens of one of them.

Length, nesting and the number of operators are bounded, so that no document can make it or
an evaluation run away.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Mapping
from typing import Any

from chaosml.workflow.closures import CLOSURES
from chaosml.workflow.functions import FUNCTIONS
from chaosml.workflow.terms import (
    Binary,
    Call,
    Closure,
    Conditional,
    Let,
    ListOf,
    Literal,
    MapOf,
    Member,
    Name,
    Result,
    Slice,
    Term,
    Unary,
)
from chaosml.workflow.tokens import ExpressionError, Token, tokenize

__all__ = ["Flavour", "parse_term"]

_NESTING_MAX = 40
_OPERATORS_MAX = 200

_PRECEDENCE: Mapping[str, int] = {
    "|": 0,
    "||": 10,
    "&&": 15,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 20),
    **dict.fromkeys(("in", "matches", "contains", "startsWith", "endsWith"), 20),
    "..": 25,
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
    "|": "a pipe is for {{=…}} and conditions of hooks and retries only",
    "..": "a range is for {{=…}} and conditions of hooks and retries only",
    "#": "it stands for an item, and only inside of a predicate",
    ";": "a sequence, other than after let",
    "=": "an assignment; compare with ==",
    "&": "a bit operation; write &&",
    "~": "a bit operation",
}


class Flavour(enum.Enum):
    """Where an expression stands, which decides its grammar."""

    WHEN = "when"
    DEPENDS = "depends"
    EXPR = "expression"


def parse_term(source: str, flavour: Flavour) -> Term:
    """Return what an expression is made of.

    Raises:
        ExpressionError: the syntax is wrong, a function is unknown, or a limit is exceeded.
    """
    return _Parser(source, flavour).parse()


class _Parser:
    """A precedence climber over the tokens of one expression."""

    def __init__(self, source: str, flavour: Flavour) -> None:
        self._flavour = flavour
        self._tokens = tokenize(source, task_names=flavour is Flavour.DEPENDS)
        self._next = 0
        self._predicates = 0
        self._nesting = 0
        self._operators = 0

    def parse(self) -> Term:
        if self._peek().kind == "end":
            raise ExpressionError("the expression is empty")
        term = self._let() or self._expression()
        if self._peek().kind != "end":
            raise self._unexpected("an operator or the end")
        return term

    def _let(self) -> Term | None:
        """Read `let name = value; body`; None where something else begins."""
        is_word = self._flavour is Flavour.EXPR and self._peek().text == "let"
        if not is_word or self._peek(1).kind != "name":
            return None
        self._take()
        name = self._take()
        self._count(name.position)
        if name.text in FUNCTIONS or name.text in CLOSURES or name.text in _EXPR_CONSTANTS:
            raise ExpressionError(f"cannot give {name.text} another meaning", name.position)
        self._expect("=")
        value = self._expression()
        self._expect(";")
        return Let(name.text, value, self._let() or self._expression())

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
        if text in ("|", "..") and self._flavour is not Flavour.EXPR:
            return None
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
        if operator == "|":
            return self._members(self._piped(left))
        if operator == "in" and self._flavour is Flavour.WHEN:
            right: Term = ListOf(self._listed("(", ")"))
        else:
            right = self._expression(precedence if operator == "**" else precedence + 1)
        if operator == "matches" and isinstance(right, Literal):
            _check_pattern(right.value, position)
        return Binary(f"not {operator}" if negated else operator, left, right, position)

    def _piped(self, first: Term) -> Term:
        """Read the function after a pipe, whose first argument stands before it."""
        token = self._take()
        if token.kind != "name":
            raise ExpressionError("expected a function after |", token.position)
        name = token.text
        if name == "sprig" and self._is("."):
            self._take()
            name = f"sprig.{self._take().text}"
        return self._call(name, token.position, first)

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
        if self._predicates and (self._is("#") or self._is(".")):
            return self._item()
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

    def _item(self) -> Term:
        """Read `#`, `#index`, `#acc`, or `.field` of the item."""
        token = self._peek()
        if token.text == ".":
            return Name("#", token.position)  # The field follows as of any other term.
        self._take()
        follows = self._peek()
        if follows.kind == "name" and follows.position == token.position + 1:
            if follows.text not in ("acc", "index"):
                raise ExpressionError(f"#{follows.text} is neither #acc nor #index", token.position)
            return Name(f"#{self._take().text}", token.position)
        return Name("#", token.position)

    def _call(self, function: str, position: int, first: Term | None = None) -> Term:
        """Read the arguments of a function; after a pipe the first is there already."""
        known = [*FUNCTIONS, *CLOSURES]
        if function not in known:
            near = difflib.get_close_matches(function, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise ExpressionError(f"the function {function} is not supported; {advice}", position)
        self._count(position)
        if function in CLOSURES:
            return self._closure(function, position, first)
        arguments = self._listed("(", ")")
        return Call(function, arguments if first is None else (first, *arguments), position)

    def _closure(self, function: str, position: int, first: Term | None) -> Term:
        self._expect("(")
        items = first
        if items is None:
            items = self._expression()
            if not self._is(")"):
                self._expect(",")
        predicate = None if self._is(")") else self._predicate()
        arguments: list[Term] = []
        while not self._is(")"):
            self._expect(",")
            arguments.append(self._expression())
        self._take()
        if predicate is None and function not in ("count", "sum"):
            raise ExpressionError(f"{function} needs a predicate such as # > 1", position)
        return Closure(function, items, predicate, tuple(arguments), position)

    def _predicate(self) -> Term:
        self._predicates += 1
        braces = self._is("{")
        if braces:
            self._take()
        term = self._let() or self._expression()
        if braces:
            self._expect("}")
        self._predicates -= 1
        return term

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
                index = self._index(term, token.position)
                if isinstance(index, Slice):
                    term = index
                    continue
                key = index
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

    def _index(self, target: Term, position: int) -> Term:
        """Read what stands between brackets: a key, or a slice of the target."""
        start = None if self._is(":") else self._expression()
        if start is not None and not self._is(":"):
            self._expect("]")
            return start
        self._expect(":")
        stop = None if self._is("]") else self._expression()
        self._expect("]")
        return Slice(target, start, stop, position)


def _number(token: Token, *, floating: bool) -> int | float:
    text = token.text.replace("_", "")
    if text.lower().startswith("0x"):
        return float(int(text, 16)) if floating else int(text, 16)
    return float(text) if floating or not text.isdigit() else int(text)


def _result(token: Token) -> Result:
    task, dot, result = token.text.partition(".")
    if not dot:
        return Result(task, _BARE_TASK, token.position)
    if result not in (*_RESULTS, *_LOOP_RESULTS):
        near = difflib.get_close_matches(result, _RESULTS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"results are {', '.join(_RESULTS)}"
        raise ExpressionError(f"{result!r} is no result of a task; {advice}", token.position)
    return Result(task, (result,), token.position)


def _check_pattern(pattern: Any, position: int) -> None:
    try:
        re.compile(str(pattern))
    except re.error as error:
        raise ExpressionError(f"{pattern!r} is no regular expression: {error}", position) from error
