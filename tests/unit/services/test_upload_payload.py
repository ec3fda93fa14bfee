"""Decoding and checking of what a client uploads."""

import base64
import hashlib
import importlib.util
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosml.services.payload import ChunkedDecoder, PayloadCheck, is_chunked
from chaosml.services.refusal import Refusal


def encode(pieces, trailer=(), signed=True):
    """Write `pieces` in S3's chunks."""
    extension = b";chunk-signature=" + b"0" * 64 if signed else b""
    body = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    lines = b"".join(b"%s:%s\r\n" % line for line in trailer)
    return body + b"0" + extension + b"\r\n" + lines + b"\r\n"


def decode(data, cut=1 << 30):
    decoder = ChunkedDecoder()
    parts = [decoder.feed(data[at : at + cut]) for at in range(0, len(data), cut)]
    decoder.finish()
    return b"".join(parts), decoder.trailer


def base64_of(data):
    return base64.b64encode(data).decode()


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    cut=st.integers(min_value=1, max_value=50),
    signed=st.booleans(),
)
def test_chunks_are_taken_off_however_they_arrive(pieces, cut, signed):
    decoded, trailer = decode(encode(pieces, signed=signed), cut)
    assert (decoded, trailer) == (b"".join(pieces), {})


def test_a_trailer_is_kept():
    data = encode([b"abc"], [(b"x-amz-checksum-crc32", b"NSRBwg=="), (b"X-Amz-Other", b" 1 ")])
    assert decode(data, 7) == (b"abc", {"x-amz-checksum-crc32": "NSRBwg==", "x-amz-other": "1"})


@pytest.mark.parametrize(
    "data",
    [b"zz\r\nabc\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"-2\r\nab\r\n", b"a" * 20000],
    ids=["no size", "chunk too long", "negative size", "endless head"],
)
def test_what_is_not_in_chunks_is_refused(data):
    with pytest.raises(Refusal) as refused:
        ChunkedDecoder().feed(data)
    assert refused.value.code == "InvalidRequest"


def test_a_body_that_ends_before_its_last_chunk_is_incomplete():
    decoder = ChunkedDecoder()
    assert decoder.feed(b"5\r\nab") == b"ab"
    with pytest.raises(Refusal) as refused:
        decoder.finish()
    assert refused.value.code == "IncompleteBody"


def test_chunks_are_announced_by_digest_or_by_encoding():
    assert is_chunked({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
    assert is_chunked({"content-encoding": "aws-chunked,gzip"})
    assert not is_chunked({"content-encoding": "gzip", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})


def stated(body):
    """Every digest a client may state of `body`, as headers."""
    return {
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "content-md5": base64_of(hashlib.md5(body, usedforsecurity=False).digest()),
        "x-amz-checksum-crc32": base64_of(zlib.crc32(body).to_bytes(4, "big")),
        "x-amz-checksum-sha1": base64_of(hashlib.sha1(body, usedforsecurity=False).digest()),
        "x-amz-checksum-sha256": base64_of(hashlib.sha256(body).digest()),
    }


def check(headers, body, trailer=None, *, of_body=True):
    checked = PayloadCheck(headers, of_body=of_body, strict=True)
    for at in range(0, len(body), 3):
        checked.update(body[at : at + 3])
    return checked, checked.verify(trailer or {})


def test_a_payload_that_is_what_was_stated_passes():
    checked, trailing = check(stated(b"payload"), b"payload")
    assert (checked.size, checked.sha256) == (7, hashlib.sha256(b"payload").hexdigest())
    assert trailing == {}


@pytest.mark.parametrize("name", sorted(stated(b"")))
def test_a_payload_that_differs_from_one_stated_digest_is_refused(name):
    headers = stated(b"payload") | {name: stated(b"another")[name]}
    with pytest.raises(Refusal) as refused:
        check(headers, b"payload")
    expected = "XAmzContentSHA256Mismatch" if name == "x-amz-content-sha256" else "BadDigest"
    assert (refused.value.status, refused.value.code) == (400, expected)


def test_a_checksum_in_the_trailer_counts_like_one_in_the_head():
    headers = {"x-amz-trailer": "x-amz-checksum-crc32"}
    right = {"x-amz-checksum-crc32": stated(b"payload")["x-amz-checksum-crc32"]}
    assert check(headers, b"payload", right)[1] == right
    with pytest.raises(Refusal) as refused:
        check(headers, b"another", right)
    assert refused.value.code == "BadDigest"


@pytest.mark.parametrize(
    ("name", "code"),
    [("content-md5", "InvalidDigest"), ("x-amz-checksum-sha256", "InvalidRequest")],
)
def test_a_digest_that_is_not_base64_is_refused(name, code):
    with pytest.raises(Refusal) as refused:
        check({name: "not base64!"}, b"")
    assert refused.value.code == code


def test_a_checksum_of_the_assembled_object_is_not_compared_with_the_list_of_parts():
    check(stated(b"list") | {"x-amz-checksum-crc32": "AAAAAA=="}, b"list", of_body=False)


def test_a_checksum_that_nobody_can_check_is_refused_by_name_where_the_store_would_take_it():
    headers = {"x-amz-checksum-xxhash3": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT"}
    with pytest.raises(Refusal, match="cannot check xxhash3") as refused:
        PayloadCheck(headers, of_body=True, strict=True)
    assert refused.value.status == 501
    PayloadCheck(headers, of_body=True, strict=False).verify({})


@pytest.mark.skipif(
    importlib.util.find_spec("awscrt") is not None, reason="awscrt can check CRC32C"
)
def test_crc32c_without_its_library_is_refused_with_what_to_do():
    with pytest.raises(Refusal, match="use CRC32 or SHA256, or install awscrt"):
        PayloadCheck({"x-amz-checksum-crc32c": "AAAAAA=="}, of_body=True, strict=True)


def test_an_error_is_escaped_in_its_document():
    document = Refusal(400, "BadDigest", "a < b & c").render("/b/<k>")
    assert b"<Message>a &lt; b &amp; c</Message>" in document
    assert b"<Resource>/b/&lt;k&gt;</Resource>" in document
