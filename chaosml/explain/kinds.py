"""What is known of a kind of fault: passages of its module, options, substrates, views, rights.

A kind says in its module, by `Mechanism:`, `Receipt:` and `Heal:`, what it does, what proves it and
what undoes it. The rest follows from its options: for each example of them, and for each value of
an option with few values, the kind is asked what it takes and how its target may die.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from chaosml.cluster import permissions
from chaosml.document import nearest
from chaosml.errors import UsageError
from chaosml.explain.docstrings import one_line
from chaosml.explain.keys import Key, flattened, keys_of
from chaosml.explain.schema import options_schema
from chaosml.faults.catalogue import CATALOGUE, FaultKind, needed_capabilities
from chaosml.workflow.views import View

__all__ = ["SUBSTRATES", "KindFacts", "facts", "named"]

SUBSTRATES = ("embedded", "kind", "cluster")
_PASSAGE = re.compile(
    r"(?:^|(?<=[.)] )|(?<=\n))(Mechanism|Effect|Views|Permissions|Receipt|Heal): ", re.MULTILINE
)
_Chosen = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Everything that a page says of a kind."""

    name: str
    summary: str
    mechanism: str
    effect: str
    receipt: str
    heal: str
    options: tuple[Key, ...]
    example: _Chosen
    substrates: Mapping[str, str]
    """By substrate: `yes`, `no`, or with which options."""
    views: tuple[str, ...]
    """The usual ones, then those that other options bring."""
    permissions: str
    """What it may do in a cluster, beyond what every run may."""


def named(name: str) -> FaultKind:
    """Return a kind by its name.

    Raises:
        UsageError: there is none, with the near miss.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    meant = nearest(name, CATALOGUE)
    advice = f"did you mean {meant!r}?" if meant else "`chaosml faults` lists all"
    raise UsageError(f"there is no fault {name!r}; {advice}")


def facts(kind: FaultKind) -> KindFacts:
    """Return what is known of a kind."""
    text = inspect.getdoc(sys.modules[type(kind).__module__]) or ""
    head, passages = _passages(text)
    usual, *others = list(_choices(kind.options))
    described = options_schema(kind.kind)
    return KindFacts(
        name=kind.kind,
        summary=one_line(head.partition("\n\n")[0].partition(": ")[2]),
        mechanism=passages.get("Mechanism", ""),
        effect=passages.get("Effect", ""),
        receipt=one_line(passages.get("Receipt", "")),
        heal=one_line(passages.get("Heal", "")),
        options=tuple(flattened(keys_of(described, described.get("$defs", {})))),
        example=usual,
        substrates=_substrates(kind, usual, others),
        views=tuple(_views(kind, usual, others)),
        permissions="; ".join(map(str, permissions.FAULTS.get(kind.kind, ()))),
    )


def _passages(text: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the first label, and the text behind each."""
    head, *rest = _PASSAGE.split(text)
    return head, {label: said.strip() for label, said in zip(rest[::2], rest[1::2], strict=True)}


def _choices(options: type[BaseModel]) -> Iterator[_Chosen]:
    """Yield options: the usual ones, other examples, each value of what has few values.

    The first is an example of the kind, or empty, which is not sound where options are required.
    """
    described = options.model_json_schema(by_alias=True)
    examples: Sequence[_Chosen] = described.get("examples", ({},))
    yield from examples
    usual = examples[0]
    for name, one in described.get("properties", {}).items():
        for value in (True, False) if one.get("type") == "boolean" else one.get("enum", ()):
            chosen = {**usual, name: value}
            if value != one.get("default") and chosen not in examples and _sound(options, chosen):
                yield chosen


def _sound(options: type[BaseModel], chosen: _Chosen) -> bool:
    try:
        options.model_validate(chosen)
    except ValidationError:
        return False
    return True


def _substrates(kind: FaultKind, usual: _Chosen, others: Sequence[_Chosen]) -> dict[str, str]:
    found = {}
    for name in SUBSTRATES:
        if _can(name, kind, usual):
            found[name] = "yes"
            continue
        able = [one for one in others if _can(name, kind, one)]
        found[name] = f"with {_difference(able[0], usual)}" if able else "no"
    return found


def _can(substrate: str, kind: FaultKind, chosen: _Chosen) -> bool:
    options = kind.options.model_validate(chosen) if _sound(kind.options, chosen) else None
    needed = needed_capabilities(kind, options)
    return all(issubclass(_type_of(substrate), one) for one in needed)


def _type_of(substrate: str) -> type:
    # Together they are most of the program, and only this asks for them.
    if substrate == "embedded":
        from chaosml.substrates.embedded.substrate import EmbeddedSubstrate

        return EmbeddedSubstrate
    if substrate == "kind":
        from chaosml.substrates.kubernetes.kind import KindSubstrate

        return KindSubstrate
    from chaosml.substrates.kubernetes.substrate import KubernetesSubstrate

    return KubernetesSubstrate


def _views(kind: FaultKind, usual: _Chosen, others: Sequence[_Chosen]) -> Iterator[str]:
    first = _view_words(kind, usual)
    yield first
    by_words: dict[str, list[str]] = {}
    for chosen in others:
        words = _view_words(kind, chosen)
        if words != first:
            by_words.setdefault(words, []).append(_difference(chosen, usual))
    for words, which in by_words.items():
        yield f"with {' or '.join(which)}: {words}"


def _view_words(kind: FaultKind, chosen: _Chosen) -> str:
    if not _sound(kind.options, chosen):
        return "as its options say"
    options = kind.options.model_validate(chosen)
    plain = kind.views(options, has_outputs=False)
    if tuple(plain) == (None,):
        return "none, the target need not die"
    shown = [f"`{view}`" for view in plain if view is not None]
    if View.WAIT_FAILED in kind.views(options, has_outputs=True) and View.WAIT_FAILED not in plain:
        shown.append(f"`{View.WAIT_FAILED}` (tasks with outputs read from files)")
    return ", ".join(shown)


def _difference(chosen: _Chosen, usual: _Chosen) -> str:
    """Return what of some options is not usual."""
    return ", ".join(
        f"`{name}: {str(value).lower() if isinstance(value, bool) else value}`"
        for name, value in chosen.items()
        if usual.get(name) != value
    )
