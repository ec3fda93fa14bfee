"""Whatever stands in a file, rules find something or nothing and never stumble."""

import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosml.document import parse_all
from chaosml.lint import fixing
from chaosml.lint.engine import examine
from chaosml.lint.formats import as_json, github, sarif, text
from chaosml.lint.rules import rules
from chaosml.lint.run import Outcome

PATH = pathlib.Path("any.yaml")
EXAMPLES = [text for rule in rules().values() for text in (rule.bad, rule.good)]
HOSTILE = [
    "",
    "::error::gone",
    "a\nb",
    "\x1b[31m",
    "{{retries}}",
    "%0A",
    "é" * 70,
    "-1",
    "1.5",
    "0",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(HOSTILE) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "value", "container", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(data, loc=()):
    yield loc
    entries = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, value in entries:
        yield from places(value, (*loc, key))


def replaced(data, loc, value):
    if not loc:
        return value
    made = dict(data) if isinstance(data, dict) else list(data)
    made[loc[0]] = replaced(data[loc[0]], loc[1:], value)
    return made


@st.composite
def distorted(draw):
    """An example with something else in one of its places."""
    data = parse_all(draw(st.sampled_from(EXAMPLES)), PATH)[0].data
    # Kind and version stay: without them no rule looks at the document.
    inside = [loc for loc in places(data) if loc and loc[0] not in ("apiVersion", "kind")]
    for _ in range(draw(st.integers(1, 2))):
        loc = draw(st.sampled_from(inside))
        try:
            data = replaced(data, loc, draw(VALUES))
        except (KeyError, IndexError, TypeError):
            continue
    return json.dumps(data)


@settings(max_examples=300, deadline=None)
@given(distorted())
def test_no_rule_and_no_format_stumbles_over_what_stands_in_a_place(written):
    examined = examine(written, PATH, rules())
    outcome = Outcome(rules(), (examined,))
    for form in (text, as_json, github, sarif):
        assert form.render(outcome)
    fixed = fixing.fix(written, PATH, examined)
    assert bool(fixed.mended) == (fixed.text != written)
    assert not examine(fixed.text, PATH, rules()).problems or examined.problems


@pytest.mark.parametrize("example", EXAMPLES)
def test_mending_an_example_keeps_every_comment_in_its_order(example):
    examined = examine(example, PATH, rules())
    fixed = fixing.fix(example, PATH, examined)
    comments = [line.partition("#")[2] for line in example.splitlines() if " #" in line]
    kept = [line.partition("#")[2] for line in fixed.text.splitlines() if " #" in line]
    assert kept == comments
