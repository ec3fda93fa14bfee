"""What the toxics of both servers do to connections, when, and what changes on open ones."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toxiproxy_under_test import (
    WAIT_S,
    Upstream,
    echo,
    embedded,
    real,
    receive,
    receive_all,
)

from chaosml import clock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# A delay may only be longer than asked for where the machine is busy, never shorter.
EARLY_S = 0.003
LATE_S = 2.0


@pytest.fixture(scope="module", params=["embedded", "real"])
def server(request):
    with {"embedded": embedded, "real": real}[request.param]() as server:
        yield server


@pytest.fixture(scope="module")
def upstream():
    service = Upstream(echo)
    yield service
    service.close()


@pytest.fixture
def proxy(server, upstream):
    proxy = server.proxy(upstream.address)
    yield proxy
    server.delete(proxy.path)


@pytest.fixture
def source(server):
    """Return a function: a proxy to an upstream that sends these bytes and then ends."""
    made = []

    def make(data):
        def serve(client):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                receive_all(client)

        service = Upstream(serve)
        made.append((service, server.proxy(service.address)))
        return made[-1][1]

    yield make
    for service, proxy in made:
        server.delete(proxy.path)
        service.close()


def taken_s(client, data=b"x"):
    """Return how long bytes take to come back."""
    started = time.monotonic()
    client.sendall(data)
    assert receive(client, len(data)) == data
    return time.monotonic() - started


def assert_takes(seconds, at_least_s):
    assert at_least_s - EARLY_S <= seconds < at_least_s + LATE_S


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_latency_delays_one_direction(proxy, stream):
    proxy.add("latency", stream, latency=150)
    with proxy.connect() as client:
        assert_takes(taken_s(client), 0.15)


def test_latencies_of_both_directions_and_in_a_row_add_up(server, proxy):
    proxy.add("latency", "upstream", latency=60)
    proxy.add("latency", "downstream", latency=60)
    body = {"type": "latency", "name": "third", "attributes": {"latency": 60}}
    server.post(f"{proxy.path}/toxics", body)
    with proxy.connect() as client:
        assert_takes(taken_s(client), 0.18)


def test_a_latency_shifts_a_stream_and_does_not_slow_it_down(source):
    proxy = source(b"x" * 1_000_000)
    proxy.add("latency", latency=200)
    with proxy.connect() as client:
        started = time.monotonic()
        assert len(receive_all(client)) == 1_000_000
        assert_takes(time.monotonic() - started, 0.2)


def test_a_jitter_stays_within_its_bounds_and_varies(proxy):
    proxy.add("latency", latency=60, jitter=50)
    with proxy.connect() as client:
        times = [taken_s(client) for _ in range(15)]
    assert min(times) >= 0.01 - EARLY_S
    assert max(times) - min(times) > 0.02


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_bandwidth_limits_one_direction(proxy, stream):
    proxy.add("bandwidth", stream, rate=200)
    with proxy.connect() as client:
        # The first 100 ms worth may be on its way at once.
        assert 0.4 <= taken_s(client, b"x" * 100_000) < 0.5 + LATE_S


def test_a_bandwidth_of_zero_passes_nothing_until_it_is_changed(server, proxy):
    toxic = proxy.add("bandwidth", rate=0)
    with proxy.connect() as client:
        client.sendall(b"x")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(WAIT_S)
        server.patch(toxic, {"attributes": {"rate": 1000}})
        assert receive(client, 1) == b"x"


def test_a_slow_close_delays_only_the_end(source):
    proxy = source(b"all")
    proxy.add("slow_close", delay=300)
    with proxy.connect() as client:
        started = time.monotonic()
        assert receive(client, 3) == b"all"
        assert client.recv(1) == b""
        assert_takes(time.monotonic() - started, 0.3)


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_timeout_passes_nothing_and_closes_after_its_time(proxy, stream):
    proxy.add("timeout", stream, timeout=250)
    with proxy.connect() as client:
        started = time.monotonic()
        client.sendall(b"x")
        assert receive_all(client) == b""
        assert_takes(time.monotonic() - started, 0.25)


def test_a_timeout_of_zero_holds_a_connection_until_it_is_removed(server, proxy):
    toxic = proxy.add("timeout", timeout=0)
    with proxy.connect() as client:
        client.sendall(b"x")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(WAIT_S)
        server.delete(toxic)
        assert receive_all(client) == b""


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_peer_is_reset_after_its_time(proxy, stream):
    proxy.add("reset_peer", stream, timeout=200)
    with proxy.connect() as client:
        started = time.monotonic()
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert_takes(time.monotonic() - started, 0.2)


def test_a_peer_is_reset_at_once_where_no_time_is_given(proxy):
    proxy.add("reset_peer", "upstream")
    with proxy.connect() as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_an_upstream_sees_the_reset_too(server):
    seen = []
    told = threading.Event()

    def serve(client):
        try:
            seen.append(client.recv(100))
        except ConnectionResetError as error:
            seen.append(error)
        told.set()

    service = Upstream(serve)
    proxy = server.proxy(service.address)
    proxy.add("reset_peer", "upstream")
    with proxy.connect() as client:
        client.sendall(b"x")
        assert told.wait(WAIT_S)
    assert isinstance(seen[0], ConnectionResetError)
    service.close()


def test_a_slicer_cuts_into_pieces_with_a_pause_between_them(source):
    proxy = source(b"x" * 2000)
    proxy.add("slicer", average_size=100, size_variation=0, delay=20_000)
    with proxy.connect() as client:
        started = time.monotonic()
        pieces = []
        while piece := client.recv(65536):
            pieces.append(len(piece))
        # Halves of halves until none is above the average: 2000 / 32.
        assert sum(pieces) == 2000
        assert_takes(time.monotonic() - started, 31 * 0.02)
    # A busy client may find two of them at once.
    assert len(pieces) > 8


def test_a_limit_passes_so_many_bytes_and_closes(source):
    proxy = source(b"0123456789" * 1000)
    proxy.add("limit_data", bytes=1234)
    for _ in range(2):
        with proxy.connect() as client:
            assert receive_all(client) == (b"0123456789" * 124)[:1234]


def test_a_limit_counts_the_bytes_of_a_connection_over_requests(proxy):
    proxy.add("limit_data", bytes=5)
    with proxy.connect() as client:
        taken_s(client, b"abc")
        client.sendall(b"defg")
        assert receive_all(client) == b"de"


def test_no_toxicity_spares_every_connection(proxy):
    proxy.add("timeout", toxicity=0.0, timeout=1)
    for _ in range(5):
        with proxy.connect() as client:
            taken_s(client)


def test_half_a_toxicity_is_drawn_for_each_connection_not_for_each_request(proxy):
    proxy.add("latency", toxicity=0.5, latency=60)
    hit = 0
    for _ in range(24):
        with proxy.connect() as client:
            hit += all(taken_s(client) >= 0.06 - EARLY_S for _ in range(5))
    # Drawn for each request, all five would be hit on fewer than one connection of 24.
    assert 4 <= hit <= 22


def test_toxics_are_added_changed_and_removed_on_an_open_connection(server, proxy):
    with proxy.connect() as client:
        assert taken_s(client) < LATE_S
        toxic = proxy.add("latency", latency=150)
        assert_takes(taken_s(client), 0.15)
        server.patch(toxic, {"attributes": {"latency": 300}})
        assert_takes(taken_s(client), 0.3)
        server.post(toxic, {"toxicity": 0.0})
        assert min(taken_s(client) for _ in range(3)) < 0.3 - EARLY_S
        server.delete(toxic)
        assert min(taken_s(client) for _ in range(3)) < 0.15


def test_what_waits_in_a_toxic_that_is_removed_goes_on_at_once(server, proxy):
    toxic = proxy.add("latency", latency=60_000)
    with proxy.connect() as client:
        client.sendall(b"waiting")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(WAIT_S)
        server.delete(toxic)
        assert receive(client, 7) == b"waiting"


def test_a_hundred_open_connections_follow_a_change(server, proxy):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.connect()) for _ in range(100)]
        for client in clients:
            taken_s(client)
        toxic = proxy.add("latency", latency=200)
        started = time.monotonic()
        for client in clients:
            client.sendall(b"y")
        for client in clients:
            assert receive(client, 1) == b"y"
        assert time.monotonic() - started >= 0.2 - EARLY_S
        server.patch(toxic, {"attributes": {"latency": 60_000}})
        for client in clients:
            client.sendall(b"z")
        server.delete(toxic)
        for client in clients:
            assert receive(client, 1) == b"z"


def test_a_sender_whose_receiver_stands_still_is_held_back(server):
    sent = [0]

    def serve(client):
        while True:
            sent[0] += client.send(b"x" * 65536)

    service = Upstream(serve)
    with server.proxy(service.address).connect() as client:
        client.recv(1)
        before = -1

        def stands_still():
            nonlocal before
            before, now = sent[0], sent[0] == before
            return now

        # Until the buffers of kernel and proxy are full and nothing more is taken.
        full = clock.Deadline("full buffers", WAIT_S)
        assert clock.wait_until(stands_still, full, poll_s=0.5)
        assert before < 64 << 20
    service.close()


_HARMLESS = [
    ("latency", {"latency": 3, "jitter": 2}),
    ("bandwidth", {"rate": 20_000}),
    ("slicer", {"average_size": 900, "size_variation": 300, "delay": 10}),
    ("slow_close", {"delay": 5}),
    ("noop", {}),
]


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(_HARMLESS) - 1), st.sampled_from(["upstream", "downstream"])),
        max_size=12,
    ),
    seed=st.integers(0, 1 << 16),
)
def test_whatever_harmless_toxics_come_and_go_the_bytes_are_those_that_were_sent(
    server, upstream, changes, seed
):
    data = random.Random(seed).randbytes(400_000)
    proxy = server.proxy(upstream.address)
    with proxy.connect() as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        present = {}
        got = b""
        for number, (which, stream) in enumerate(changes):
            got += receive(client, len(data) // 20)
            if (which, stream) in present:
                server.delete(present.pop((which, stream)))
                continue
            kind, attributes = _HARMLESS[which]
            body = {"type": kind, "name": str(number), "stream": stream, "attributes": attributes}
            server.post(f"{proxy.path}/toxics", body)
            present[which, stream] = f"{proxy.path}/toxics/{number}"
        got += receive(client, len(data) - len(got))
        sender.join(WAIT_S)
    assert got == data
    server.delete(proxy.path)
