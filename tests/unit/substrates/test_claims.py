"""Finding and reading the lines of probes in what a pod prints."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.event import ClaimPoint, ClaimStep, ClaimUnreadable
from chaosml.substrates.claims import ClaimReader
from chaosml.translation import Clocks

BOOT = "our-boot"


def line(event="point", **fields):
    fields = {"v": 1, "event": event, "seq": 1, "pid": 7, **fields}
    return b"@chaosml " + json.dumps(fields).encode() + b"\n"


def reader(start_ns=100):
    return ClaimReader(boot=BOOT, start_ns=start_ns)


def facts(*chunks):
    one = reader()
    claims = [claim for chunk in chunks for claim in one.take(chunk, 200)]
    return [claim.fact for claim in (*claims, *one.end(200))]


def test_a_line_is_read_with_its_number_and_fields():
    assert facts(line("step", seq=4, step=61, batch="ab", rank=2)) == [
        ClaimStep(n=4, pid=7, rank=2, step=61, batch="ab")
    ]


@given(st.lists(st.integers(1, 200), max_size=20))
def test_how_the_bytes_are_cut_into_chunks_changes_nothing(cuts):
    text = (
        b"noise\n"
        + line(name="a")
        + b"\xff\xfe\n\r 50%|##"
        + line(name="b")
        + b"x" * 5000
        + line(name="c")
        + b"@chaosml {\n"
        + line(name="d").rstrip(b"\n")
    )
    chunks, at = [], 0
    for cut in cuts:
        chunks.append(text[at : at + cut])
        at += cut
    named = [getattr(fact, "name", "unreadable") for fact in facts(*chunks, text[at:])]
    assert named == ["a", "b", "c", "unreadable", "d"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"@chaosml \n", "not an event"),
        (b"@chaosml {\xff}\n", "not an event"),
        (b"@chaosml []\n", "not an event"),
        (line("pod-exited", uid="x", exit_code=0), "not an event"),
        (line("step", step="61", batch="a"), "not an event"),
        (line(name="a", v=2), "version '2'"),
        (line(name="a", big=2**70), "'big' is beyond 64 bits"),
        (line("point"), "not an event"),
        (b'@chaosml {"v":1,"event":"point","seq":1,"pid":1,"name":"\\ud800"}\n', "not an event"),
    ],
)
def test_a_line_that_begins_like_a_probes_and_is_none_is_unreadable(text, why):
    [fact] = facts(text)
    assert isinstance(fact, ClaimUnreadable)
    assert fact.why.startswith(why)


def test_a_quotation_behind_other_text_is_no_claim():
    assert facts(b'{"log": "@chaosml {}"}\n', b"see @chaosml for more\n") == []


def test_a_line_has_4096_bytes_at_most():
    room = 4096 - len(line(name=""))
    [fits] = facts(line(name="x" * room))
    [exceeds] = facts(line(name="x" * (room + 1)))
    assert isinstance(fits, ClaimPoint)
    assert exceeds == ClaimUnreadable(why="longer than 4096 bytes")


def test_an_endless_line_is_not_kept():
    one = reader()
    for _ in range(100):
        assert one.take(b"@chaosml " + b"x" * 100_000, 200) == []
    assert len(one._rest) <= 8192


@pytest.mark.parametrize(
    ("fields", "interval"),
    [
        ({"mono_ns": 150, "boot": BOOT}, (150, 150)),
        ({"mono_ns": 150, "boot": "another machine"}, (180, 200)),
        ({"mono_ns": 999, "boot": BOOT}, (180, 200)),
        ({"mono_ns": 5, "boot": BOOT}, (180, 200)),
        ({"mono_ns": "soon", "boot": BOOT}, (180, 200)),
        ({}, (180, 200)),
    ],
)
def test_a_stamp_counts_on_our_clock_and_between_start_and_reading_only(fields, interval):
    one = reader(start_ns=100)
    one.take(b"earlier\n", 180)
    [claim] = one.take(line(name="a", **fields), 200)
    assert (claim.earliest_ns, claim.latest_ns) == interval


def test_a_stamp_of_another_clock_lies_between_what_bounds_that_clock():
    clocks = Clocks(BOOT)
    clocks.note_exchange("another", sent_ns=1_000_140, stamp_ns=140, received_ns=1_000_144)
    one = ClaimReader(boot=BOOT, start_ns=1_000_000, clocks=clocks)
    [claim] = one.take(line(name="a", mono_ns=150, boot="another"), 1_000_900, 1_000_020)
    assert (claim.earliest_ns, claim.latest_ns) == (1_000_149, 1_000_155)


def test_the_start_of_a_program_and_the_reading_of_its_lines_bound_its_clock_for_all_of_them():
    clocks = Clocks(BOOT)
    first = ClaimReader(boot=BOOT, start_ns=1_000_000, clocks=clocks)
    first.take(line(name="a", mono_ns=100, boot="another"), 1_000_050, 1_000_000)
    second = ClaimReader(boot=BOOT, start_ns=1_000_000, clocks=clocks)
    # Read late, as after a break; the other program's lines say when it was.
    [claim] = second.take(line(name="b", mono_ns=120, boot="another"), 9_000_000, 1_000_000)
    assert (claim.earliest_ns, claim.latest_ns) == (1_000_019, 1_000_071)


def test_a_stamp_that_contradicts_its_own_reading_counts_for_nothing():
    clocks = Clocks(BOOT)
    clocks.note_exchange("another", sent_ns=500, stamp_ns=500, received_ns=500)
    one = ClaimReader(boot=BOOT, start_ns=100, clocks=clocks)
    [claim] = one.take(line(name="a", mono_ns=9_999_999, boot="another"), 600, 300)
    assert (claim.earliest_ns, claim.latest_ns) == (300, 600)
