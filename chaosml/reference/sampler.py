"""Which samples make the next batch: shuffled anew in every epoch, exact at every position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from chaosml.reference import chance

__all__ = ["Sampler"]


class Sampler:
    """Draws batches of sample ids without end; the last batch of an epoch may be smaller.

    Its state holds the generator as it was *before* the permutation of the epoch was
    drawn: a resumed sampler draws the same permutation again and goes on inside it.
    """

    def __init__(self, samples: int, batch_size: int, generator: numpy.random.Generator) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._generator = generator
        self._begin_epoch(0)

    def draw(self) -> NDArray[numpy.int64]:
        """Return the ids of the next batch."""
        if self._position >= self._samples:
            self._begin_epoch(self._epoch + 1)
        batch = self._order[self._position : self._position + self._batch_size]
        self._position += len(batch)
        return batch

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that the next batches depend on."""
        return {
            "epoch": numpy.array(self._epoch, dtype=numpy.int64),
            "position": numpy.array(self._position, dtype=numpy.int64),
            "generator": self._before_epoch,
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where the state was taken."""
        chance.restore(self._generator, state["generator"])
        self._begin_epoch(int(state["epoch"]))
        self._position = int(state["position"])

    def _begin_epoch(self, epoch: int) -> None:
        self._before_epoch = chance.capture(self._generator)
        self._order = self._generator.permutation(self._samples)
        self._epoch = epoch
        self._position = 0
