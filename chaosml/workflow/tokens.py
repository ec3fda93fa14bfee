"""The words of an expression, and the error that names the place of a wrong one."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ExpressionError", "Token", "tokenize"]

_LENGTH_MAX = 8192


class ExpressionError(ValueError):
    """An expression cannot be parsed or evaluated.

    `position` counts characters of the source from 0.
    """

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `kind` is number, string, name, operator or end; `text` is what it stands for."""

    kind: str
    text: str
    position: int


_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|(?:\d[\d_]*)(?:\.(?!\.)\d+)?(?:[eE][+-]?\d+)?|\.\d+")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_TASK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z]+)?")
_OPERATOR = re.compile(
    r"&&|\|\||==|!=|=~|!~|<=|>=|\*\*|\?\?|\?\.|\.\.|[-+*/%^<>!?:().,\[\]{}|#~&=;@\\]"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def tokenize(source: str, *, task_names: bool = False) -> tuple[Token, ...]:
    """Split an expression into tokens; the last one has the kind `end`.

    Args:
        source: The expression.
        task_names: Whether a name may contain hyphens and one dotted result, as in `depends`.

    Raises:
        ExpressionError: a character fits nowhere, a string is open, or the source is too long.
    """
    if len(source) > _LENGTH_MAX:
        raise ExpressionError(
            f"the expression has {len(source)} characters; at most {_LENGTH_MAX} are evaluated"
        )
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        token, position = _next(source, position, task_names)
        if token is not None:
            tokens.append(token)
    return (*tokens, Token("end", "", len(source)))


def _next(source: str, position: int, task_names: bool) -> tuple[Token | None, int]:
    if found := _SPACE.match(source, position):
        return None, found.end()
    if source[position] in "'\"`":
        return _string(source, position)
    patterns = (
        (("name", _TASK_NAME),) if task_names else (("number", _NUMBER), ("name", _NAME))
    ) + (("operator", _OPERATOR),)
    for kind, pattern in patterns:
        if found := pattern.match(source, position):
            return Token(kind, found.group(), position), found.end()
    raise ExpressionError(f"unexpected character {source[position]!r}", position)


def _string(source: str, start: int) -> tuple[Token, int]:
    quote = source[start]
    characters: list[str] = []
    position = start + 1
    while position < len(source) and source[position] != quote:
        if source[position] == "\\" and quote != "`":
            character, position = _escape(source, position)
        else:
            character, position = source[position], position + 1
        characters.append(character)
    if position >= len(source):
        raise ExpressionError(f"the string that starts here has no closing {quote}", start)
    return Token("string", "".join(characters), start), position + 1


def _escape(source: str, position: int) -> tuple[str, int]:
    """Return the character that the backslash at `position` stands for, and what follows it."""
    letter = source[position + 1 : position + 2]
    if letter in ("u", "x"):
        digits = source[position + 2 : position + (6 if letter == "u" else 4)]
        if len(digits) < (4 if letter == "u" else 2) or not re.fullmatch("[0-9a-fA-F]+", digits):
            raise ExpressionError(rf"\{letter} wants hexadecimal digits", position)
        return chr(int(digits, 16)), position + 2 + len(digits)
    return _ESCAPES.get(letter, letter), position + 2
