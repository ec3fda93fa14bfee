"""The services under malformed, huge, slow, endless and concurrent input: no crash, no leak.

Hypothesis writes the requests byte by byte, since a client library would not send them.
"""

from __future__ import annotations

import contextlib
import http.client
import pathlib
import re
import socket
import threading
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services_under_test import connect, request, signed

from chaosml import clock
from chaosml.event import Request

pytestmark = pytest.mark.slow

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_PATIENCE_S = 10.0
CLIENTS = 1000
FUZZ = settings(max_examples=150)


@pytest.fixture(scope="module")
def world(running):
    running.begin()
    # What is asked at random may empty or remove it.
    running.store().create_bucket(Bucket="fuzzed")
    return running


def endpoint_names(world):
    ends = world.endpoints
    return {"gate": ends.gate_url, "metadata": ends.metadata_url, "control": ends.control}


def converse(address, data, *, patience_s=_PATIENCE_S):
    """Send bytes, end our side, and return everything that is answered."""
    with connect(address) as client:
        client.settimeout(patience_s)
        answer = b""
        # Whoever is refused in the middle of what it sends sees a reset, and that is an answer.
        with contextlib.suppress(OSError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                answer += piece
        return answer


def is_well(world):
    """Whether an object still passes both ways."""
    s3 = world.s3()
    s3.put_object(Bucket=world.bucket, Key="well", Body=b"well")
    return s3.get_object(Bucket=world.bucket, Key="well")["Body"].read() == b"well"


def open_files(world):
    return len(list(pathlib.Path(f"/proc/{world.services.pid}/fd").iterdir()))


def assert_no_crash(world):
    assert is_well(world)
    world.services.check()
    for log in world.folder.rglob("*.log"):
        before, broke, trace = log.read_text(errors="replace").partition("ERROR aiohttp")
        assert not broke, f"{len(before)} characters into {log}: {trace[:4000]}"


words = st.sampled_from(
    ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "PURGE", "get", "G ET", ""]
)
paths = st.one_of(
    st.sampled_from(
        [
            "/", "//", "/fuzzed", "/fuzzed/", "/fuzzed/k", "/fuzzed/%", "/fuzzed/%00",
            "/fuzzed/../../etc/passwd", "/fuzzed/k?uploads", "/fuzzed/k?uploadId=x",
            "/fuzzed/k?partNumber=x&uploadId=y", "/fuzzed?delete", "/moto-api/reset", "*",
            "http://elsewhere/x", "http://x@y:z", "@elsewhere/x", "elsewhere:80",
            "/fuzzed?list-type=2&max-keys=-1",
            "/node/n1/latest/meta-data/spot/instance-action", "/node/%2e%2e/latest/api/token",
        ]
    ),
    st.text(min_size=1, max_size=60).map(lambda text: "/" + urllib.parse.quote(text)),
)  # fmt: skip
names = st.one_of(
    st.sampled_from(
        [
            "Content-Length", "Transfer-Encoding", "Expect", "Range", "Content-MD5",
            "x-amz-content-sha256", "x-amz-decoded-content-length", "Content-Encoding",
            "x-amz-checksum-crc32", "x-amz-trailer", "x-amz-copy-source", "If-None-Match",
            "X-aws-ec2-metadata-token-ttl-seconds", "Metadata-Flavor", "Connection", "Host",
        ]
    ),
    st.text("abc-XYZ", min_size=1, max_size=12),
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        [
            "0", "-1", "7", "99999999999999999999", "chunked", "100-continue", "bytes=5-2", "x",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "aws-chunked", "close", "gzip", "*",
        ]
    ),
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40),
)  # fmt: skip
fields = st.lists(st.tuples(names, values), max_size=6)
bodies = st.binary(max_size=300)


def written(verb, path, headers, body, *, of_pod):
    """Return a request as bytes; the body is as long as its headers say, or not."""
    lines = [f"{verb} {path} HTTP/1.1", "Host: services"]
    lines += [f"{name}: {value}" for name, value in signed().items()] if of_pod else []
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


