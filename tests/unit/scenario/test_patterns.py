"""Regular expressions that are given the lines of a program."""

import re

import pytest

from chaosml.scenario.patterns import LINE_CHARACTERS_MAX, why_costly


@pytest.mark.parametrize(
    "source",
    [
        r"step=(?P<step>\d+)",
        r".*step=(?P<step>\d+).*",
        r"(?i)(?:step|iter)[ =:]+(?P<step>\d+)",
        r"\[\s*(?P<step>\d+)\s*/\s*\d+\s*\]",
        r"epoch \d+.*step (?P<step>\d+)",
        r'"step":\s?(?P<step>\d{1,9})',
        r"^\s*step (?P<step>\d+)$",
        r"(?:[ab]{3}|c)(?P<step>\d+)",
    ],
)
def test_what_people_write_is_taken(source):
    re.compile(source)
    assert why_costly(source) == ""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (r"(\w+\s*)+=(?P<step>\d+)", "repeats a group"),
        (r"(a|ab)*(?P<step>\d+)c", "repeats a group"),
        (r"((a+))+(?P<step>\d+)", "repeats a group"),
        (r".*.*.*(?P<step>\d+)x", "3 repetitions in it may end at many places"),
        (r"\d*\d*\d*(?P<step>\d)$", "3 repetitions"),
        (r"(?P<step>\d+)(?:.*.*.*x|c)", "4 repetitions"),
        (r"(?:.*.*.*.*x)?(?P<step>\d+)", "4 repetitions"),
        (r"(?<=step=)(?P<step>\d+)", "looks around"),
        (r"(a+)\1(?P<step>\d+)", "refers back"),
    ],
)
def test_what_could_keep_the_harness_busy_is_refused_with_the_reason(source, words):
    re.compile(source)
    assert words in why_costly(source)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("line", ["1", "a", " ", "step=1 "])
def test_the_costliest_that_is_taken_ends_on_the_longest_line(line):
    source = r".*\d+x(?P<step>\d+)z"
    assert why_costly(source) == ""
    assert re.search(source, line * LINE_CHARACTERS_MAX) is None
