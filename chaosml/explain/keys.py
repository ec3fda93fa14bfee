"""The keys of a scenario as a tree: what each may be, is by default, and is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chaosml.document import nearest
from chaosml.errors import UsageError
from chaosml.explain import words
from chaosml.explain.schema import schema

__all__ = ["Key", "Part", "find", "flattened", "keys_of", "parts", "tree"]

_REF = "#/$defs/"


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping of the document, with its keys."""

    text: str
    keys: tuple[Key, ...]

    def key(self, name: str) -> Key | None:
        """Return a key by its name."""
        return next((key for key in self.keys if key.name == name), None)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping."""

    name: str
    kind: str
    """What its value may be, in words."""
    default: str
    """`required`, the default as code, or nothing."""
    text: str
    """What it is for."""
    part: Part | None
    """What its value, or each of its values, may hold."""
    many: str = ""
    """`[]` where it is a list, `.NAME` where it is a mapping of names of one's own."""


def tree() -> Part:
    """Return a whole scenario."""
    described = schema()
    return _part(described, described["$defs"])


def keys_of(described: Mapping[str, Any], parts: Mapping[str, Any]) -> tuple[Key, ...]:
    """Return the keys that the schema of a mapping has, in its order."""
    required = described.get("required", ())
    return tuple(
        _key(name, one, parts, required=name in required)
        for name, one in described.get("properties", {}).items()
    )


def _part(described: Mapping[str, Any], parts: Mapping[str, Any]) -> Part:
    return Part(described.get("description", ""), keys_of(described, parts))


def _key(
    name: str, described: Mapping[str, Any], parts: Mapping[str, Any], *, required: bool
) -> Key:
    ref, many = _target(described)
    return Key(
        name=name,
        kind="one of the kinds of faults" if name == "inject" else words.kind_words(described),
        default=words.default_words(described, required=required),
        text=described.get("description", ""),
        part=_part(parts[ref], parts) if ref else None,
        many=many,
    )


def _target(described: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of the mapping that stands below, and how many of it there may be."""
    for one in words.variants(described):
        named = next(iter(one.get("patternProperties", {}).values()), one)
        inner = named.get("additionalProperties")
        for below, many in (
            (one, ""),
            (one.get("items"), "[]"),
            (named, ".NAME"),
            (inner, ".NAME"),
        ):
            if isinstance(below, Mapping) and "$ref" in below:
                return str(below["$ref"]).removeprefix(_REF), many
    return "", ""


def flattened(keys: Iterable[Key]) -> Iterator[Key]:
    """Yield keys, each followed by those inside it under their whole names."""
    for key in keys:
        yield key
        if key.part is not None:
            for below in flattened(key.part.keys):
                yield replace(below, name=f"{key.name}{key.many}.{below.name}")


def parts(top: Part, path: str = "") -> Iterator[tuple[str, Part]]:
    """Yield the paths and mappings of a tree, depth first."""
    yield path, top
    for key in top.keys:
        if key.part is not None:
            yield from parts(key.part, f"{path}.{key.name}{key.many}".lstrip("."))


def find(top: Part, path: str) -> tuple[Key | None, Part | None]:
    """Return the key and the mapping that a dotted path names; indices and `[]` are passed over.

    Args:
        top: The whole.
        path: Such as `faults.when`, `faults[0].when` or `expect.mttr.at-most`; empty: the whole.

    Raises:
        UsageError: there is no such key, with the near miss.
    """
    key: Key | None = None
    part: Part | None = top
    named: list[str] = []
    for word in _words(path):
        if _is_own(word, key, part):
            continue
        found = part.key(word) if part is not None else None
        if found is None:
            raise UsageError(_unknown(word, named, part))
        key, part = found, found.part
        named.append(word)
    return key, part


def _is_own(word: str, key: Key | None, part: Part | None) -> bool:
    """Whether a word is an index, or a name of the author's own: what it holds is known already."""
    if key is None or not key.many or (part is not None and part.key(word) is not None):
        return False
    return word.isdigit() or key.many == ".NAME"


def _words(path: str) -> list[str]:
    return [word for word in path.replace("[", ".").replace("]", "").split(".") if word]


def _unknown(word: str, above: list[str], part: Part | None) -> str:
    where = ".".join(above) or "a scenario"
    if part is None:
        return f"{where} has no keys of its own, so there is no {word!r}"
    names = [key.name for key in part.keys]
    meant = nearest(word, names)
    advice = f"did you mean {meant!r}?" if meant else f"it has: {', '.join(names)}"
    return f"{where} has no key {word!r}; {advice}"
