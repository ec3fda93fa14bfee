"""What is known of a scenario while some of it may be wrong.

Checks work on the parts that are sound, so that one wrong fault does not hide what
is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from chaosml.document import Document, Loc, salvage
from chaosml.scenario.model import (
    Artifact,
    Duration,
    Embedded,
    Expectations,
    Fault,
    Integer,
    Pipeline,
    Service,
)

__all__ = ["Numbers", "Parts", "take_parts"]


_M = TypeVar("_M", bound=BaseModel)
_EXPECTATIONS = tuple(field.alias or name for name, field in Expectations.model_fields.items())


class Numbers(BaseModel):
    """The numbers at the top of a scenario, whatever else there is."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    trials: Annotated[Integer, Field(ge=1)] | None = None
    deadline: Duration = 1200.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The sound parts of a scenario; None or absent where a part is wrong."""

    document: Document
    pipeline: Pipeline | None
    """Without `parameters` and `artifacts` where these are wrong."""
    artifacts: Mapping[int, Artifact]
    """By position."""
    faults: Mapping[int, Fault]
    """By position."""
    fault_count: int
    numbers: Numbers | None
    expect: Expectations | None
    embedded: Embedded | None
    services: Mapping[str, Service]
    """By name."""

    @property
    def isolated(self) -> Mapping[str, str]:
        """Keys of `isolate` with the workflow parameters that carry them."""
        if self.pipeline is None:
            return {}
        raw = self.pipeline.isolate.model_dump(by_alias=True)
        return {key: name for key, name in raw.items() if name is not None}

    @property
    def given(self) -> frozenset[str]:
        """Workflow parameters that get their values from the scenario or from the runner."""
        raw = self.document.get(("pipeline", "parameters"))
        isolated = self.document.get(("pipeline", "isolate"))
        names = list(raw) if isinstance(raw, dict) else []
        names += map(str, isolated.values()) if isinstance(isolated, dict) else []
        names += [one.parameter for one in self.services.values() if one.parameter is not None]
        return frozenset(names)


def take_parts(document: Document) -> Parts:
    """Take from a document whatever is sound."""
    raw = document.get(("faults",))
    return Parts(
        document=document,
        pipeline=salvage(
            document, Pipeline, ("pipeline",), expendable=[("parameters",), ("artifacts",)]
        ),
        artifacts=_salvage_entries(document, Artifact, ("pipeline", "artifacts")),
        faults=_salvage_entries(document, Fault, ("faults",)),
        fault_count=len(raw) if isinstance(raw, list) else 0,
        numbers=salvage(document, Numbers),
        expect=salvage(
            document, Expectations, ("expect",), expendable=[(key,) for key in _EXPECTATIONS]
        ),
        embedded=salvage(document, Embedded, ("embedded",)),
        services=_salvage_services(document),
    )


def _salvage_services(document: Document) -> dict[str, Service]:
    raw = document.get(("services",))
    found = {
        str(name): salvage(document, Service, ("services", name))
        for name in (raw if isinstance(raw, dict) else ())
    }
    return {name: service for name, service in found.items() if service is not None}


def _salvage_entries(document: Document, model: type[_M], at: Loc) -> dict[int, _M]:
    raw = document.get(at)
    found = {
        index: salvage(document, model, (*at, index))
        for index in range(len(raw) if isinstance(raw, list) else 0)
    }
    return {index: entry for index, entry in found.items() if entry is not None}
