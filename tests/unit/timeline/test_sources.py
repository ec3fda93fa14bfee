"""When the absence of an event means something."""

import random

import pytest

from chaosml.timeline.sources import SourceCounter, describe_incomplete


def counted(numbers, last=None, opened=True, lost=None):
    counter = SourceCounter("gate", opened=opened, last=last, lost=lost)
    for number in numbers:
        counter.seen += 1
        if number == counter.expected:
            counter.expected += 1
        else:
            counter.jump(number)
    return counter.freeze()


def test_a_closed_source_with_every_number_is_complete():
    assert counted([1, 2, 3], last=3).is_complete
    assert counted([], last=0).is_complete


@pytest.mark.parametrize(
    ("numbers", "last", "missing"),
    [([1, 3], 3, 1), ([1, 2], 3, 1), ([2, 3], 3, 1), ([], 3, 3), ([5], 5, 4)],
)
def test_missing_numbers_are_counted_wherever_they_are(numbers, last, missing):
    source = counted(numbers, last=last)
    assert not source.is_complete
    assert source.missing == missing


def test_numbers_in_any_order_are_complete_once_all_are_there():
    numbers = list(range(1, 200))
    random.Random(1).shuffle(numbers)
    source = counted(numbers, last=199)
    assert source.is_complete
    assert source.shuffled


def test_a_number_that_comes_twice_makes_the_source_worthless():
    assert not counted([1, 2, 2, 3], last=4).is_complete
    assert not counted([1, 1], last=2).is_complete


def test_a_source_that_was_never_closed_or_opened_or_was_lost_is_incomplete():
    assert not counted([1, 2]).is_complete
    assert not counted([1, 2], last=2, opened=False).is_complete
    assert not counted([1, 2], last=2, lost="node gone").is_complete


def test_a_gap_of_any_size_takes_little_memory():
    assert counted([10**12], last=10**12).missing == 10**12 - 1


def test_the_reason_names_the_source():
    sources = {"gate": counted([1, 3], last=3)}
    assert describe_incomplete(sources, ("gate",)) == "gate lacks 1 events"
    assert describe_incomplete(sources, ("audit",)) == "audit never reported"
    assert describe_incomplete({"gate": counted([1], last=1)}, ("gate",)) == ""
