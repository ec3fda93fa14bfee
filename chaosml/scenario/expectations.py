"""Checks that a scenario's expectations can be decided at all."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chaosml.document import Loc
from chaosml.errors import Problem
from chaosml.scenario.model import Bound, Limit
from chaosml.scenario.parts import Parts

__all__ = ["check_expectations", "trials_needed"]


def trials_needed(at_most: float, confidence: float) -> int:
    """Return how many trials without a corruption show a rate below a bound.

    With none of n corrupted, the exact one-sided (Clopper-Pearson) bound is the rate p for which
    (1 - p) ** n = 1 - confidence.
    """
    return math.ceil(math.log(1 - confidence) / math.log(1 - at_most) - 1e-9)


def check_expectations(parts: Parts, trials: int | None) -> Iterator[Problem]:
    """Yield every expectation that no outcome of the run could meet.

    Args:
        parts: The sound parts of the scenario.
        trials: How many trials there will be; None where that is not known.
    """
    if parts.expect is None:
        return
    if isinstance(parts.expect.corruption, Bound) and trials is not None:
        yield from _check_bound(parts, parts.expect.corruption, trials)
    if parts.expect.mttr is not None and parts.numbers is not None:
        yield from _check_recovery(parts, parts.expect.mttr, parts.numbers.deadline)


def _check_bound(parts: Parts, bound: Bound, trials: int) -> Iterator[Problem]:
    needed = trials_needed(bound.at_most, bound.confidence)
    if trials < needed:
        shown = 1 - (1 - bound.confidence) ** (1 / trials)
        message = (
            f"corruption: at most {bound.at_most:.4g} with confidence {bound.confidence:.4g} needs "
            f"{needed} trials, found {trials}: even without any corruption they show only "
            f"{shown:.1%}; write trials: {needed}, or corruption: none"
        )
        yield parts.document.problem(("expect", "corruption"), message)


def _check_recovery(parts: Parts, limit: Limit, deadline_s: float) -> Iterator[Problem]:
    for key, value in (("at-most", limit.at_most), ("p95", limit.p95), ("mean", limit.mean)):
        if value is not None and value > deadline_s:
            at: Loc = ("expect", "mttr", key)
            message = (
                f"mttr.{key}: a recovery of {value:g}s could never be seen, since the deadline of "
                f"an execution is {deadline_s:g}s; raise deadline or lower the limit"
            )
            yield parts.document.problem(at, message)
