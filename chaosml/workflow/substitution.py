"""Argo's two tags in strings: `{{variable}}` and `{{=expression}}`.

Variables are a flat mapping of dotted names to text, as Argo's controller has it;
expressions see the same variables as nested maps. A tag that cannot be resolved is an
error. What is put in is not looked at again, with Argo's one exception: a tag inside a
tag is resolved first.

Source: argo-workflows util/template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from chaosml.workflow.expression import ExpressionError, Flavour, parse
from chaosml.workflow.functions import show

__all__ = ["UnresolvedReference", "references", "scope_of", "substitute", "substitute_all"]

_NESTING_MAX = 5
_TAG = re.compile(r"\{\{|\}\}")


class UnresolvedReference(ValueError):
    """A tag names nothing, or its expression fails.

    `reference` is what stands between the braces.
    """

    def __init__(self, reference: str, why: str = "") -> None:
        self.reference = reference
        detail = f": {why}" if why else ""
        super().__init__(f"failed to resolve {{{{{reference}}}}}{detail}")


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with every tag replaced by its value.

    Raises:
        UnresolvedReference: a tag is unknown, does not end, or its expression fails.
    """
    return _replace(text, lambda tag: _resolve(tag, variables), depth=0)


def substitute_all(value: Any, variables: Mapping[str, str]) -> Any:
    """Return a structure of lists and mappings with every string in it substituted.

    Raises:
        UnresolvedReference: as `substitute`.
    """
    if isinstance(value, str):
        return substitute(value, variables)
    if isinstance(value, Mapping):
        return {key: substitute_all(item, variables) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(substitute_all(item, variables) for item in value)
    return value


def references(text: str) -> tuple[str, ...]:
    """Return the variables that a text refers to, those of its expressions included.

    Raises:
        UnresolvedReference: a tag does not end.
        ExpressionError: an expression cannot be parsed.
    """
    found: list[str] = []

    def note(tag: str) -> str:
        if tag.startswith("="):
            found.extend(parse(tag[1:].strip(), Flavour.EXPR).references)
        else:
            found.append(tag.strip())
        return ""

    _replace(text, note, depth=0)
    return tuple(dict.fromkeys(found))


def scope_of(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return dotted variables as nested maps, which is how expressions see them.

    Where one name continues another (`inputs.parameters` and `inputs.parameters.x`), the longer
    one wins.
    """
    scope: dict[str, Any] = {}
    for name in sorted(variables, key=lambda name: (name.count("."), name)):
        *path, last = name.split(".")
        inner = scope
        for part in path:
            if not isinstance(inner.get(part), dict):
                inner[part] = {}
            inner = inner[part]
        inner[last] = variables[name]
    return scope


def _replace(text: str, resolve: Callable[[str], str], depth: int) -> str:
    """Replace the tags from left to right, the inner ones of each first."""
    done: list[str] = []
    position = 0
    while (start := text.find("{{", position)) >= 0:
        end = _end_of_tag(text, start)
        tag = text[start + 2 : end]
        if "{{" in tag:
            if depth == _NESTING_MAX:
                raise UnresolvedReference(tag, f"nested more than {_NESTING_MAX} levels deep")
            tag = _replace(tag, resolve, depth + 1)
        done += (text[position:start], resolve(tag))
        position = end + 2
    return "".join((*done, text[position:]))


def _end_of_tag(text: str, start: int) -> int:
    open_tags = 0
    for brace in _TAG.finditer(text, start):
        open_tags += 1 if brace.group() == "{{" else -1
        if open_tags == 0:
            return brace.start()
    raise UnresolvedReference(text[start + 2 : start + 40], "the tag has no closing }}")


def _resolve(tag: str, variables: Mapping[str, str]) -> str:
    if not tag.startswith("="):
        name = tag.strip()
        if name not in variables:
            raise UnresolvedReference(name)
        return variables[name]
    try:
        value = parse(tag[1:].strip(), Flavour.EXPR).evaluate(scope_of(variables))
    except ExpressionError as error:
        raise UnresolvedReference(tag, str(error)) from error
    if value is None:
        raise UnresolvedReference(tag, "the expression has no value")
    return show(value)
