"""Several nodes at once: a zone that fails, a cloud that takes many machines back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chaosml.errors import FaultRefused
from chaosml.faults.script import Scene

__all__ = ["NodeCount", "struck_nodes"]

NodeCount = Annotated[int, Field(strict=True, ge=1)]
"""How many nodes at once."""


def struck_nodes(scene: Scene, count: int) -> list[str]:
    """Return the target's node and the next ones, those with pods of the pipeline first.

    Raises:
        FaultRefused: there are not so many.
    """
    own = scene.target.node
    if count == 1:
        return [own]
    others = [node for node in scene.nodes() if node != own]
    others.sort(key=lambda node: not scene.pods_on(node))
    if len(others) < count - 1:
        raise FaultRefused(
            "too-few-nodes",
            f"{count} nodes were to be struck at once, and {len(others) + 1} are there",
        )
    return [own, *others[: count - 1]]
