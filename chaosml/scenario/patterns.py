r"""Whether a regular expression may be given the lines of a program: what it costs at worst.

Python's engine tries again at every place of a line, and every repetition whose end the text
after it does not decide makes it try once more for each length. Two of these in a line of
`LINE_CHARACTERS_MAX` characters cost a fraction of a second at worst; a third one costs minutes,
and a repetition within a repetition more than anybody waits.

    .*step=(\d+)          `.*` may end at many places: one
    step\s*=\s*(\d+)      each ends where the next begins: none
    (\w+\s*)+=            a repetition within a repetition: refused
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["LINE_CHARACTERS_MAX", "why_costly"]

LINE_CHARACTERS_MAX = 512
"""So much of a line is looked at."""
_OPEN_ENDS_MAX = 2
_SAMPLE = frozenset(map(chr, range(128)))
"""Characters by which sets are compared; all others count as one that every set may hold."""

_parser: Any = importlib.import_module("re._parser")


@dataclass(frozen=True, slots=True)
class _Piece:
    """One element of an expression, without its groups."""

    characters: frozenset[str]
    """With which it may begin, and of which a repetition consists."""
    optional: bool
    repeats: bool
    conditional: bool = False
    """Whether its group may be left away, but not it alone."""


class _Refused(Exception):
    """Why the expression is not taken."""


def why_costly(source: str) -> str:
    """Return why an expression could keep the harness busy; empty where it cannot.

    Args:
        source: An expression that compiles.
    """
    try:
        pieces = list(_flatten(_parser.parse(source), optional=False))
    except _Refused as refusal:
        return str(refusal)
    open_ends = sum(_has_open_end(pieces, index) for index in range(len(pieces)))
    if open_ends > _OPEN_ENDS_MAX:
        return (
            f"{open_ends} repetitions in it may end at many places, more than {_OPEN_ENDS_MAX}; "
            "leave away what need not be there, such as .* at the beginning"
        )
    return ""


def _has_open_end(pieces: list[_Piece], index: int) -> bool:
    """Whether what follows a repetition does not decide where it ends."""
    piece = pieces[index]
    if not piece.repeats:
        return False
    overlaps = conditional = False
    for after in pieces[index + 1 :]:
        overlaps = overlaps or bool(piece.characters & after.characters)
        conditional = conditional or after.conditional
        if not after.optional:
            return overlaps
    # Where nothing has to follow the first try succeeds.
    return overlaps and conditional


def _flatten(parsed: Any, *, optional: bool) -> Iterator[_Piece]:
    """Yield the elements in order, those of groups in their place."""
    for code, argument in parsed:
        match str(code):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                low, high, body = argument
                yield from _flatten_repeat(low, high, body, optional=optional)
            case "SUBPATTERN":
                yield from _flatten(argument[-1], optional=optional)
            case "ATOMIC_GROUP":
                yield from _flatten(argument, optional=optional)
            case "BRANCH":
                for branch in argument[1]:
                    yield from _flatten(branch, optional=True)
            case "AT":
                # A place where the line must end refuses like any character.
                yield _Piece(_SAMPLE, optional, repeats=False, conditional=optional)
            case "ASSERT" | "ASSERT_NOT" | "GROUPREF" | "GROUPREF_EXISTS":
                raise _Refused("it looks around or refers back; write it without")
            case _:
                characters = _characters(code, argument)
                yield _Piece(characters, optional, repeats=False, conditional=optional)


def _flatten_repeat(low: int, high: Any, body: Any, *, optional: bool) -> Iterator[_Piece]:
    inner = list(_flatten(body, optional=False))
    if high == 1:
        conditional = optional or (low == 0 and len(inner) > 1)
        for piece in inner:
            yield _Piece(piece.characters, optional or low == 0, True, conditional)
        return
    if low == high and not any(piece.repeats or piece.optional for piece in inner):
        for piece in inner:
            yield _Piece(piece.characters, optional, False, optional)
        return
    if len(inner) > 1 or any(piece.repeats for piece in inner):
        raise _Refused("it repeats a group; repeat single characters or classes such as \\d only")
    for piece in inner:
        yield _Piece(piece.characters, optional or low == 0, True, optional and low > 0)


def _characters(code: Any, argument: Any) -> frozenset[str]:
    """Return the ASCII characters that a single-character element matches."""
    match str(code):
        case "LITERAL":
            # The case may not matter.
            return frozenset({chr(argument).lower(), chr(argument).upper()})
        case "NOT_LITERAL":
            return _SAMPLE - {chr(argument)}
        case "IN":
            return _members(argument)
        case _:
            return _SAMPLE


def _members(members: Any) -> frozenset[str]:
    found: set[str] = set()
    negated = False
    for code, argument in members:
        match str(code):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= {chr(argument).lower(), chr(argument).upper()}
            case "RANGE":
                found |= {one for one in _SAMPLE if argument[0] <= ord(one) <= argument[1]}
            case "CATEGORY":
                found |= _CATEGORIES[str(argument)]
    return _SAMPLE - found if negated else frozenset(found)


def _matching(source: str) -> frozenset[str]:
    pattern = re.compile(source)
    return frozenset(one for one in _SAMPLE if pattern.match(one))


_CATEGORIES = {
    "CATEGORY_DIGIT": _matching(r"\d"),
    "CATEGORY_NOT_DIGIT": _matching(r"\D"),
    "CATEGORY_SPACE": _matching(r"\s"),
    "CATEGORY_NOT_SPACE": _matching(r"\S"),
    "CATEGORY_WORD": _matching(r"\w"),
    "CATEGORY_NOT_WORD": _matching(r"\W"),
}
