"""What a workflow came to, in a form that both sides share, and the table of differences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosml.workflow.protocol import Vertex

__all__ = ["Difference", "Outcome", "differences", "from_argo", "from_embedded", "table"]

_HOOK = re.compile(r"\.(onExit|hooks\.[^.]+)$")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(Z| \+0000 UTC)")


@dataclass(frozen=True)
class Outcome:
    """How a workflow ended."""

    phase: str
    message: str
    vertices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By Argo's node name; what each of them is and came to."""
    view: str | None = None
    """How the death of the first pod surfaced, where one was struck."""


@dataclass(frozen=True)
class Difference:
    """One value that is not the same on both sides."""

    vertex: str
    key: str
    argo: Any
    embedded: Any


def from_argo(workflow: Mapping[str, Any], view: str | None = None) -> Outcome:
    """Read the status of a Workflow object."""
    status = workflow.get("status") or {}
    nodes = status.get("nodes") or {}
    names = {key: node["name"] for key, node in nodes.items()}
    vertices = {node["name"]: _from_node(node, names) for node in nodes.values()}
    return Outcome(status.get("phase", ""), _timeless(status.get("message")), vertices, view)


def _from_node(node: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    outputs = node.get("outputs") or {}
    reference = node.get("templateRef") or {}
    flags = node.get("nodeFlag") or {}
    return {
        "display name": node["displayName"],
        "type": node["type"],
        "template": node.get("templateName") or reference.get("template", ""),
        "phase": node.get("phase"),
        "message": _timeless(node.get("message")),
        "inputs": _parameters(node.get("inputs") or {}),
        "outputs": _parameters(outputs),
        "result": outputs.get("result"),
        "exit code": outputs.get("exitCode"),
        "retried": bool(flags.get("retried")),
        "hooked": bool(flags.get("hooked")),
        # Argo hangs a task that it holds back below its parents before there is a node for it.
        "children": sorted(names[child] for child in node.get("children") or () if child in names),
    }


def _parameters(holder: Mapping[str, Any]) -> dict[str, str]:
    given = (one for one in holder.get("parameters") or () if "value" in one)
    return {one["name"]: str(one["value"]) for one in given}


def from_embedded(finished: tuple[str, str], vertices: Mapping[str, Vertex]) -> Outcome:
    """Read the last state of the reducer."""
    shown = {name: _from_vertex(vertex) for name, vertex in vertices.items()}
    return Outcome(finished[0], _timeless(finished[1]), shown)


def _from_vertex(vertex: Vertex) -> dict[str, Any]:
    return {
        "display name": vertex.display_name,
        "type": vertex.type,
        "template": vertex.template,
        "phase": vertex.phase,
        "message": _timeless(vertex.message),
        "inputs": dict(vertex.inputs),
        "outputs": dict(vertex.outputs),
        "result": vertex.result,
        "exit code": vertex.exit_code,
        "retried": vertex.retried,
        # Ours is inherited, Argo's is not.
        "hooked": vertex.hooked and _HOOK.search(vertex.name) is not None,
        "children": sorted(vertex.children),
    }


def _timeless(text: str | None) -> str:
    return _TIME.sub("TIME", text or "")


def differences(name: str, argo: Outcome, embedded: Outcome) -> list[Difference]:
    """Compare two outcomes of the workflow of this name; vertices are called `WF…` then."""
    return list(_differences(name, argo, embedded))


def _differences(name: str, argo: Outcome, embedded: Outcome) -> Iterator[Difference]:
    for key, left, right in (
        ("phase", argo.phase, embedded.phase),
        ("message", argo.message, embedded.message),
    ):
        if left != right:
            yield Difference("(workflow)", key, left, right)
    for vertex in sorted({*argo.vertices, *embedded.vertices}):
        shown = vertex.replace(name, "WF", 1)
        real, emulated = argo.vertices.get(vertex), embedded.vertices.get(vertex)
        if real is None or emulated is None:
            phases = [None if one is None else one["phase"] for one in (real, emulated)]
            yield Difference(shown, "exists", *phases)
            continue
        for key in real:
            if real[key] != emulated[key]:
                yield Difference(shown, key, real[key], emulated[key])


def table(found: list[Difference]) -> str:
    """Return the differences, one a line."""
    return "\n".join(
        f"{one.vertex}: {one.key}: Argo {one.argo!r}, embedded {one.embedded!r}" for one in found
    )
