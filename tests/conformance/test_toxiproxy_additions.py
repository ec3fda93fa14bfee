"""What the embedded Toxiproxy has that the real one lacks: counters, leases, metrics."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest
from toxiproxy_under_test import WAIT_S, Upstream, echo, embedded, receive, receive_all

from chaosml import clock

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with embedded() as server:
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


def exchange(proxy, data=b"x"):
    with proxy.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return receive_all(client)


def counters(server, proxy):
    return server.get("/chaosml/counters")[proxy.name]


def renew(server, owner, seconds):
    server.put(f"/chaosml/leases/{owner}", {"seconds": seconds})


def wait_until(what, ready):
    assert clock.wait_until(ready, clock.Deadline(what, WAIT_S)), what


def test_connections_and_bytes_are_counted(server, proxy):
    exchange(proxy, b"12345")
    wait_until("the connection's end", lambda: not counters(server, proxy)["connections"]["open"])
    counted = counters(server, proxy)
    assert counted["connections"] == {"accepted": 1, "open": 0, "refused": 0}
    both = {"received_bytes": 5, "sent_bytes": 5}
    assert counted["streams"] == {"upstream": both, "downstream": both}


def test_a_client_whose_upstream_is_absent_counts_as_refused(server):
    proxy = server.proxy("127.0.0.1:1")
    assert exchange(proxy) == b""
    assert counters(server, proxy)["connections"] == {"accepted": 1, "open": 0, "refused": 1}


def test_what_a_toxic_did_is_counted_and_stays_when_it_is_removed(server, proxy):
    toxic = proxy.add("latency", latency=50)
    exchange(proxy, b"123")
    server.delete(toxic)
    counted = counters(server, proxy)["toxics"]["latency_downstream"]
    assert (counted["links"], counted["spared"], counted["passed_bytes"]) == (1, 0, 3)
    assert counted["delayed_ns"] >= 49_000_000


def test_what_a_toxic_spared_dropped_and_cut_is_counted(server, proxy):
    proxy.add("limit_data", bytes=2)
    proxy.add("latency", toxicity=0.0)
    assert exchange(proxy, b"12345") == b"12"
    counted = counters(server, proxy)["toxics"]
    limit = counted["limit_data_downstream"]
    assert (limit["passed_bytes"], limit["dropped_bytes"], limit["closed"]) == (2, 3, 1)
    assert (counted["latency_downstream"]["links"], counted["latency_downstream"]["spared"]) == (
        0,
        1,
    )


def test_metrics_are_prometheus_text_with_the_names_of_the_real_one(server, upstream):
    proxy = server.proxy(upstream.address, name='odd "\\ name')
    exchange(proxy, b"1234")
    text = server.ask("GET", "/metrics")[2].decode()
    labels = (
        f'direction="upstream",listener="{proxy.listen}",'
        f'proxy="odd \\"\\\\ name",upstream="{upstream.address}"'
    )
    assert f"toxiproxy_proxy_received_bytes_total{{{labels}}} 4\n" in text
    assert f"toxiproxy_proxy_sent_bytes_total{{{labels}}} 4\n" in text


def own(server, proxy, owner, status=200):
    body = {"type": "timeout", "owner": owner, "attributes": {"timeout": 0}}
    return server.post(f"{proxy.path}/toxics", body, status)


def test_a_toxic_vanishes_when_its_owner_does_not_renew(server, proxy):
    renew(server, "short", 0.3)
    assert own(server, proxy, "short")["owner"] == "short"
    with proxy.connect() as client:
        client.sendall(b"x")
        # A timeout that is removed closes: bytes are missing.
        assert receive_all(client) == b""
    wait_until("the lease's end", lambda: not server.get(f"{proxy.path}/toxics"))
    assert counters(server, proxy)["toxics"]["timeout_downstream"]["expired"] is True
    assert exchange(proxy) == b"x"


def test_a_lease_that_is_renewed_keeps_its_toxics(server, proxy):
    renew(server, "long", 0.5)
    own(server, proxy, "long")
    renew(server, "long", 60)
    assert 50 < server.get("/chaosml/leases")["long"] <= 60
    with proxy.connect() as client:
        client.sendall(b"x")
        client.settimeout(0.8)
        with pytest.raises(TimeoutError):
            receive(client, 1)
    assert server.get(f"{proxy.path}/toxics")[0]["owner"] == "long"
    server.delete("/chaosml/leases/long")
    assert server.get(f"{proxy.path}/toxics") == []
    assert counters(server, proxy)["toxics"]["timeout_downstream"]["expired"] is False


def test_a_toxic_of_nobody_is_left_alone_by_leases(server, proxy):
    renew(server, "some", 60)
    proxy.add("latency", latency=1)
    server.delete("/chaosml/leases/some")
    assert len(server.get(f"{proxy.path}/toxics")) == 1


def test_an_owner_without_a_lease_is_refused(server, proxy):
    assert own(server, proxy, "nobody", 404)["error"] == "lease not found"
    assert server.ask("DELETE", "/chaosml/leases/nobody")[0] == 404


@pytest.mark.parametrize("body", ["", "{", "{}", '{"seconds":"x"}', '{"seconds":0}', "\xff"])
def test_a_malformed_lease_is_refused(server, body):
    assert server.ask("PUT", "/chaosml/leases/odd", body.encode())[0] == 400


def test_it_ends_on_a_signal_and_leaves_no_connection(upstream):
    with embedded() as server:
        proxy = server.proxy(upstream.address)
        client = proxy.connect()
        client.sendall(b"x")
        assert receive(client, 1) == b"x"
        os.kill(server.process.pid, signal.SIGINT)
        assert receive_all(client) == b""
        client.close()


def test_a_taken_port_is_one_line_and_an_exit_code():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "chaosml.services.toxiproxy", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert done.stderr == (
        f"Toxiproxy cannot serve its API: listen tcp 127.0.0.1:{port}: "
        "bind: address already in use\n"
    )


def test_a_thousand_connections_leave_no_descriptor_open(server, proxy):
    def descriptors():
        return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))

    exchange(proxy)
    wait_until("idle connections", lambda: not counters(server, proxy)["connections"]["open"])
    before = descriptors()
    for _ in range(10):
        clients = [proxy.connect() for _ in range(100)]
        for client in clients:
            client.sendall(b"x")
        for client in clients:
            assert receive(client, 1) == b"x"
            client.close()
    wait_until("idle connections", lambda: not counters(server, proxy)["connections"]["open"])
    # The spare pipes stay.
    assert descriptors() <= before + 2 * 16
