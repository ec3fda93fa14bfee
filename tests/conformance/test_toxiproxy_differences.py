"""Where the embedded Toxiproxy differs from the real one on purpose, each shown on both."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest
from toxiproxy_under_test import WAIT_S, Upstream, echo, embedded, real, receive, receive_all

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

KINDS = {"embedded": embedded, "real": real}


@pytest.fixture(scope="module", params=KINDS)
def server(request):
    with KINDS[request.param]() as server:
        yield server


@pytest.fixture(scope="module")
def upstream():
    service = Upstream(echo)
    yield service
    service.close()


def draws(kind, upstream, seed):
    """Return which of some connections a toxic of half a toxicity hits."""
    arguments = ["--seed" if kind == "embedded" else "-seed", str(seed)]
    with KINDS[kind](*arguments) as server:
        proxy = server.proxy(upstream.address)
        proxy.add("timeout", toxicity=0.5, timeout=1)
        hit = []
        for _ in range(20):
            with proxy.connect() as client:
                client.sendall(b"x")
                hit.append(receive(client, 1) == b"")
    return hit


def test_the_seed_decides_which_connections_are_hit(upstream):
    first = draws("embedded", upstream, 7)
    assert draws("embedded", upstream, 7) == first
    assert draws("embedded", upstream, 8) != first
    assert len(set(first)) == 2


def test_the_seed_of_the_real_one_has_no_effect(upstream):
    assert draws("real", upstream, 7) != draws("real", upstream, 7)


def _end_of(client):
    try:
        return client.recv(1)
    except ConnectionResetError:
        return "reset"


def test_a_reset_that_spares_a_connection_lets_it_end_as_it_would(server):
    def serve(client):
        client.sendall(b"x")

    service = Upstream(serve)
    proxy = server.proxy(service.address)
    proxy.add("reset_peer", toxicity=0.0)
    with proxy.connect() as client:
        assert receive(client, 1) == b"x"
        assert _end_of(client) == {"embedded": b"", "real": "reset"}[server.kind]
    service.close()


def test_a_reset_reaches_a_connection_that_is_older_than_it(server, upstream):
    proxy = server.proxy(upstream.address)
    with proxy.connect() as client:
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        proxy.add("reset_peer")
        client.sendall(b"y")
        assert _end_of(client) == {"embedded": "reset", "real": b""}[server.kind]


def test_a_client_that_has_said_everything_still_gets_its_answer(server):
    def serve(client):
        asked = receive_all(client)
        client.sendall(asked)

    service = Upstream(serve)
    with server.proxy(service.address).connect() as client:
        client.sendall(b"everything")
        client.shutdown(socket.SHUT_WR)
        answer = receive_all(client)
    assert answer == {"embedded": b"everything", "real": b""}[server.kind]
    service.close()


def test_a_refused_change_changes_nothing(server, upstream):
    proxy = server.proxy(upstream.address)
    toxic = proxy.add("latency", latency=1)
    body = {"attributes": {"latency": 7}, "toxicity": "x"}
    assert server.ask("PATCH", toxic, json.dumps(body))[0] == 400
    left = server.get(toxic)["attributes"]["latency"]
    assert left == {"embedded": 1, "real": 7}[server.kind]


FATAL = [("bandwidth", {"rate": -1}), ("slicer", {"average_size": 0})]


@pytest.mark.parametrize(("kind", "attributes"), FATAL, ids=["bandwidth", "slicer"])
def test_a_senseless_toxic_does_not_end_the_server(upstream, kind, attributes):
    with embedded() as server:
        proxy = server.proxy(upstream.address)
        proxy.add(kind, **attributes)
        with proxy.connect() as client:
            client.sendall(b"x" * 3)
            if kind == "slicer":
                assert receive(client, 3) == b"x" * 3
            assert server.get("/proxies")
            server.delete(proxy.path)
            assert receive_all(client) == b""


@pytest.mark.parametrize(("kind", "attributes"), FATAL, ids=["bandwidth", "slicer"])
def test_a_senseless_toxic_ends_the_real_server(upstream, kind, attributes):
    with real() as server:
        proxy = server.proxy(upstream.address)
        proxy.add(kind, **attributes)
        with proxy.connect() as client:
            client.sendall(b"x" * 3)
            try:
                assert server.process.wait(WAIT_S) != 0
            except subprocess.TimeoutExpired:
                pytest.fail("it lives; the difference is gone")


def test_a_proxy_without_a_host_listens_where_the_server_does(server, upstream):
    listen = server.proxy(upstream.address, listen=":0").listen
    assert listen.startswith({"embedded": "127.0.0.1:", "real": "[::]:"}[server.kind])


def test_metrics_need_no_option(server):
    assert server.ask("GET", "/metrics")[0] == {"embedded": 200, "real": 404}[server.kind]


def test_a_body_above_a_mebibyte_is_refused_unread(server):
    body = json.dumps({"name": "big", "upstream": "127.0.0.1:1", "more": "x" * (1 << 20)})
    status, _, content = server.ask("POST", "/proxies", body)
    assert status == {"embedded": 413, "real": 201}[server.kind]
    if server.kind == "embedded":
        assert json.loads(content)["error"] == "request body is larger than 1048576 bytes"


def test_a_body_may_be_nested_less_deeply(server):
    body = '{"name":"deep","upstream":"127.0.0.1:1","more":' + "[" * 5000 + "]" * 5000 + "}"
    assert server.ask("POST", "/proxies", body)[0] == {"embedded": 400, "real": 201}[server.kind]


def test_the_version_is_that_of_the_release(server):
    # Built by `go install` the real one does not know its version.
    assert server.get("/version") == {"version": {"embedded": "2.12.0", "real": "git"}[server.kind]}
