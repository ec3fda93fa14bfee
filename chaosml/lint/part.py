"""A value in a document together with its place, so that a rule can point at what it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaosml.document import Document, Loc

__all__ = ["Part", "whole"]

_WHOLE = re.compile(r"[0-9]{1,18}")


def whole(text: str) -> int | None:
    """Return the whole number that a text is, if it fits into 64 bits as Go's do."""
    return int(text) if _WHOLE.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Part:
    """A value, or the place where one could stand (then `value` is None)."""

    document: Document
    loc: Loc
    value: Any

    @classmethod
    def whole(cls, document: Document) -> Part:
        """Return a document as a whole."""
        return cls(document, (), document.data)

    @property
    def exists(self) -> bool:
        """Whether a value stands here; `key:` without one counts as none, as it does for Argo."""
        return self.value is not None

    @property
    def text(self) -> str:
        """A scalar as Argo reads it; empty for mappings, lists and nothing."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return str(self.value) if isinstance(self.value, str | int | float) else ""

    @property
    def number(self) -> int | None:
        """A whole number without a sign, also one written as text; None where there is none."""
        return whole(self.text)

    def at(self, *keys: str | int) -> Part:
        """Return what stands below; its value is None where nothing does."""
        value = self.value
        for key in keys:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
                value = value[key]
            else:
                value = None
        return Part(self.document, (*self.loc, *keys), value)

    def items(self) -> Iterator[Part]:
        """Yield the items of a list; nothing where this is none."""
        if isinstance(self.value, list):
            for index, item in enumerate(self.value):
                yield Part(self.document, (*self.loc, index), item)

    def entries(self) -> Iterator[tuple[str, Part]]:
        """Yield the keys and values of a mapping; nothing where this is none."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield key, Part(self.document, (*self.loc, key), value)

    def scalars(self) -> Iterator[Part]:
        """Yield every scalar at or below this place, in the order of the file."""
        if isinstance(self.value, dict):
            for _, entry in self.entries():
                yield from entry.scalars()
        elif isinstance(self.value, list):
            for item in self.items():
                yield from item.scalars()
        elif self.value is not None:
            yield self
