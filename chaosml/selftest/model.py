"""What a planted defect is: where it sits, what brings it to light, who must name it how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ADHOC", "RESILIENT", "Defect", "Edit", "Named", "OutOfReach", "Scene"]

RESILIENT = "resilient"
ADHOC = "adhoc"

Edit = Callable[[dict[str, Any]], None]
"""Changes a Workflow document in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One fault at one place, with what must hold; the healthy pipeline passes it."""

    name: str
    when: Mapping[str, Any]
    """The trigger, as a scenario says it."""
    task: str = "train"
    inject: str = "pod.delete"
    options: Mapping[str, Any] = field(default_factory=dict)
    """`with:` of the fault."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the workflow, besides the usual ones."""
    expect: Mapping[str, Any] = field(default_factory=dict)
    """Expectations, besides or instead of the usual ones; None takes one away."""
    artifacts: tuple[Mapping[str, Any], ...] = ()
    """Entries of the artifact contract, besides the usual ones."""
    pipeline: str = RESILIENT
    """The shipped workflow that is changed: `resilient` or `adhoc`."""
    for_healthy: bool = True
    """False: the healthy pipeline never comes to the place of the fault."""


@dataclass(frozen=True, slots=True)
class Named:
    """The checker that must fail, and the cause that it must give."""

    checker: str
    cause: str
    words: str = ""
    """What its message must hold, where the cause alone does not tell the defect."""

    def __str__(self) -> str:
        return f"{self.checker}: {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A pipeline with one thing wrong, and the verdict that names it."""

    name: str
    what: str
    """What is wrong, in a few words."""
    edits: tuple[Edit, ...]
    """How it is planted into the workflow of the scene."""
    scene: Scene
    view: str | None = None
    """What the orchestrator gets to see of the death; None: the scene's target need not die."""
    named: Named


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A defect that no run here can bring to light, and why."""

    name: str
    what: str
    why: str
