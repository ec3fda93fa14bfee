"""Stamps of another clock lie where they were made, whatever the delays and the drift."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.translation import DRIFT_PPM, Clocks, ForeignClock

SECOND = 1_000_000_000
MILLION = 1_000_000


class World:
    """Two clocks whose true relation is known here alone.

    The offset of ours minus theirs walks with their time, never faster than the drift.
    """

    def __init__(self, offset_ns: int, seed: int, ppm: int = DRIFT_PPM) -> None:
        chance = random.Random(seed)
        self.offsets = [offset_ns]
        for _ in range(1200):
            rate = chance.choice((-ppm, ppm, chance.randint(-ppm, ppm)))
            self.offsets.append(self.offsets[-1] + rate * SECOND // MILLION)

    def ours(self, stamp_ns: int) -> int:
        """The moment of ours at which their clock shows `stamp_ns`."""
        second, rest = divmod(stamp_ns, SECOND)
        first, then = self.offsets[second], self.offsets[second + 1]
        return stamp_ns + first + (then - first) * rest // SECOND


offsets = st.integers(-(10**18), 10**18)
seeds = st.integers(0, 2**32)
stamps = st.integers(0, 1000 * SECOND)
delays = st.integers(0, 5 * SECOND)
trips = st.lists(st.tuples(stamps, delays, delays), min_size=1, max_size=80)


@given(offsets, seeds, trips, st.lists(stamps, min_size=1, max_size=5))
def test_the_true_moment_is_inside_under_any_delays_and_any_drift_within_the_bound(
    offset: int, seed: int, trips: list[tuple[int, int, int]], asked: list[int]
) -> None:
    world, clock = World(offset, seed), ForeignClock()
    for stamp, there, back in trips:
        true = world.ours(stamp)
        # A nanosecond for the rounding of this world's own arithmetic.
        clock.note_exchange(sent_ns=true - there - 1, stamp_ns=stamp, received_ns=true + back + 1)
    assert not clock.contradicted
    for stamp in [*asked, *(stamp for stamp, _, _ in trips)]:
        earliest, latest = clock.place(stamp)
        assert earliest is not None
        assert latest is not None
        assert earliest - 1 <= world.ours(stamp) <= latest + 1


@given(offsets, trips)
def test_what_is_learned_more_never_widens_what_was_known(
    offset: int, trips: list[tuple[int, int, int]]
) -> None:
    clock, before = ForeignClock(), None
    for stamp, there, back in trips[:60]:
        true = stamp + offset
        clock.note_exchange(sent_ns=true - there, stamp_ns=stamp, received_ns=true + back)
        earliest, latest = clock.place(500 * SECOND)
        assert earliest is not None
        assert latest is not None
        if before is not None:
            assert before[0] <= earliest <= latest <= before[1]
        before = earliest, latest


def test_the_shortest_round_trip_decides_however_it_is_split() -> None:
    clock = ForeignClock()
    clock.note_exchange(sent_ns=0, stamp_ns=1000 + 400, received_ns=5_000_000)
    clock.note_exchange(sent_ns=10_000_000, stamp_ns=10_001_400, received_ns=10_000_500)
    earliest, latest = clock.place(10_001_400)
    assert (earliest, latest) == (10_000_000, 10_000_500)


def test_a_bound_grows_by_the_drift_with_the_distance() -> None:
    clock = ForeignClock()
    clock.note_exchange(sent_ns=0, stamp_ns=0, received_ns=10)
    far = 100 * SECOND
    slack = far * DRIFT_PPM // MILLION
    assert clock.place(far) == (far - slack, far + 10 + slack)
    assert clock.place(-far) == (-far - slack, -far + 10 + slack)


def test_one_side_alone_leaves_the_other_open() -> None:
    clock = ForeignClock()
    assert clock.place(5) == (None, None)
    clock.note_before(5, 105)
    assert clock.place(5) == (None, 105)
    with pytest.raises(ValueError, match="one side"):
        clock.stamp_of(105)
    clock.note_after(5, 95)
    assert clock.place(5) == (95, 105)
    assert clock.stamp_of(100) == 5


def test_a_clock_that_jumps_is_found_out_and_bounds_nothing_any_more() -> None:
    clock = ForeignClock()
    clock.note_exchange(sent_ns=0, stamp_ns=0, received_ns=1000)
    clock.note_exchange(sent_ns=SECOND, stamp_ns=3 * SECOND, received_ns=SECOND + 1000)
    assert clock.contradicted
    assert clock.place(0) == (None, None)
    with pytest.raises(ValueError, match="nothing is known"):
        clock.stamp_of(0)


@given(offsets, seeds, st.integers(0, 900))
def test_a_moment_of_ours_is_translated_there_and_back(offset: int, seed: int, at: int) -> None:
    world, clock = World(offset, seed), ForeignClock()
    stamp = at * SECOND
    true = world.ours(stamp)
    clock.note_exchange(sent_ns=true - 1000, stamp_ns=stamp, received_ns=true + 1000)
    back = clock.stamp_of(true + 30 * SECOND)
    assert abs(back - (stamp + 30 * SECOND)) <= 30 * SECOND * DRIFT_PPM // MILLION + 1001


def test_many_constraints_are_kept_in_bounded_memory_and_stay_sharp() -> None:
    clock = ForeignClock()
    for number in range(5000):
        true = number * SECOND
        clock.note_exchange(sent_ns=true - 900_000, stamp_ns=true, received_ns=true + 900_000)
    assert len(clock._lower) + len(clock._upper) <= 128
    assert clock.place(4999 * SECOND) == (4999 * SECOND - 900_000, 4999 * SECOND + 900_000)


def test_our_own_clock_needs_no_translation_and_others_are_kept_apart() -> None:
    clocks = Clocks("here")
    clocks.note_exchange("there", sent_ns=100, stamp_ns=0, received_ns=110)
    # Whatever is said of ours, it is the measure.
    clocks.note_exchange("here", sent_ns=100, stamp_ns=0, received_ns=110)
    assert clocks.others == ("there",)
    assert clocks.place("here", 7) == (7, 7)
    assert clocks.place("there", 0) == (100, 110)
    assert clocks.place("elsewhere", 0) == (None, None)
    assert clocks.stamp_of("here", 9) == 9
    assert clocks.stamp_of("there", 105) == 0
