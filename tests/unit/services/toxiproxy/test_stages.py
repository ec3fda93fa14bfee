"""The toxics as pure steps: given the time, what they pass on, hold back, drop and end."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.services.toxiproxy.buffers import BUFFER_BYTES, Buffer, Chunk, Ending
from chaosml.services.toxiproxy.counters import ToxicCounts
from chaosml.services.toxiproxy.toxics import (
    KINDS,
    Bandwidth,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)

MS = 1_000_000


class Bench:
    """One stage between two buffers, and a clock that is set by hand."""

    def __init__(self, setting, seed=0):
        self.counts = ToxicCounts()
        self.stage = setting.start(random.Random(seed), self.counts, 0)
        self.inlet = Buffer(self.stage.inlet_bytes)
        self.outlet = Buffer()
        self.got = b""

    def put(self, data, at_ms=0):
        self.inlet.append(Chunk(memoryview(data), at_ms * MS))

    def end(self, ending=Ending.FINISHED):
        self.inlet.end(ending)

    def at(self, now_ms):
        """Advance, drain; return how many bytes have come so far and when more will."""
        wake_ns = self.stage.advance(round(now_ms * MS), self.inlet, self.outlet)
        while self.outlet.chunks:
            while self.outlet.chunks:
                self.got += bytes(self.outlet.take(1 << 30).data)
            wake_ns = self.stage.advance(round(now_ms * MS), self.inlet, self.outlet)
        return len(self.got), None if wake_ns is None else wake_ns / MS


def test_a_latency_counts_from_the_arrival_of_each_chunk():
    bench = Bench(Latency(latency=100))
    bench.put(b"ab", at_ms=0)
    bench.put(b"cd", at_ms=30)
    assert bench.at(50) == (0, 100)
    assert bench.at(100) == (2, 130)
    bench.end()
    assert bench.at(129) == (2, 130)
    assert bench.outlet.ending is None
    assert bench.at(131) == (4, None)
    assert bench.outlet.ending is Ending.FINISHED
    assert bench.counts.delayed_ns == (100 + 101) * MS


def test_a_chunk_that_is_due_later_holds_back_those_behind_it():
    bench = Bench(Latency(latency=10, jitter=9))
    for number in range(50):
        bench.put(bytes([number]))
    now_ms = 0
    while len(bench.got) < 50:
        _, wake_ms = bench.at(now_ms)
        now_ms = now_ms if wake_ms is None else wake_ms
    assert bench.got == bytes(range(50))
    assert 1 <= now_ms < 19


def test_latencies_in_a_row_add_up():
    first, second = Bench(Latency(latency=10)), Bench(Latency(latency=20))
    first.put(b"x")
    first.stage.advance(11 * MS, first.inlet, second.inlet)
    assert second.at(29) == (0, 30)
    assert second.at(30) == (1, None)


def test_a_changed_latency_is_that_of_what_waits_too():
    bench = Bench(Latency(latency=60_000))
    bench.put(b"x")
    assert bench.at(1) == (0, 60_000)
    bench.stage.change(Latency(latency=5), MS)
    assert bench.at(5) == (1, None)


@pytest.mark.parametrize("rate", [1, 7, 100, 5000])
def test_a_bandwidth_passes_a_byte_a_millisecond_for_each_kilobyte_a_second(rate):
    bench = Bench(Bandwidth(rate=rate))
    bench.put(b"x" * rate * 1000)
    for now_ms in (100, 500, 1000):
        passed, _ = bench.at(now_ms)
        assert rate * now_ms * 0.89 <= passed <= rate * now_ms


def test_nobody_gets_back_the_bandwidth_that_a_receiver_let_pass():
    bench = Bench(Bandwidth(rate=1000))
    bench.put(b"x" * 100_000)
    bench.outlet.size = BUFFER_BYTES
    bench.stage.advance(50 * MS, bench.inlet, bench.outlet)
    bench.outlet.size = 0
    assert bench.at(60)[0] <= 10_000


def test_a_bandwidth_that_is_not_positive_passes_nothing():
    for rate in (0, -1):
        bench = Bench(Bandwidth(rate=rate))
        bench.put(b"x")
        bench.end()
        assert bench.at(1e9) == (0, None)
        bench.stage.change(Bandwidth(rate=1), 0)
        bench.at(1e9)
        assert bench.got == b"x"


def test_a_slow_close_passes_bytes_at_once_and_the_end_later():
    bench = Bench(SlowClose(delay=50))
    bench.put(b"x")
    bench.end()
    assert bench.at(10) == (1, 60)
    assert bench.outlet.ending is None
    bench.at(60)
    assert bench.outlet.ending is Ending.FINISHED


def test_a_timeout_drops_everything_and_waits_anew_after_each_chunk():
    bench = Bench(Timeout(timeout=100))
    bench.put(b"abc")
    assert bench.at(80) == (0, 180)
    assert bench.at(179) == (0, 180)
    assert bench.at(180) == (0, None)
    assert bench.outlet.ending is Ending.CUT
    assert (bench.counts.dropped_bytes, bench.counts.closed) == (3, 1)


def test_a_timeout_without_a_time_cuts_when_it_leaves():
    bench = Bench(Timeout())
    bench.put(b"abc")
    assert bench.at(1e9) == (0, None)
    bench.stage.leave(bench.outlet)
    assert bench.outlet.ending is Ending.CUT


def test_a_reset_waits_for_the_first_byte_or_the_end():
    for touch in (lambda bench: bench.put(b"x"), lambda bench: bench.end()):
        bench = Bench(ResetPeer(timeout=30))
        assert bench.at(1000) == (0, None)
        touch(bench)
        assert bench.at(1000) == (0, 1030)
        bench.at(1030)
        assert bench.outlet.ending is Ending.RESET


def test_a_limit_passes_its_bytes_and_cuts():
    bench = Bench(LimitData(bytes=5))
    bench.put(b"abc")
    assert bench.at(0) == (3, None)
    bench.put(b"defg")
    bench.at(0)
    assert (bench.got, bench.outlet.ending) == (b"abcde", Ending.CUT)
    assert bench.counts.dropped_bytes == 2


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing_cuts_at_the_first_byte(limit):
    bench = Bench(LimitData(bytes=limit))
    assert bench.outlet.ending is None
    bench.put(b"abc")
    bench.at(0)
    assert (bench.got, bench.outlet.ending) == (b"", Ending.CUT)


@given(
    st.integers(0, 5000),
    st.integers(-10, 3000),
    st.integers(-10, 4000),
    st.integers(0, 1000),
)
def test_a_slicer_loses_nothing_whatever_it_is_told(size, average, variation, seed):
    setting = Slicer(average_size=average, size_variation=variation)
    pieces = setting.cut(size, random.Random(seed))
    assert sum(pieces) == size
    assert all(pieces) or size == 0
    assert max(pieces) <= max(1, average) + max(0, variation)


def test_a_slicer_pauses_after_each_piece():
    bench = Bench(Slicer(average_size=10, delay=5000))
    bench.put(b"x" * 40)
    assert bench.at(0) == (10, 5)
    assert bench.at(4) == (10, 5)
    assert bench.at(7) == (20, 12)


HARMLESS = st.sampled_from(
    [
        Latency(latency=5, jitter=5),
        Bandwidth(rate=3),
        Slicer(average_size=4, size_variation=2, delay=100),
        SlowClose(delay=3),
        KINDS["noop"](),
    ]
)


@given(HARMLESS, st.lists(st.binary(min_size=1, max_size=40)), st.integers(0, 1000))
def test_a_harmless_toxic_passes_what_came_in_its_order(setting, pieces, seed):
    bench = Bench(setting, seed)
    for number, piece in enumerate(pieces):
        bench.put(piece, at_ms=number)
    bench.end()
    now_ms, steps = 0.0, 0
    while bench.outlet.ending is None:
        _, wake_ms = bench.at(now_ms)
        assert wake_ms is None or wake_ms > now_ms
        now_ms = wake_ms if wake_ms is not None else now_ms
        steps += 1
        assert steps < 10_000
    assert bench.got == b"".join(pieces)
    assert bench.counts.passed_bytes == len(bench.got)


def test_the_same_seed_draws_the_same():
    setting = Slicer(average_size=100, size_variation=50)
    assert setting.cut(5000, random.Random(3)) == setting.cut(5000, random.Random(3))
    assert setting.cut(5000, random.Random(3)) != setting.cut(5000, random.Random(4))
