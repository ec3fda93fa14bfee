"""Comments by which people say why a finding is left as it is.

    image: trainer:1.4  # chaosml: ignore[image-tag] the tag is immutable in our registry
    # chaosml: ignore[grace-missing] saves after every step
    # chaosml: ignore-file[run-id-static] an example; nobody runs it twice

Beside a value a comment is for its line, on a line of its own for the next one that says
something, with `ignore-file` for the whole file. Without a reason it does nothing.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

__all__ = ["Suppression", "suppressions"]

_COMMENT = re.compile(
    r"#\s*chaosml:\s*(?P<scope>ignore-file|ignore)\s*(?:\[(?P<rules>[^\]\n]*)\])?(?P<reason>[^\n]*)"
)


@dataclass(frozen=True, slots=True)
class Suppression:
    """One such comment."""

    line: int
    column: int
    rules: tuple[str, ...]
    reason: str
    target: int | None
    """The line that it is for; None for the whole file."""

    def covers(self, rule: str) -> bool:
        """Tell whether findings of a rule are left out where this comment is meant."""
        return bool(self.reason) and rule in self.rules


def suppressions(text: str) -> tuple[Suppression, ...]:
    """Return the comments of a file that is sound YAML."""
    if "chaosml:" not in text:
        return ()
    spans = list(_scalar_spans(text))
    lines = text.splitlines()
    following = _lines_that_say_something(lines)
    found = []
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(line)
        if match is not None and not _is_inside((number, match.start() + 1), spans):
            found.append(_suppression(match, number, following))
    return tuple(found)


def _suppression(match: re.Match[str], number: int, following: list[int]) -> Suppression:
    target: int | None = number
    if match["scope"] == "ignore-file":
        target = None
    elif not match.string[: match.start()].strip():
        target = following[number - 1]
    rules = tuple(one.strip() for one in (match["rules"] or "").split(",") if one.strip())
    reason = match["reason"].partition(" #")[0].strip(" \t:-")
    return Suppression(number, match.start() + 1, rules, reason, target)


def _lines_that_say_something(lines: list[str]) -> list[int]:
    """Return for each line the number of the next one, from itself on, with more than a comment."""
    following = [len(lines)] * len(lines)
    for index in reversed(range(len(lines))):
        says_something = bool(lines[index].strip(" \t-").partition("#")[0].strip())
        last = index == len(lines) - 1
        following[index] = index + 1 if says_something or last else following[index + 1]
    return following


_Place = tuple[int, int]


def _scalar_spans(text: str) -> Iterator[tuple[_Place, _Place]]:
    """Yield where texts begin and end, in their order: a `#` inside them is no comment."""
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark, token.end_mark
            yield (start.line + 1, start.column + 1), (end.line + 1, end.column + 1)


def _is_inside(place: _Place, spans: list[tuple[_Place, _Place]]) -> bool:
    before = bisect.bisect_right(spans, place, key=lambda span: span[0])
    return before > 0 and place < spans[before - 1][1]
