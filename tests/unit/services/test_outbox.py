"""What the services keep until their runner has taken it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaosml.services.link import Outbox
from chaosml.services.messages import Answer


def numbers(lines: list[bytes]) -> list[int]:
    return [int(line.split(b'"id":')[1].split(b",")[0].rstrip(b"}\n")) for line in lines]


def test_what_was_taken_is_forgotten_and_the_rest_comes_again() -> None:
    outbox = Outbox()
    for number in range(1, 6):
        outbox.add(Answer(id=number))
    outbox.acknowledge(2)
    assert outbox.after(2)[0] == 3
    first, lines = outbox.after(3)
    assert (first, numbers(lines)) == (4, [4, 5])


def test_nothing_kept_still_says_which_number_comes_next() -> None:
    outbox = Outbox()
    assert outbox.after(0) == (1, [])
    outbox.add(Answer(id=1))
    assert outbox.after(1) == (2, [])


def test_what_is_too_much_drops_the_oldest_and_the_first_number_tells() -> None:
    outbox = Outbox(bytes_max=200)
    for number in range(1, 21):
        outbox.add(Answer(id=number))
    first, lines = outbox.after(0)
    assert first > 1
    assert numbers(lines) == list(range(first, 21))


@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=80))
def test_a_receiver_that_breaks_off_anywhere_gets_each_message_once(
    steps: list[int | None],
) -> None:
    outbox, taken, got, said = Outbox(), 0, [], 0
    for step in steps:
        if step is None:
            said += 1
            outbox.add(Answer(id=said))
            continue
        first, lines = outbox.after(taken)
        assert first == taken + 1
        # The connection breaks after some of them.
        arrived = numbers(lines)[:step]
        got += arrived
        taken += len(arrived)
    _, lines = outbox.after(taken)
    assert got + numbers(lines) == list(range(1, said + 1))
