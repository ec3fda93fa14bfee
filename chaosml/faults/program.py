"""Programs that are not ours and do what a fault is: what is started, and what fills its words.

    [kubectl, delete, pod, "{pod}", -n, "{namespace}"]

A word in braces that is known here is filled in at the strike; every other brace stays as it
is, so that JSON, JSONPath and Go templates need no quoting. `{{pod}}` stands for `{pod}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PLACEHOLDERS", "Program", "fill", "words_in"]

PLACEHOLDERS = (
    "attempt",
    "bucket",
    "context",
    "injection",
    "namespace",
    "node",
    "pid",
    "pod",
    "run",
    "store",
    "task",
    "uid",
    "workflow",
)
"""What can be filled in. Without a cluster `namespace` is `default` and `context` is empty; in
one `pid` is empty, since processes of other machines have no number here."""
_WORD = re.compile(r"\{\{([a-z]+)\}\}|\{([a-z]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program with its arguments, as it is started."""

    argv: tuple[str, ...]
    environment: tuple[str, ...] = ()
    """Names of variables that it gets of the harness's own; no value is ever kept."""
    timeout_s: float
    """After so long its processes are killed."""
    answers: bool = False
    """Whether its stdout must be a JSON object with `called: true`: else it was not carried out."""


def fill(value: Any, known: Mapping[str, str]) -> Any:
    """Return a text, or a document of texts, lists and mappings, with the known words filled in."""
    if isinstance(value, str):
        return _WORD.sub(lambda found: _replace(found, known), value)
    if isinstance(value, list | tuple):
        return [fill(one, known) for one in value]
    if isinstance(value, Mapping):
        return {name: fill(one, known) for name, one in value.items()}
    return value


def _replace(found: re.Match[str], known: Mapping[str, str]) -> str:
    escaped, word = found.groups()
    if escaped is not None:
        return f"{{{escaped}}}" if escaped in known else found.group()
    return known.get(word, found.group())


def words_in(value: Any) -> Iterator[str]:
    """Yield the single words that stand in braces, known or not."""
    if isinstance(value, str):
        yield from (word for escaped, word in _WORD.findall(value) if not escaped)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from words_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from words_in(one)
