"""Exact bounds of a rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.checkers.rate import lower_bound, upper_bound


@pytest.mark.parametrize(
    ("hits", "trials", "bound"),
    [
        # Solved in closed form: for no hit the bound is 1 - 0.05 ** (1 / n).
        (0, 5, 1 - 0.05 ** (1 / 5)),
        (0, 149, 1 - 0.05 ** (1 / 149)),
        (0, 1, 0.95),
        (5, 5, 1.0),
        (0, 0, 1.0),
        # From tables of the beta distribution.
        (1, 10, 0.394163),
        (2, 20, 0.282618),
    ],
)
def test_the_upper_bound_is_exact(hits, trials, bound):
    assert upper_bound(hits, trials, 0.95) == pytest.approx(bound, abs=1e-6)


def test_none_of_five_is_shown_as_45_1_percent():
    assert f"{upper_bound(0, 5, 0.95):.1%}" == "45.1%"


def test_two_percent_at_95_percent_needs_149_trials():
    assert upper_bound(0, 149, 0.95) <= 0.02 < upper_bound(0, 148, 0.95)


def test_the_lower_bound_mirrors_the_upper_one():
    assert lower_bound(5, 5, 0.95) == pytest.approx(0.05 ** (1 / 5), abs=1e-9)
    assert lower_bound(0, 5, 0.95) == 0.0


@given(st.integers(1, 400), st.data())
def test_bounds_enclose_the_observed_rate_and_each_other(trials, data):
    hits = data.draw(st.integers(0, trials))
    low, high = lower_bound(hits, trials, 0.95), upper_bound(hits, trials, 0.95)
    assert 0 <= low <= hits / trials <= high <= 1


def test_large_counts_do_not_underflow():
    assert 0.1 < upper_bound(10_000, 100_000, 0.95) < 0.102
