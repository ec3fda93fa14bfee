"""The fields of requests, their types, and what is said of wrong ones."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.services.toxiproxy.bodies import (
    Changes,
    as_float32,
    read_attributes,
    read_changes,
    read_proxies,
    read_proxy,
    read_toxic,
)
from chaosml.services.toxiproxy.syntax import JsonError
from chaosml.services.toxiproxy.toxics import Latency, Noop


def test_fields_are_found_whatever_their_case_and_the_last_one_stands():
    assert read_proxy(b'{"NAME":"a","name":"b","Enabled":true,"more":[1]}') == {
        "name": "b",
        "enabled": True,
    }


def test_null_leaves_a_field_as_it_is():
    assert read_proxy(b'{"name":"a","name":null}') == {"name": "a"}
    assert read_proxy(b"null") == {}
    assert read_proxies(b"null") == []


def test_half_a_surrogate_pair_is_replaced():
    assert read_proxy(b'{"name":"\\ud800x"}') == {"name": "\ufffdx"}
    assert read_proxy(b'{"name":"\\ud83d\\ude00"}') == {"name": "\U0001f600"}


@pytest.mark.parametrize(
    ("reader", "body", "words"),
    [
        (read_proxy, b"[]", "array into Go value of type toxiproxy.Proxy"),
        (read_proxy, b'{"name":1}', "number into Go struct field Proxy.name of type string"),
        (read_proxies, b'[{"name":[]}]', "array into Go struct field .Proxy.name of type string"),
        (read_proxies, b'[{"enabled":1}]', "number into Go struct field .enabled of type bool"),
        (
            read_toxic,
            b'{"attributes":"x"}',
            "string into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic",
        ),
        (
            read_toxic,
            b'{"toxicity":1e999}',
            "number 1e999 into Go struct field ToxicWrapper.toxicity of type float32",
        ),
    ],
)
def test_a_wrong_type_is_named_as_go_does(reader, body, words):
    with pytest.raises(JsonError) as raised:
        reader(body)
    assert str(raised.value) == f"json: cannot unmarshal {words}"


@pytest.mark.parametrize("number", ["1.5", "1e3", "9223372036854775808", "-9223372036854775809"])
def test_an_integer_is_written_as_one_and_has_64_bits(number):
    body = f'{{"attributes":{{"latency":{number}}}}}'.encode()
    with pytest.raises(JsonError, match=f"number {number} into Go struct field LatencyToxic"):
        read_attributes(body, "latency")


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_every_integer_of_64_bits_is_taken(number):
    body = f'{{"attributes":{{"latency":{number}}}}}'.encode()
    assert read_attributes(body, "latency") == Latency(latency=number)


def test_attributes_are_merged():
    body = b'{"attributes":{"LATENCY":1},"attributes":{"jitter":2,"latency":null}}'
    assert read_attributes(body, "latency") == Latency(latency=1, jitter=2)
    assert read_attributes(b'{"attributes":{"any":"x"}}', "noop") == Noop()


def test_changes_keep_what_they_do_not_name():
    setting = Latency(latency=1, jitter=2)
    assert read_changes(b"{}", setting, 0.5) == Changes(setting, 0.5)
    assert read_changes(b'{"attributes":{"jitter":3},"toxicity":1}', setting, 0.5) == Changes(
        Latency(latency=1, jitter=3), 1.0
    )


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_number_of_32_bits_is_shown_by_the_fewest_digits_that_read_back(value):
    shown = as_float32(value)
    assert struct.unpack("<f", struct.pack("<f", shown))[0] == value
    assert as_float32(struct.unpack("<f", struct.pack("<f", 0.1))[0]) == 0.1
    assert math.isclose(shown, value, rel_tol=1e-6, abs_tol=1e-44)
