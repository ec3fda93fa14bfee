"""Clusters to run on: a kind cluster's life, Argo in it, and what a user's cluster lacks.

Names are imported when they are used: the command line mounts the verbs of clusters at
every start, and most starts touch no cluster.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaosml.cluster.diagnosis import Check, State, doctor
    from chaosml.cluster.inspection import ClusterStatus, Node
    from chaosml.cluster.life import ClusterInfo, borrowed, down, status, up
    from chaosml.cluster.options import NAMESPACE, ClusterOptions, services_image

__all__ = [
    "NAMESPACE",
    "Check",
    "ClusterInfo",
    "ClusterOptions",
    "ClusterStatus",
    "Node",
    "State",
    "borrowed",
    "doctor",
    "down",
    "services_image",
    "status",
    "up",
]

_HOMES = {
    "diagnosis": ("Check", "State", "doctor"),
    "inspection": ("ClusterStatus", "Node"),
    "life": ("ClusterInfo", "borrowed", "down", "status", "up"),
    "options": ("NAMESPACE", "ClusterOptions", "services_image"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
