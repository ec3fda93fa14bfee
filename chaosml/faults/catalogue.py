"""The fault catalogue: every kind that a scenario can inject, by its name in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from chaosml.errors import UsageError
from chaosml.faults.chaostoolkit import ChaosToolkit
from chaosml.faults.container_kill import ContainerKill
from chaosml.faults.container_pause import ContainerPause
from chaosml.faults.external import External
from chaosml.faults.network_bandwidth import NetworkBandwidth
from chaosml.faults.network_latency import NetworkLatency
from chaosml.faults.network_partition import NetworkPartition
from chaosml.faults.network_reset import NetworkReset
from chaosml.faults.node_drain import NodeDrain
from chaosml.faults.node_pressure import NodePressure
from chaosml.faults.node_shutdown import NodeShutdown
from chaosml.faults.node_stop import NodeStop
from chaosml.faults.pod_delete import PodDelete
from chaosml.faults.pod_evict import PodEvict
from chaosml.faults.script import Scene, Script
from chaosml.faults.spot_reclaim import SpotReclaim
from chaosml.faults.storage_bandwidth import StorageBandwidth
from chaosml.faults.storage_down import StorageDown
from chaosml.faults.storage_late_error import StorageLateError
from chaosml.faults.storage_latency import StorageLatency
from chaosml.faults.storage_lose_answer import StorageLoseAnswer
from chaosml.faults.storage_reset import StorageReset
from chaosml.faults.storage_stall import StorageStall
from chaosml.faults.storage_throttle import StorageThrottle
from chaosml.faults.task_rerun import TaskRerun
from chaosml.faults.task_zombie import TaskZombie
from chaosml.workflow.views import View

__all__ = [
    "CATALOGUE",
    "DependsOnOptions",
    "FaultKind",
    "HoldsLonger",
    "NeedsLibrary",
    "hold_s_of",
    "missing_capabilities",
    "missing_library",
    "needed_capabilities",
    "option_models",
]


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


@runtime_checkable
class DependsOnOptions(Protocol):
    """A kind whose capabilities depend on its options."""

    def needs(self, options: Any) -> Sequence[type]:
        """Return the capabilities that these options take."""


@runtime_checkable
class HoldsLonger(Protocol):
    """A kind whose effect takes longer to be confirmed than is usual."""

    def hold_s(self, options: Any) -> float:
        """Return how long the target may be held, in seconds."""


@runtime_checkable
class NeedsLibrary(Protocol):
    """A kind that needs a library which is an extra."""

    def missing(self) -> str | None:
        """Return what is not installed and how it is had; None where all is there."""


def hold_s_of(kind: FaultKind, options: Any) -> float | None:
    """Return how long a kind may hold its target, in seconds; None: as is usual."""
    return kind.hold_s(options) if isinstance(kind, HoldsLonger) else None


def missing_library(kind: FaultKind) -> str | None:
    """Return what a kind needs that is not installed; None where all is there."""
    return kind.missing() if isinstance(kind, NeedsLibrary) else None


def _register(*kinds: FaultKind) -> dict[str, FaultKind]:
    catalogue: dict[str, FaultKind] = {}
    for kind in kinds:
        if kind.kind in catalogue:
            raise UsageError(f"two fault kinds are called {kind.kind!r}")
        catalogue[kind.kind] = kind
    return catalogue


CATALOGUE = _register(
    PodDelete(),
    PodEvict(),
    ContainerKill(),
    ContainerPause(),
    NodeDrain(),
    NodeStop(),
    NodeShutdown(),
    NodePressure(),
    SpotReclaim(),
    TaskRerun(),
    TaskZombie(),
    StorageLatency(),
    StorageBandwidth(),
    StorageThrottle(),
    StorageReset(),
    StorageStall(),
    StorageDown(),
    StorageLoseAnswer(),
    StorageLateError(),
    NetworkLatency(),
    NetworkBandwidth(),
    NetworkReset(),
    NetworkPartition(),
    External(),
    ChaosToolkit(),
)


def option_models() -> dict[str, type[BaseModel]]:
    """Return the model of `with:` for every kind; `scenario.load` validates against it."""
    return {name: kind.options for name, kind in CATALOGUE.items()}


def needed_capabilities(kind: FaultKind, options: Any = None) -> Sequence[type]:
    """Return the capabilities that a kind takes, with these options where they make a difference.

    Without options: with its usual ones.
    """
    if options is not None and isinstance(kind, DependsOnOptions):
        return kind.needs(options)
    return kind.capabilities


def missing_capabilities(kind: FaultKind, substrate: object, options: Any = None) -> list[str]:
    """Return the capabilities that the substrate lacks for this kind."""
    return [
        capability.__name__
        for capability in needed_capabilities(kind, options)
        if not isinstance(substrate, capability)
    ]
