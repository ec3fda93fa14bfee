"""Steps in the lines that a program prints anyway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.substrates.steplines import STRETCH_NS, StepLines

LATER = STRETCH_NS


def lines(pattern=r"step=(?P<step>\d+)"):
    return StepLines(pattern, start_ns=0)


def said(claims):
    return [(one.fact.first, one.fact.step) for one in claims]


def read(one, *chunks, every_ns=LATER):
    """Read chunks that arrive one after the other; return all that is said."""
    claims = []
    for number, chunk in enumerate(chunks, start=1):
        claims += one.take(chunk, number * every_ns)
    return [*claims, *one.end()]


def test_each_line_that_names_another_step_is_a_fact_with_the_time_between_two_readings():
    claims = read(lines(), b"step=1\n", b"loss\n", b"step=2 loss=0.3\n")
    assert said(claims) == [(None, 1), (None, 2)]
    assert [(one.earliest_ns, one.latest_ns) for one in claims] == [
        (0, LATER),
        (2 * LATER, 3 * LATER),
    ]


def test_the_same_step_again_is_no_fact():
    assert said(read(lines(), b"step=1\nstep=1\n", b"step=1\n")) == [(None, 1)]


def test_what_arrives_at_once_is_one_fact():
    text = b"".join(b"step=%d\n" % step for step in range(1, 5001))
    assert said(read(lines(), text)) == [(1, 5000)]


@given(pieces=st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_thousands_of_changes_a_second_are_at_most_a_hundred_facts(pieces):
    claims = read(lines(), *[b"step=%d\n" % one for one in pieces], every_ns=100_000)
    assert len(claims) <= len(pieces) * 100_000 // STRETCH_NS + 1


def test_a_step_that_falls_is_told():
    claims = read(lines(), b"step=5\n", b"step=2\n", b"step=3\nstep=1\n")
    assert [(one.fact.step, one.fact.fell) for one in claims] == [(5, False), (2, True), (3, True)]


def test_lines_come_in_any_pieces_and_each_stream_has_its_own():
    one = lines()
    claims = [*one.take(b"st", 1, stream=1), *one.take(b"step=7\n", 2, stream=2)]
    claims += [*one.take(b"ep=", LATER + 2, stream=1), *one.take(b"8\n", LATER + 3, stream=1)]
    assert said([*claims, *one.end()]) == [(None, 7), (None, 8)]


def test_a_line_without_an_end_is_not_read_since_its_number_may_be_cut():
    assert said(read(lines(), b"step=12\nstep=1")) == [(None, 12)]


@pytest.mark.parametrize(
    "line", [b"step=-1", b"step=x", b"step=1e3x", b"step=" + b"9" * 19, b"step=", b"\xff\xfe\x00"]
)
def test_what_is_no_step_is_passed_over(line):
    found = said(read(lines(r"step=(?P<step>\S*)"), line + b"\n", b"step=4\n"))
    assert found == [(None, 4)]


def test_only_the_beginning_of_a_long_line_is_looked_at_and_none_is_kept_whole():
    one = lines()
    long = b"x" * 509 + b"step=1\n"
    cut = b"x" * 506 + b"step=123\n"
    endless = b"y" * 10_000_000
    assert said(read(one, long, cut, endless, b"step=5\n", b"step=3\n")) == [(None, 3)]
    assert one._rest == {0: b""}
