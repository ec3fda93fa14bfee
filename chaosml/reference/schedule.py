"""The learning rate: a linear warm-up, then decay whenever the loss stops falling.

The rate depends on the losses so far, not on the number of the step alone: a
scheduler that is not in the checkpoint cannot be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

__all__ = ["Schedule"]

_PEAK = 0.1
_WARM_UP_STEPS = 20
_DECAY = 0.7
_SMOOTHING = 0.9
_PATIENCE_STEPS = 15


class Schedule:
    """Learning rate of the next step."""

    def __init__(self) -> None:
        self._count = 0
        self._peak = _PEAK
        self._loss = 0.0
        self._best = float("inf")
        self._best_at = 0

    @property
    def rate(self) -> float:
        """The rate for the next step."""
        return self._peak * min(1.0, (self._count + 1) / _WARM_UP_STEPS)

    def advance(self, loss: float) -> None:
        """Take the loss of a step into account."""
        self._loss = loss if self._count == 0 else _SMOOTHING * self._loss + (1 - _SMOOTHING) * loss
        self._count += 1
        if self._loss < self._best:
            self._best, self._best_at = self._loss, self._count
        elif self._count - self._best_at >= _PATIENCE_STEPS:
            self._peak *= _DECAY
            self._best_at = self._count

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything that the next rates depend on."""
        return {
            "count": numpy.array(self._count, dtype=numpy.int64),
            "peak": numpy.array(self._peak, dtype=numpy.float64),
            "loss": numpy.array(self._loss, dtype=numpy.float64),
            "best": numpy.array(self._best, dtype=numpy.float64),
            "best_at": numpy.array(self._best_at, dtype=numpy.int64),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where the state was taken."""
        self._count = int(state["count"])
        self._peak = float(state["peak"])
        self._loss = float(state["loss"])
        self._best = float(state["best"])
        self._best_at = int(state["best_at"])
