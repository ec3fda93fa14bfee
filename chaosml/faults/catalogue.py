"""The fault catalogue: every kind that a scenario can inject, by its name in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import BaseModel

from chaosml.errors import UsageError
from chaosml.faults.pod_delete import PodDelete
from chaosml.faults.script import Scene, Script
from chaosml.faults.spot_reclaim import SpotReclaim
from chaosml.workflow.views import View

__all__ = ["CATALOGUE", "FaultKind", "missing_capabilities", "option_models"]


class FaultKind(Protocol):
    """One kind of fault. Stateless: what must be remembered lives in its script."""

    @property
    def kind(self) -> str:
        """The name in scenario files: object, dot, verb."""

    @property
    def options(self) -> type[BaseModel]:
        """The model of `with:`."""

    @property
    def capabilities(self) -> Sequence[type]:
        """Protocols that the substrate must satisfy."""

    def views(self, options: Any, *, has_outputs: bool) -> Sequence[View | None]:
        """Return every legal view of the target's death; (None,) where it need not die."""

    def lethal(self, options: Any) -> bool:
        """Whether the target is meant to die."""

    def script(self, options: Any, view: str | None, scene: Scene) -> Script:
        """Return the steps of one injection."""


def _register(*kinds: FaultKind) -> dict[str, FaultKind]:
    catalogue: dict[str, FaultKind] = {}
    for kind in kinds:
        if kind.kind in catalogue:
            raise UsageError(f"two fault kinds are called {kind.kind!r}")
        catalogue[kind.kind] = kind
    return catalogue


CATALOGUE = _register(PodDelete(), SpotReclaim())


def option_models() -> dict[str, type[BaseModel]]:
    """Return the model of `with:` for every kind; `scenario.load` validates against it."""
    return {name: kind.options for name, kind in CATALOGUE.items()}


def missing_capabilities(kind: FaultKind, substrate: object) -> list[str]:
    """Return the capabilities that the substrate lacks for this kind."""
    return [
        capability.__name__
        for capability in kind.capabilities
        if not isinstance(substrate, capability)
    ]
