"""The strings below the fields of a class, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator

__all__ = ["attribute_texts", "one_line"]

_FOREIGN = ("builtins", "pydantic", "typing")
"""Where classes come from whose fields are nobody's keys."""


def attribute_texts(model: type) -> dict[str, str]:
    """Return the text below each field, by the field's name; a subclass's own text wins.

    A class whose source is not there, as in an installation without sources, has none.
    """
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if one.__module__.partition(".")[0] not in _FOREIGN:
            found.update(_own_texts(one))
    return found


def _own_texts(model: type) -> Iterator[tuple[str, str]]:
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except (OSError, TypeError):
        return
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, one_line(text.value.value)


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())
