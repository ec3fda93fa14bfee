"""Figures as people read them, and foreign text that can only be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.reports.wording import (
    count,
    duration,
    folder,
    place,
    printable,
    printable_lines,
    share,
)
from chaosml.verdict import EventRef


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.00 s"),
        (0.416, "0.42 s"),
        (8.06, "8.1 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (125, "2 min 05 s"),
        (3599.6, "1 h"),
        (3725, "1 h 02 min"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_a_duration_is_as_exact_as_it_is_worth_reading(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 %"), (0.004, "0.4 %"), (0.31, "31 %"), (-0.05, "-5 %"), (float("nan"), "unknown")],
)
def test_a_share_is_shown_in_per_cent(value, words):
    assert share(value) == words


def test_one_is_not_many():
    assert (count(1, "trial"), count(0, "trial"), count(4, "trial")) == (
        "1 trial",
        "0 trials",
        "4 trials",
    )


def test_a_cited_event_is_a_line_of_a_file_below_the_run_directory():
    assert place(EventRef("trial/3", 41, "PutObject")) == "trials/3/history.jsonl:41"
    assert folder("control/1") == "controls/1"


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain words", "plain words"),
        ("über 5 € ☃", "über 5 € ☃"),
        ("two\nlines\tand  blanks ", "two lines and blanks"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("no\u00a0break", "no break"),
        ("\ud800", "\\ud800"),
        ("\ufffe\x00", "\\ufffe\\x00"),
    ],
)
def test_what_acts_instead_of_being_read_is_made_visible(foreign, shown):
    assert printable(foreign) == shown


@given(st.text())
def test_foreign_text_becomes_one_printable_line(text):
    assert printable(text).isprintable()


@given(st.text())
def test_foreign_lines_stay_lines_and_become_printable(text):
    shown = printable_lines(text)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert len(shown.split("\n")) == max(1, len(text.splitlines()))
