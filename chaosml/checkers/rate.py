"""What a number of trials says about a rate: exact one-sided Clopper-Pearson bounds.

The upper bound of k in n is the rate at which k or fewer would be seen with a
probability of 1 - confidence; the lower bound the same for k or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["lower_bound", "upper_bound"]

_HALVINGS = 200


def upper_bound(hits: int, trials: int, confidence: float) -> float:
    """Return the rate that `hits` of `trials` exclude from above, such as 0.451 for 0 of 5."""
    if trials == 0 or hits >= trials:
        return 1.0
    return _solve(lambda rate: _at_most(hits, trials, rate), 1 - confidence)


def lower_bound(hits: int, trials: int, confidence: float) -> float:
    """Return the rate that `hits` of `trials` exclude from below."""
    if trials == 0 or hits <= 0:
        return 0.0
    return _solve(lambda rate: _at_most(hits - 1, trials, rate), confidence)


def _solve(probability: Callable[[float], float], wanted: float) -> float:
    """Return the rate at which a probability that falls with the rate is `wanted`."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if probability(middle) > wanted:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, trials: int, rate: float) -> float:
    """Return the probability of `hits` or fewer; in logarithms, so that no term underflows."""
    if rate <= 0.0:
        return 1.0
    if rate >= 1.0:
        return 1.0 if hits >= trials else 0.0
    log_hit, log_miss = math.log(rate), math.log1p(-rate)
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(count + 1)
            - math.lgamma(trials - count + 1)
            + count * log_hit
            + (trials - count) * log_miss
        )
        for count in range(hits + 1)
    )
