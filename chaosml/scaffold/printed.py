"""Which lines of a program seem to name its step: a word for it, and a number that rises."""

from __future__ import annotations

import itertools
import pathlib
import re
from collections.abc import Iterable, Iterator

__all__ = ["expression_for", "lines_of"]

_WORDS = ("global_step", "step", "iteration", "iter", "epoch")
"""The finest first: a line often names the epoch, too."""
_LINES_MIN = 3
_LINE_BYTES_MAX = 512
_LOG_LINES_MAX = 100_000


def expression_for(lines: Iterable[str]) -> str | None:
    """Return the regular expression that finds the step; None where no number seems to be one.

    The numbers after the word must rise from line to line, in at least three different lines.
    """
    kept = list(lines)
    for word in _WORDS:
        expression = rf"(?i)\b{word}\W{{1,3}}(?P<step>\d+)"
        pattern = re.compile(expression)
        numbers = [int(found["step"]) for line in kept if (found := pattern.search(line))]
        rises = all(first <= second for first, second in itertools.pairwise(numbers))
        if rises and len(set(numbers)) >= _LINES_MIN:
            return expression
    return None


def lines_of(log: pathlib.Path) -> Iterator[str]:
    """Yield the beginnings of a log's lines, without the probe's; none where there is no log."""
    if not log.is_file():
        return
    with open(log, "rb") as file:
        for line in itertools.islice(file, _LOG_LINES_MAX):
            if not line.startswith(b"@chaosml "):
                yield line[:_LINE_BYTES_MAX].decode("utf-8", "replace")
