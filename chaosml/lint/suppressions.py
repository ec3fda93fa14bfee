"""Comments by which people say why a finding is left as it is.

    image: trainer:1.4  # chaosml: ignore[image-tag] the tag is immutable in our registry
    # chaosml: ignore[grace-missing] saves after every step
    # chaosml: ignore-file[run-id-static] an example; nobody runs it twice

Beside a value a comment is for its line, on a line of its own for the next one that says
something, with `ignore-file` for the whole file. Without a reason it does nothing.
"""

from __future__ import annotations

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

    def covers(self, rule: str, line: int) -> bool:
        """Tell whether a finding is left out for this comment."""
        return bool(self.reason) and rule in self.rules and self.target in (None, line)


def suppressions(text: str) -> tuple[Suppression, ...]:
    """Return the comments of a file that is sound YAML."""
    if "chaosml:" not in text:
        return ()
    scalars = list(_scalar_spans(text))
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        match = _COMMENT.search(line)
        if match is None:
            continue
        place = (number, match.start() + 1)
        if not any(start <= place < end for start, end in scalars):
            found.append(_suppression(match, place, lines))
    return tuple(found)


def _suppression(match: re.Match[str], place: tuple[int, int], lines: list[str]) -> Suppression:
    number, column = place
    target: int | None = number
    if match["scope"] == "ignore-file":
        target = None
    elif not lines[number - 1][: column - 1].strip():
        after = range(number, len(lines))
        says = (
            index + 1 for index in after if lines[index].strip(" \t-").partition("#")[0].strip()
        )
        target = next(says, number)
    rules = tuple(one.strip() for one in (match["rules"] or "").split(",") if one.strip())
    return Suppression(
        number, column, rules, match["reason"].partition(" #")[0].strip(" \t:-"), target
    )


def _scalar_spans(text: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where texts begin and end: a `#` inside them is no comment."""
    for token in yaml.scan(text, Loader=yaml.CSafeLoader):
        if isinstance(token, yaml.ScalarToken):
            start, end = token.start_mark, token.end_mark
            yield (start.line + 1, start.column + 1), (end.line + 1, end.column + 1)
