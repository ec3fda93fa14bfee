"""Checks of loops: one list of items, and numbers and formats that can be counted with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chaosml.document import Loc
from chaosml.errors import Problem
from chaosml.workflow.lint.outline import Outline
from chaosml.workflow.loops import format_problem
from chaosml.workflow.model import Sequence, Step, Task

__all__ = ["check_loop"]

_KEYS = ("withItems", "withParam", "withSequence")


def check_loop(known: Outline, at: Loc, vertex: Task | Step) -> Iterator[Problem]:
    """Yield what is wrong with the loop of a task or step."""
    raw: Any = known.document.get(at)
    given = [key for key in _KEYS if raw.get(key) is not None]
    for key in given[1:]:
        message = f'"{vertex.name}" has {given[0]} and {key}; Argo takes one of them'
        yield known.document.problem((*at, key), message, key=True)
    for index, item in enumerate(vertex.with_items):
        if item is None:
            message = "withItems: an item is a text, number, boolean, list or mapping, found null"
            yield known.document.problem((*at, "withItems", index), message)
    text = vertex.with_param
    if text is not None and "{{" not in text and not text.strip().startswith("["):
        message = f'withParam: "{text}" is no JSON list such as ["a", "b"] and no {{{{…}}}}'
        yield known.document.problem((*at, "withParam"), message)
    if vertex.with_sequence is not None:
        yield from _check_sequence(known, (*at, "withSequence"), vertex.with_sequence)


def _check_sequence(known: Outline, at: Loc, sequence: Sequence) -> Iterator[Problem]:
    if (sequence.end is None) == (sequence.count is None):
        message = "withSequence: give one of count and end"
        yield known.document.problem(at, message, key=True)
    for key in ("start", "end", "count"):
        text = getattr(sequence, key)
        if text is not None and "{{" not in text and not re.fullmatch(r"[+-]?\d+", text):
            message = f'withSequence.{key}: "{text}" is no whole number or {{{{…}}}}'
            yield known.document.problem((*at, key), message)
    template = sequence.format
    problem = format_problem(template) if template and "{{" not in template else None
    if problem is not None:
        message = f'withSequence.format: "{template}": {problem}'
        yield known.document.problem((*at, "format"), message)
