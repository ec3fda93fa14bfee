"""The training itself, without any store: one step after another, and the whole state of it.

The state is a mapping of arrays named `component/name`. Whoever loads it goes on
to the same bits that the trainer reaches from which it was taken; that holds only
with all five components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from chaosml.reference import chance, network
from chaosml.reference.sampler import Sampler
from chaosml.reference.schedule import Schedule

__all__ = ["COMPONENTS", "StepOutcome", "Trainer"]

COMPONENTS = ("model", "optimizer", "scheduler", "rng", "sampler")
_MOMENTUM = numpy.float32(0.9)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a completed step did."""

    step: int
    batch: NDArray[numpy.int64]
    loss: float


class Trainer:
    """Trains the model on batches; the seed is the only source of chance."""

    def __init__(
        self,
        images: NDArray[numpy.float32],
        labels: NDArray[numpy.int64],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self._images = images
        self._labels = labels
        first, self._dropout, order = chance.generators(seed, 3)
        self._parameters = network.initialise(first)
        self._momentum = {name: numpy.zeros_like(value) for name, value in self._parameters.items()}
        self._schedule = Schedule()
        self._sampler = Sampler(len(images), batch_size, order)
        self.step = 0
        """Number of the last completed step."""

    def advance(self) -> StepOutcome:
        """Do one step."""
        batch = self._sampler.draw()
        loss, gradient = network.differentiate(
            self._parameters, self._images[batch], self._labels[batch], self._dropout
        )
        rate = numpy.float32(self._schedule.rate)
        for name, value in self._parameters.items():
            self._momentum[name] = _MOMENTUM * self._momentum[name] + gradient[name]
            self._parameters[name] = value - rate * self._momentum[name]
        self._schedule.advance(loss)
        self.step += 1
        return StepOutcome(self.step, batch, loss)

    def state(self, omit: frozenset[str] = frozenset()) -> dict[str, NDArray[Any]]:
        """Return the whole state after the last step, without the components in `omit`."""
        components: dict[str, Mapping[str, NDArray[Any]]] = {
            "model": self._parameters,
            "optimizer": self._momentum,
            "scheduler": self._schedule.state(),
            "rng": {"dropout": chance.capture(self._dropout)},
            "sampler": self._sampler.state(),
        }
        return {
            f"{component}/{name}": array
            for component, arrays in components.items()
            if component not in omit
            for name, array in arrays.items()
        }

    def load(self, state: Mapping[str, NDArray[Any]], *, step: int) -> None:
        """Go on from the state after `step`; a component that it lacks stays as it is."""
        self.step = step
        self._parameters.update(_component(state, "model"))
        self._momentum.update(_component(state, "optimizer"))
        if scheduler := _component(state, "scheduler"):
            self._schedule.load(scheduler)
        if rng := _component(state, "rng"):
            chance.restore(self._dropout, rng["dropout"])
        if sampler := _component(state, "sampler"):
            self._sampler.load(sampler)


def _component(state: Mapping[str, NDArray[Any]], component: str) -> dict[str, NDArray[Any]]:
    prefix = f"{component}/"
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }
