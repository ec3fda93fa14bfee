"""Whether one set of figures is really larger than another, exactly and for any ties.

The one-sided rank-sum test of Wilcoxon: under the hypothesis that the labels mean nothing,
every choice of ranks for the second set is as likely as any other. The choices whose sum
reaches the observed one are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["larger"]

_VALUES_MAX = 200


def larger(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the probability of ranks as high as those of `after` if nothing had changed.

    Of more than 200 values in a set only the first 200 are used, which bounds the time.
    """
    before, after = before[:_VALUES_MAX], after[:_VALUES_MAX]
    if not before or not after:
        return 1.0
    ranks = _doubled_ranks([*before, *after])
    observed = sum(ranks[len(before) :])
    # ways[k][s]: in how many ways k of the ranks seen so far add up to s.
    ways: list[dict[int, int]] = [{} for _ in range(len(after) + 1)]
    ways[0][0] = 1
    for rank in ranks:
        for chosen in range(len(after), 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + count
    reached = sum(count for total, count in ways[-1].items() if total >= observed)
    return reached / math.comb(len(ranks), len(after))


def _doubled_ranks(values: list[float]) -> list[int]:
    """Return twice the mid-rank of every value, so that ties stay whole numbers."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = {value: place for place, value in enumerate(ordered)}
    return [first[value] + last[value] + 2 for value in values]
