"""Addresses as Go splits them, with its words for what is wrong."""

import pytest

from chaosml.services.toxiproxy.addresses import AddressError, split


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:80", ("127.0.0.1", "80")),
        (":80", ("", "80")),
        ("[::1]:80", ("::1", "80")),
        ("name:http", ("name", "http")),
        ("name:", ("name", "")),
    ],
)
def test_an_address_is_split_into_host_and_port(address, parts):
    assert split(address) == parts


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("name", "missing port in address"),
        ("[::1]", "missing port in address"),
        ("[::1", "missing ']' in address"),
        ("1:2:3", "too many colons in address"),
        ("[::1]:1:2", "too many colons in address"),
        ("a[b:1", "unexpected '[' in address"),
        ("a]b:1", "unexpected ']' in address"),
    ],
)
def test_what_cannot_be_split_is_named(address, words):
    with pytest.raises(AddressError) as raised:
        split(address)
    assert str(raised.value) == f"address {address}: {words}"
