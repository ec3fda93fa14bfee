"""Google's metadata server over HTTP: who may ask, waiting for a change, who read it first."""

from __future__ import annotations

import http.client
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaosml import clock
from chaosml.event import NoticeRead, NoticeVisible
from chaosml.services.messages import Notify, Withdraw

pytestmark = pytest.mark.slow

PREEMPTED = "computeMetadata/v1/instance/preempted"
FLAVOR = {"Metadata-Flavor": "Google"}


def connect(world, path, *, reader=None, node="n1", method="GET", headers=FLAVOR):
    """Ask, and return the connection that will have the answer."""
    url = urllib.parse.urlsplit(world.endpoints.metadata_url)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
    prefix = f"/nodes/{node}" + (f"/pods/{reader}" if reader else "")
    connection.request(method, f"{prefix}/{path}", headers=headers)
    return connection


def fetch(world, path, **details):
    """Return status, headers and text."""
    connection = connect(world, path, **details)
    try:
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def notify(world, provider="gcp", node="n1"):
    deadline_ns = clock.monotonic_ns() + 30_000_000_000
    order = Notify(
        node=node, notice="i", action="terminate", deadline_ns=deadline_ns, provider=provider
    )
    world.call(order)


def test_whoever_does_not_ask_for_google_is_forbidden(world):
    for headers in ({}, {"Metadata-Flavor": "google"}, {**FLAVOR, "X-Forwarded-For": "10.0.0.1"}):
        status, found, _ = fetch(world, PREEMPTED, headers=headers)
        assert (status, found["Metadata-Flavor"]) == (403, "Google")


def test_every_answer_says_its_flavor_and_its_tag(world):
    status, headers, body = fetch(world, PREEMPTED)
    assert (status, body, headers["Metadata-Flavor"]) == (200, "FALSE", "Google")
    assert headers.get_content_type() == "application/text"
    assert len(headers["ETag"]) == 16


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("computeMetadata/v1/instance/none", "GET", 404),
        (PREEMPTED, "POST", 405),
        (f"{PREEMPTED}?timeout_sec=x", "GET", 400),
        (f"{PREEMPTED}?alt=xml", "GET", 400),
        ("computeMetadata/v1/instance/?recursive=true", "GET", 200),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_its_status(world, path, method, status):
    found, headers, _ = fetch(world, path, method=method)
    assert (found, headers["Metadata-Flavor"]) == (status, "Google")


def test_whoever_waits_for_a_change_gets_it_when_it_happens(world):
    connection = connect(world, f"{PREEMPTED}?wait_for_change=true")
    answered = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: (connection.getresponse().read(), answered.set()))
        assert not answered.wait(0.3)
        notify(world)
        assert waiting.result(10)[0] == b"TRUE"
    connection.close()


def test_whoever_knows_an_older_value_gets_the_present_one_at_once(world):
    tag = fetch(world, PREEMPTED)[1]["ETag"]
    notify(world)
    status, headers, body = fetch(world, f"{PREEMPTED}?wait_for_change=true&last_etag={tag}")
    assert (status, body) == (200, "TRUE")
    assert headers["ETag"] != tag
    assert fetch(world, f"{PREEMPTED}?wait_for_change=true&last_etag=NONE")[2] == "TRUE"


def test_the_value_is_unchanged_where_the_time_is_over_first(world):
    tag = fetch(world, PREEMPTED)[1]["ETag"]
    begun_ns = clock.monotonic_ns()
    path = f"{PREEMPTED}?wait_for_change=true&timeout_sec=1&last_etag={tag}"
    status, headers, body = fetch(world, path)
    assert (status, body, headers["ETag"]) == (200, "FALSE", tag)
    assert 0.9 <= (clock.monotonic_ns() - begun_ns) / 1e9 < 5
    assert fetch(world, f"{PREEMPTED}?wait_for_change=true&timeout_sec=0")[2] == "FALSE"


def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(world):
    for _ in range(20):
        connect(world, f"{PREEMPTED}?wait_for_change=true").close()
    notify(world)
    assert fetch(world, PREEMPTED)[2] == "TRUE"
    world.end()
    # Whoever has gone has read nothing.
    assert len(world.facts(NoticeRead)) == 1


def test_a_withdrawn_notice_is_a_change_as_well(world):
    notify(world)
    tag = fetch(world, PREEMPTED)[1]["ETag"]
    connection = connect(world, f"{PREEMPTED}?wait_for_change=true&last_etag={tag}")
    world.call(Withdraw(node="n1"))
    assert connection.getresponse().read() == b"FALSE"
    connection.close()


def test_the_readers_of_a_notice_are_told_and_those_of_other_values_are_not(world):
    notify(world)
    fetch(world, "computeMetadata/v1/instance/id", reader="u1")
    fetch(world, PREEMPTED, reader="u1", method="HEAD")
    fetch(world, "computeMetadata/v1/instance/?recursive=true", reader="u1")
    fetch(world, PREEMPTED)
    world.end()
    read = [(one.uid, one.first) for one in world.facts(NoticeRead)]
    assert read == [("u1", True), (None, False)]
    assert [one.node for one in world.facts(NoticeVisible)] == ["n1"]


@pytest.mark.parametrize("provider", ["aws", "gcp"])
def test_a_notice_is_shown_in_the_format_of_its_provider_only(world, provider):
    notify(world, provider)
    google = fetch(world, PREEMPTED)[2] == "TRUE"
    aws = fetch(world, "latest/meta-data/spot/instance-action", headers={})[0] == 200
    assert (google, aws) == (provider == "gcp", provider == "aws")
