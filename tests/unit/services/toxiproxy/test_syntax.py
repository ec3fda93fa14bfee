"""JSON in the words of Go."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.services.toxiproxy.syntax import JsonError, Number, Pairs, read


def plain(value):
    """Return what Python's own decoder makes of the same text."""
    if isinstance(value, Pairs):
        return {key: plain(each) for key, each in value}
    if isinstance(value, Number):
        return json.loads(value)
    return [plain(each) for each in value] if isinstance(value, list) else value


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "inf" not in json.dumps(value).lower())


@given(_VALUES)
def test_what_is_well_formed_is_read_as_it_is(value):
    assert plain(read(json.dumps(value).encode())) == value


@given(_VALUES, st.binary(max_size=5))
def test_what_follows_the_first_value_is_ignored(value, rest):
    assert plain(read(json.dumps([value]).encode() + rest)) == [value]


@given(st.binary(max_size=40))
def test_anything_is_read_or_refused_in_words(data):
    try:
        read(data)
    except JsonError as error:
        refused = str(error)
    else:
        return
    assert refused == "EOF" or re.match("unexpected EOF|invalid character '.+' ", refused)


@given(_VALUES, st.data())
def test_whatever_is_cut_off_ends_unexpectedly(value, data):
    text = json.dumps([value]).encode()
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(JsonError, match=r"^unexpected EOF$"):
        read(text[:cut])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "EOF"),
        (b" \t", "EOF"),
        (b"{", "unexpected EOF"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"\xff", "invalid character 'ÿ' looking for beginning of value"),
        (b"\x80", "invalid character '\\u0080' looking for beginning of value"),
        (b"\x00", "invalid character '\\x00' looking for beginning of value"),
        (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
        (b'{"a" "b"}', "invalid character '\"' after object key"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a":01}', "invalid character '1' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[nux]", "invalid character 'x' in literal null (expecting 'l')"),
        (b'["\n"]', "invalid character '\\n' in string literal"),
        (b'["\\q"]', "invalid character 'q' in string escape code"),
        (b'["\\u12g4"]', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"[-x]", "invalid character 'x' in numeric literal"),
        (b"[1.x]", "invalid character 'x' after decimal point in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"[1e+x]", "invalid character 'x' in exponent of numeric literal"),
        (b"[NaN]", "invalid character 'N' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_go(text, words):
    with pytest.raises(JsonError) as raised:
        read(text)
    assert str(raised.value) == words
