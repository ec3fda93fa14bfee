"""Names that Argo's controller derives: of vertices, pods and what people see of them.

Sources: argo-workflows workflow_types.go `NodeID`, workflow/util/pod_name.go,
operator.go `initializeNode`.
"""

from __future__ import annotations

import hashlib
import re

from chaosml.workflow.model import WorkflowMetadata

__all__ = [
    "display_name",
    "fnv32a",
    "generate_name",
    "hook_name",
    "node_id",
    "own_name",
    "pod_name",
    "workflow_name",
]

_PREFIX_MAX = 253 - 10 - 1
"""A pod's name has at most 253 characters, of which a hyphen and the hash take eleven."""
_SEPARATOR = re.compile(r"^(\[\d+\])?\.")
_SUFFIX_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes leaves out vowels and what reads like them, so that no words come about."""


def fnv32a(text: str) -> int:
    """Return the 32-bit FNV-1a hash."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def node_id(workflow: str, vertex: str) -> str:
    """Return Argo's id of a vertex: the workflow's own name for the root."""
    return workflow if vertex == workflow else f"{workflow}-{fnv32a(vertex)}"


def hook_name(parent: str, hook: str) -> str:
    """Return what a hook of a vertex or task is called."""
    return f"{parent}.onExit" if hook == "exit" else f"{parent}.hooks.{hook}"


def own_name(template: str) -> str:
    """Return the name of a template where it is defined: `train` for `library/train`."""
    return template.rpartition("/")[2]


def pod_name(workflow: str, vertex: str, template: str) -> str:
    """Return the name of a vertex's pod, by the `v2` rule."""
    if vertex == workflow:
        return workflow
    return f"{f'{workflow}-{own_name(template)}'[:_PREFIX_MAX]}-{fnv32a(vertex)}"


def display_name(vertex: str, boundary: str | None) -> str:
    """Return what people see: the vertex's name without the steps or dag that it lies in."""
    if boundary is None:
        return vertex
    return _SEPARATOR.sub("", vertex.removeprefix(boundary))


def generate_name(prefix: str, seed: str) -> str:
    """Return a name as the API server generates it, its five letters drawn from `seed`."""
    digest = hashlib.sha256(seed.encode()).digest()
    suffix = "".join(_SUFFIX_CHARACTERS[byte % len(_SUFFIX_CHARACTERS)] for byte in digest[:5])
    return f"{prefix[: 63 - 5]}{suffix}"


def workflow_name(metadata: WorkflowMetadata, seed: str) -> str:
    """Return the workflow's name, generated if the document has only a `generateName`."""
    return metadata.name or generate_name(metadata.generate_name or "", seed)
