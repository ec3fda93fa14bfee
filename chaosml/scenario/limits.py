"""The limits that expectations set: for rates, durations, steps, shares and counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chaosml.scenario.form import Section
from chaosml.scenario.units import Duration, Integer, PartialPercent, Percent

__all__ = [
    "Bound",
    "Corruption",
    "CountLimit",
    "DurationLimit",
    "Limit",
    "RatioLimit",
    "ShareLimit",
    "StepLimit",
]


class Bound(Section):
    """A rate with the confidence that the trials must support."""

    at_most: PartialPercent
    """The upper bound of the rate of corrupt trials."""
    confidence: PartialPercent = 0.95
    """With which the trials must show it; one that they cannot support is refused at load."""


Corruption = Literal["none"] | Bound


class Limit(Section):
    """A limit for a duration; every given bound must hold."""

    at_most: Duration | None = None
    """For each single recovery."""
    p95: Duration | None = None
    """For the 95th percentile."""
    mean: Duration | None = None
    """For the mean."""
    excluding: tuple[Literal["scheduling"], ...] = ()
    """Parts of a recovery that do not count."""

    @model_validator(mode="after")
    def _check(self) -> Limit:
        if self.at_most is None and self.p95 is None and self.mean is None:
            raise ValueError("limits nothing; give at least one of at-most, p95, mean")
        return self


class StepLimit(Section):
    """A limit for lost steps."""

    at_most: Annotated[Integer, Field(ge=0)]
    """How many steps."""


class CountLimit(Section):
    """A limit for how many there may be."""

    at_most: Annotated[Integer, Field(ge=0)]
    """How many."""


class ShareLimit(Section):
    """A limit for a share."""

    at_most: Percent
    """The share; may be more than 100%."""


class DurationLimit(Section):
    """A limit for every single duration."""

    at_most: Duration
    """How long."""


class RatioLimit(Section):
    """A limit for how often something happens for each time that it is of use."""

    at_most: Annotated[float, Field(ge=1.0)]
    """How often, for each time that it is of use."""
