"""The disturbances in force at the gate: which of them a request meets.

One is in force from its order until it is taken back, for every pod of its task. Which
requests it meets follows from their order and from the seed of the run, never from time.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from chaosml.errors import ServiceError
from chaosml.services.messages import AddPod, Disturbance
from chaosml.services.operation import Operation

__all__ = ["LATE_ERROR", "LOSE_ANSWER", "RESET", "THROTTLE", "Disturbances"]

THROTTLE = "throttle"
"""The gate refuses; nothing reaches the store."""
RESET = "reset"
"""The gate cuts the connection before the request is whole; nothing is stored."""
LATE_ERROR = "late-error"
"""The gate answers 200 with an error in the body; nothing reaches the store."""
LOSE_ANSWER = "lose-answer"
"""The store has carried it out; the gate cuts the connection instead of answering."""
_HOWS = (THROTTLE, RESET, LATE_ERROR, LOSE_ANSWER)


@dataclass(slots=True)
class _InForce:
    disturbance: Disturbance
    key: re.Pattern[str] | None
    draw: random.Random
    matches: int = 0
    met: int = 0

    def concerns(self, operation: Operation, pod: AddPod) -> bool:
        """Whether it speaks of such a request."""
        wanted = self.disturbance
        return (
            wanted.task == pod.task
            and (not wanted.operations or operation.name in wanted.operations)
            and (self.key is None or self.key.search(operation.key) is not None)
        )

    def meets(self) -> bool:
        """Count a request that it concerns; return whether it is met."""
        wanted = self.disturbance
        self.matches += 1
        # Drawn for every request, so that what is met does not depend on `nth` and `most`.
        drawn = self.draw.random() < wanted.share
        if self.matches < wanted.nth or not drawn:
            return False
        if wanted.most is not None and self.met >= wanted.most:
            return False
        self.met += 1
        return True


class Disturbances:
    """What the gate does to requests instead of passing them on."""

    def __init__(self, seed: str) -> None:
        """Begin with none; all draws follow from `seed`."""
        self._seed = seed
        self._in_force: dict[str, _InForce] = {}
        self._known: set[str] = set()

    def add(self, disturbance: Disturbance) -> None:
        """Put a disturbance in force.

        Raises:
            ServiceError: its injection has had one before, or it makes no sense.
        """
        name = disturbance.injection
        if name in self._known:
            raise ServiceError(f"{name!r} has disturbed the gate before; give each its own name")
        if disturbance.how not in _HOWS:
            raise ServiceError(f"{name!r}: how={disturbance.how!r} is none of {', '.join(_HOWS)}")
        if not 0 < disturbance.share <= 1 or disturbance.nth < 1:
            raise ServiceError(
                f"{name!r}: share={disturbance.share} must be above 0 and at most 1, "
                f"and nth={disturbance.nth} at least 1"
            )
        try:
            key = None if disturbance.key is None else re.compile(disturbance.key)
        except re.error as error:
            raise ServiceError(
                f"{name!r}: key {disturbance.key!r} is not a regular expression: {error}"
            ) from error
        self._known.add(name)
        draw = random.Random(f"{self._seed}/{name}")
        self._in_force[name] = _InForce(disturbance, key, draw)

    def remove(self, injection: str) -> None:
        """Take the disturbance of an injection back; one that is not there is left alone."""
        self._in_force.pop(injection, None)

    def take(self, operation: Operation, pod: AddPod, *, stored: bool) -> Disturbance | None:
        """Count a request; return the disturbance that it meets, if it meets one.

        Args:
            operation: What it asks.
            pod: Whose it is.
            stored: Whether the store has carried it out, which is when answers are lost.
        """
        found: Disturbance | None = None
        for one in self._in_force.values():
            if (one.disturbance.how == LOSE_ANSWER) != stored:
                continue
            # A request meets one at most; the others do not count it.
            if found is None and one.concerns(operation, pod) and one.meets():
                found = one.disturbance
        return found