@FUZZ
@given(verb=words, path=paths, headers=fields, body=bodies, of_pod=st.booleans())
def test_whatever_is_asked_of_the_gate_is_answered_or_refused(
    world, verb, path, headers, body, of_pod
):
    answer = converse(world.endpoints.gate_url, written(verb, path, headers, body, of_pod=of_pod))
    status = _STATUS.match(answer)
    assert not answer or status, answer[:200]
    # The store may break on what it is asked; of the gate a 500 would be a handler that broke.
    assert status is None or status[1] != b"500" or b"<RequestId>chaosml" not in answer, answer


@FUZZ
@given(verb=words, path=paths, headers=fields, body=bodies)
def test_whatever_is_asked_of_the_metadata_service_is_answered_or_refused(
    world, verb, path, headers, body
):
    answer = converse(
        world.endpoints.metadata_url, written(verb, path, headers, body, of_pod=False)
    )
    status = _STATUS.match(answer)
    assert not answer or (status is not None and int(status[1]) < 500), answer[:200]


@FUZZ
@given(data=st.binary(max_size=400))
@pytest.mark.parametrize("name", ["gate", "metadata", "control"])
def test_noise_ends_its_own_connection_and_nothing_else(world, name, data):
    converse(endpoint_names(world)[name], data)
    world.services.check()


def test_nothing_of_all_that_has_crashed_a_handler(world):
    assert_no_crash(world)


@pytest.mark.parametrize("name", ["gate", "metadata"])
def test_a_head_without_an_end_is_cut_off(world, name):
    endless = b"GET / HTTP/1.1\r\n" + b"x-filler: " + b"x" * (4 << 20)
    converse(endpoint_names(world)[name], endless)
    assert_no_crash(world)


def test_clients_that_never_close_keep_nobody_from_being_served(world):
    before = open_files(world)
    with contextlib.ExitStack() as stack:
        for number in range(CLIENTS):
            name = ("gate", "metadata", "control")[number % 3]
            client = stack.enter_context(connect(endpoint_names(world)[name]))
            client.sendall(b"GET /slow HTTP/1.1\r\nx-half: " if number % 3 < 2 else b'{"v":1,')
        assert is_well(world)
    deadline = clock.Deadline("closed files of clients that have gone", _PATIENCE_S)
    assert clock.wait_until(lambda: open_files(world) <= before + 20, deadline), (
        f"{open_files(world)} open files, {before} before"
    )


def test_a_client_that_ignores_every_refusal_and_asks_in_a_tight_loop_is_refused_each_time(world):
    tries = 300
    netloc = urllib.parse.urlsplit(world.endpoints.gate_url).netloc
    before = len(world.facts(Request))
    for _ in range(tries):
        connection = http.client.HTTPConnection(netloc, timeout=20)
        with contextlib.closing(connection):
            connection.request("PATCH", f"/{world.bucket}/k", b"x", signed())
            assert connection.getresponse().status == 501
    world.wait_for(Request, before + tries)
    assert_no_crash(world)


def test_many_clients_at_once_each_get_their_own_object(world):
    wrong: list[str] = []

    def play(number):
        s3 = world.s3()
        for turn in range(5):
            body = f"{number}/{turn}".encode() * 500
            s3.put_object(Bucket=world.bucket, Key=f"of-{number}", Body=body)
            got = s3.get_object(Bucket=world.bucket, Key=f"of-{number}")["Body"].read()
            if got != body:
                wrong.append(f"{number}/{turn}")

    threads = [threading.Thread(target=play, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_a_body_that_comes_byte_by_byte_is_stored_whole(world):
    head = f"PUT /{world.bucket}/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signed().items())
    with connect(world.endpoints.gate_url) as client:
        client.sendall(head.encode() + b"\r\n")
        for _ in range(40):
            client.sendall(b"s")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert world.stored("slow") == [b"s" * 40]


def test_a_huge_stated_length_takes_no_memory_before_its_bytes_come(world):
    before = resident_mb(world)
    head = f"PUT /{world.bucket}/huge HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signed().items())
    with connect(world.endpoints.gate_url) as client:
        client.sendall(head.encode() + b"\r\n" + b"h" * (8 << 20))
        assert is_well(world)
        assert resident_mb(world) < before + 60
    status, _, _ = request(world.endpoints.gate_url, "HEAD", f"/{world.bucket}/huge", signed())
    assert status == 404


def resident_mb(world):
    fields_of = pathlib.Path(f"/proc/{world.services.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", fields_of)
    assert found is not None
    return int(found[1]) / 1000
