"""When a node that Argo showed is the vertex that our reducer has.

Everything is compared as it stands, but for texts that are not Argo's to decide or that
differ from one execution to the next. These, and no others, are let pass:

- The word for why a container ended (`OOMKilled`, `Unknown`): the kubelet chooses it; and the
  name of the container before it, which Argo 3.6 does not write yet.
- What is wrong with a `when` that cannot be parsed: the words are those of Argo's parser; and
  `failed to resolve references: ` before it, which only Argo 4 writes.
- The moment in `retry exceeded workflow deadline …`: whole seconds of another clock.
- What a redaction has put in the place of a secret: anything may have stood there.
- The number of seconds that `workflow.duration` gives, and the order and times of
  `workflow.failures`: Argo lists them in the order of a hash map.
- The marks `retried` of a hook's Retry vertex and `hooked` of its attempts: Argo writes the
  second into what it has already given to the first, and both stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chaosml.shadow.recording import Node
from chaosml.workflow.protocol import Vertex

__all__ = ["differences", "is_like", "same_text", "unlike_ends"]

_HIDDEN = "***"
_DURATION = re.compile(r"\d+\.\d{6}")
_SAME = (
    (re.compile(r"^(?:main: )?\w+ \(exit code (\d+)\)"), r"main: Error (exit code \1)"),
    (re.compile(r"^failed to resolve references: "), ""),
    (re.compile(r"^(Invalid 'when' expression '.*'): .*", re.DOTALL), r"\1"),
    (re.compile(r"^(retry exceeded workflow deadline) .*"), r"\1"),
)


def is_like(vertex: Vertex, node: Node, around: str, *, hook: bool | None) -> bool:
    """Tell whether a vertex is what Argo showed; see `differences`."""
    return next(differences(vertex, node, around, hook=hook), None) is None


def differences(vertex: Vertex, node: Node, around: str, *, hook: bool | None) -> Iterator[str]:
    """Yield in words how Argo's node differs from our vertex, what matters most first.

    Args:
        vertex: What the reducer has.
        node: What Argo showed.
        around: Name of the node around it, empty for none.
        hook: Whether Argo has to mark it as hooked; None where it may.
    """
    yield from _differ("type", node.type, vertex.type)
    yield from _differ("phase", node.phase, vertex.phase)
    if not same_text(node.message, vertex.message):
        yield from _differ("message", node.message, vertex.message)
    yield from _differ("display name", node.display_name, vertex.display_name)
    yield from _differ("template", node.template, vertex.template)
    yield from _differ("vertex around it", around, vertex.boundary or "")
    if not (hook and vertex.type == "Retry"):
        yield from _differ("mark `retried`", node.retried, vertex.retried)
    if hook is not None:
        yield from _differ("mark `hooked`", node.hooked, hook)
    yield from _differ_texts("input", node.inputs, vertex.inputs)


def unlike_ends(vertex: Vertex, node: Node, children: frozenset[str]) -> Iterator[str]:
    """Yield how what is left of a vertex at the end differs: outputs, exit code, children.

    Args:
        vertex: What the reducer has.
        node: What Argo showed last.
        children: Names of the node's children.
    """
    yield from _differ_texts("output", node.outputs, vertex.outputs)
    if node.result is not None and vertex.result is not None:
        yield from _differ_texts("output", {"result": node.result}, {"result": vertex.result})
    yield from _differ("exit code", node.exit_code, vertex.exit_code)
    ours = frozenset(vertex.children)
    if children != ours:
        yield from _differ("children", _list(children), _list(ours))


def same_text(shown: str, ours: str) -> bool:
    """Tell whether two messages or values say the same."""
    shown, ours = _plain(shown), _plain(ours)
    if shown == ours or (_DURATION.fullmatch(shown) and _DURATION.fullmatch(ours)):
        return True
    for one, other in ((shown, ours), (ours, shown)):
        if _HIDDEN in one and _fits(one, other):
            return True
    failures = _failures(shown)
    return failures is not None and failures == _failures(ours)


def _plain(text: str) -> str:
    for pattern, same in _SAME:
        text = pattern.sub(same, text)
    return text


def _fits(hidden: str, text: str) -> bool:
    parts = (re.escape(part) for part in hidden.split(_HIDDEN))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None


def _failures(text: str) -> list[str] | None:
    """Return what `workflow.failures` lists, sorted and without times; None for another text."""
    if "displayName" not in text:
        return None
    try:
        value: Any = json.loads(text)
        listed = json.loads(value) if isinstance(value, str) else value
        return sorted(json.dumps({**one, "finishedAt": ""}, sort_keys=True) for one in listed)
    except (TypeError, ValueError):
        return None


def _differ(what: str, shown: object, ours: object) -> Iterator[str]:
    if shown != ours:
        yield f"{what} {_say(shown)}, not {_say(ours)}"


def _differ_texts(what: str, shown: Mapping[str, str], ours: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*shown, *ours}):
        left, right = shown.get(name), ours.get(name)
        if left is None or right is None or not same_text(left, right):
            yield from _differ(f"{what} {name!r}", left, right)


def _say(value: object) -> str:
    if value is None:
        return "none"
    return repr(value) if isinstance(value, str) else str(value)


def _list(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
