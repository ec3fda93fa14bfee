"""What is known of a scenario while some of it may be wrong.

Checks work on the parts that are sound, so that one wrong fault does not hide what
is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaosml.document import Document, salvage
from chaosml.scenario.model import (
    Duration,
    Embedded,
    Expectations,
    Fault,
    Integer,
    Pipeline,
)

__all__ = ["Numbers", "Parts", "take_parts"]


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
    faults: Mapping[int, Fault]
    """By position."""
    fault_count: int
    numbers: Numbers | None
    expect: Expectations | None
    embedded: Embedded | None

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
        return frozenset(names)


def take_parts(document: Document) -> Parts:
    """Take from a document whatever is sound."""
    raw = document.get(("faults",))
    count = len(raw) if isinstance(raw, list) else 0
    faults: dict[int, Fault] = {}
    for index in range(count):
        fault = salvage(document, Fault, ("faults", index))
        if fault is not None:
            faults[index] = fault
    return Parts(
        document=document,
        pipeline=salvage(document, Pipeline, ("pipeline",)),
        faults=faults,
        fault_count=count,
        numbers=salvage(document, Numbers),
        expect=salvage(document, Expectations, ("expect",)),
        embedded=salvage(document, Embedded, ("embedded",)),
    )
