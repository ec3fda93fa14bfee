"""Order and length of what is known only as intervals."""

from hypothesis import given
from hypothesis import strategies as st

from chaosml.timeline.moment import Moment, Order, Span, order, overlap, passed

times = st.integers(0, 1000)
moments = st.builds(
    lambda start, width: Moment(start, start + width, 1), times, st.integers(0, 100)
)


def test_overlapping_moments_have_no_order():
    assert order(Moment(0, 10, 1), Moment(5, 15, 2)) is Order.UNKNOWN
    assert order(Moment(0, 4, 1), Moment(5, 15, 2)) is Order.BEFORE
    assert order(Moment(16, 20, 1), Moment(5, 15, 2)) is Order.AFTER


def test_the_time_between_moments_spans_what_it_may_have_been():
    assert passed(Moment(0, 2 * 10**9, 1), Moment(5 * 10**9, 6 * 10**9, 2)) == Span(3.0, 6.0)


@given(moments, moments, st.data())
def test_a_span_holds_every_duration_that_the_intervals_allow(first, second, data):
    start = data.draw(st.integers(first.earliest_ns, first.latest_ns))
    end = data.draw(st.integers(second.earliest_ns, second.latest_ns))
    span = passed(first, second)
    assert span.low_s <= max(0, end - start) / 1e9 <= span.high_s


@given(moments, moments, moments, moments, st.data())
def test_an_overlap_holds_every_length_that_the_intervals_allow(a, b, c, d, data):
    a0, b0, c0, d0 = (
        data.draw(st.integers(one.earliest_ns, one.latest_ns)) for one in (a, b, c, d)
    )
    both = max(0, min(b0, d0) - max(a0, c0)) / 1e9
    span = overlap((a, b), (c, d))
    assert span.low_s <= both <= span.high_s


def test_what_is_taken_from_a_span_widens_it():
    assert Span(10.0, 12.0).minus(Span(1.0, 3.0)) == Span(7.0, 11.0)
