"""The way through Toxiproxy: its driver against servers that misbehave, canaries, relays."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import threading
import time

import pytest
from services_under_test import World

from chaosml.errors import ServiceError
from chaosml.event import CanaryMeasured, Request, ServiceTraffic
from chaosml.services import proxies
from chaosml.services.messages import Measure, OpenRelay
from chaosml.services.proxies import Proxies

pytestmark = pytest.mark.slow


# The driver.


class Api(http.server.BaseHTTPRequestHandler):
    """Answers as the server's `script` says: by method and path, with status and body."""

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, body = self.server.script.get((self.command, self.path), (404, {"error": "no"}))
        if status == 0:
            self.server.given_up.wait(10)
            return
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def scripted():
    """Return a server whose answers a test writes, and a driver of it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.script = {("GET", "/proxies"): (200, {"p": PROXY})}
    server.given_up = threading.Event()
    yield server, Proxies(f"http://127.0.0.1:{server.server_port}")
    server.given_up.set()
    server.shutdown()
    server.server_close()


PROXY = {"name": "p", "listen": "127.0.0.1:1", "upstream": "127.0.0.1:2", "enabled": True}
TOXIC = {
    "name": "late",
    "type": "latency",
    "stream": "downstream",
    "toxicity": 1,
    "attributes": {"latency": 300},
}


def add(driver):
    driver.add("p", "late", "latency", "downstream", {"latency": 300})


def test_a_toxic_that_the_server_has_afterwards_is_added(scripted):
    server, driver = scripted
    server.script["POST", "/proxies/p/toxics"] = (200, TOXIC)
    server.script["GET", "/proxies/p/toxics"] = (200, [TOXIC])
    add(driver)


def test_a_toxic_that_the_server_does_not_have_afterwards_is_an_error(scripted):
    server, driver = scripted
    server.script["POST", "/proxies/p/toxics"] = (200, TOXIC)
    server.script["GET", "/proxies/p/toxics"] = (200, [])
    with pytest.raises(
        ServiceError, match=r"did not add the toxic 'late' to 'p': .*it has nothing"
    ):
        add(driver)


def test_a_toxic_that_came_out_otherwise_is_an_error(scripted):
    server, driver = scripted
    server.script["POST", "/proxies/p/toxics"] = (200, TOXIC)
    server.script["GET", "/proxies/p/toxics"] = (200, [TOXIC | {"attributes": {"latency": 3}}])
    with pytest.raises(ServiceError, match="wanted downstream"):
        add(driver)


def test_a_status_of_500_is_not_taken_for_success(scripted):
    server, driver = scripted
    server.script["POST", "/proxies/p/toxics"] = (500, {"error": "bind: address in use"})
    with pytest.raises(ServiceError, match="address in use"):
        add(driver)


def test_a_taken_port_is_an_error_with_the_proxys_name(scripted):
    server, driver = scripted
    server.script["GET", "/proxies"] = (200, {})
    server.script["POST", "/proxies"] = (400, {"error": "listen tcp: address already in use"})
    with pytest.raises(ServiceError, match=r"create the proxy 'q' .*already in use"):
        driver.create("q", upstream="127.0.0.1:2", host="127.0.0.1")


def test_an_answer_that_is_no_toxiproxys_is_an_error(scripted):
    server, driver = scripted
    server.script["GET", "/proxies"] = (200, b"<html>")
    with pytest.raises(ServiceError, match="could not"):
        add(driver)
    server.script["GET", "/proxies"] = (200, {"p": {"unlike": "a proxy"}})
    with pytest.raises(ServiceError, match="not Toxiproxy's"):
        add(driver)


def test_a_server_that_does_not_answer_is_given_up(scripted, monkeypatch):
    server, driver = scripted
    monkeypatch.setattr(proxies, "_CALL_S", 0.2)
    server.script["GET", "/proxies"] = (0, b"")
    with pytest.raises(ServiceError, match=r"no answer within 0\.2 s"):
        add(driver)


def test_removing_what_is_not_there_is_no_error(scripted):
    _, driver = scripted
    driver.remove("p", "late")


def test_a_toxic_that_stays_is_an_error(scripted):
    server, driver = scripted
    server.script["DELETE", "/proxies/p/toxics/late"] = (204, b"")
    server.script["GET", "/proxies/p/toxics"] = (200, [TOXIC])
    with pytest.raises(ServiceError, match="it is still there"):
        driver.remove("p", "late")


def alive():
    """Find whoever runs the server alive."""


def test_a_server_whose_process_has_ended_is_not_waited_for():
    def ended():
        raise ServiceError("the services ended unasked")

    with pytest.raises(ServiceError, match="ended unasked"):
        Proxies("http://127.0.0.1:1").wait(ended)


def test_the_proxies_that_the_environment_names_are_not_asked(scripted, monkeypatch):
    _, driver = scripted
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    driver.wait(alive, 1.0)


def test_two_drivers_do_not_take_each_others_server(scripted):
    _, driver = scripted
    Proxies("http://127.0.0.1:1")
    driver.wait(alive, 1.0)


# Canaries and relays, in the services' process.


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("services"), toxiproxy=True)
    yield world
    world.services.close()


@pytest.fixture(scope="module")
def driver(world):
    driver = Proxies(world.endpoints.toxiproxy_url)
    driver.wait(alive)
    return driver


class Echo(socketserver.BaseRequestHandler):
    """Speaks first, as MySQL and SMTP do, and sends back what it gets."""

    def handle(self):
        self.request.sendall(b"hello ")
        while data := self.request.recv(65536):
            self.request.sendall(data)


@pytest.fixture
def echo():
    """Return the address of a service."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def order(address, **fields):
    values = {
        "injection": "t1.late",
        "proxy": "p",
        "when": "before",
        "address": address,
        "http": True,
        "upload_bytes": 0,
        "download_bytes": 1,
        "samples": 3,
        "limit_s": 8.0,
    }
    return Measure(**values | fields)


def gate(world):
    return world.endpoints.gate_url.removeprefix("http://")


def talk(address, data):
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
    return answer


def test_the_gate_answers_a_canary_without_the_store_and_records_no_request(world):
    world.begin()
    world.call(order(gate(world), upload_bytes=200_000, download_bytes=300_000))
    fact = world.wait_for(CanaryMeasured)
    assert fact.problem is None
    assert len(fact.connect_s) == len(fact.first_byte_s) == len(fact.total_s) == 3
    assert all(first <= total for first, total in zip(fact.first_byte_s, fact.total_s, strict=True))
    world.end()
    assert not world.facts(Request)


def test_a_slow_canary_keeps_no_order_waiting(world):
    world.begin()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        world.call(order(f"127.0.0.1:{silent.getsockname()[1]}", limit_s=1.0))
        begun = time.monotonic()
        world.arm(operation="PutObject")
        assert time.monotonic() - begun < 0.5
        assert world.wait_for(CanaryMeasured).problem == "no answer within 1 s"
    world.end()


def test_a_proxy_that_is_not_there_is_what_the_canary_says(world):
    world.begin()
    world.call(order("127.0.0.1:1"))
    assert "127.0.0.1:1" in world.wait_for(CanaryMeasured).problem
    world.end()


def test_what_a_canary_measures_is_said_before_the_execution_ends(world):
    world.begin()
    world.call(order(gate(world), when="after"))
    world.end()
    assert [one.when for one in world.facts(CanaryMeasured)] == ["after"]


def test_a_relay_passes_everything_on_and_counts_it(world, echo):
    world.begin()
    address = world.call(OpenRelay(proxy="echo.count", upstream=echo)).address
    assert world.call(OpenRelay(proxy="echo.count", upstream=echo)).address == address
    assert talk(address, b"x" * 100_000) == b"hello " + b"x" * 100_000
    world.end()
    said = [one for one in world.facts(ServiceTraffic) if one.proxy == "echo.count"]
    assert sum(one.connections for one in said) == 1
    assert sum(one.sent_bytes for one in said) == 100_000
    assert sum(one.received_bytes for one in said) == 100_006


def test_a_relay_answers_canaries_itself_and_counts_none(world, echo):
    world.begin()
    address = world.call(OpenRelay(proxy="echo.canary", upstream=echo)).address
    world.call(order(address, http=False, upload_bytes=50_000, download_bytes=70_000))
    assert world.wait_for(CanaryMeasured).problem is None
    world.end()
    assert not any(one.sent_bytes for one in world.facts(ServiceTraffic))


@pytest.mark.parametrize("opening", [b"\0", b"\0chaosml-canary x y\n", b"\0chaosml-canary 5"])
def test_a_malformed_canary_ends_its_connection_and_nothing_else(world, echo, opening):
    world.begin()
    address = world.call(OpenRelay(proxy=f"echo.odd {opening!r}", upstream=echo)).address
    talk(address, opening)
    assert talk(address, b"still there").endswith(b"still there")
    world.end()


def test_a_service_that_is_gone_closes_its_clients_connection(world):
    world.begin()
    address = world.call(OpenRelay(proxy="gone", upstream="127.0.0.1:1")).address
    with contextlib.suppress(OSError):
        assert talk(address, b"anybody?") == b""
    world.call(order(address, http=False))
    assert world.wait_for(CanaryMeasured).problem is not None
    world.end()


def test_a_latency_is_felt_by_canaries_through_its_proxy_until_it_is_removed(world, driver):
    world.begin()
    address = driver.create("store.late", upstream=gate(world), host="127.0.0.1")
    world.call(order(address))
    before = world.wait_for(CanaryMeasured)
    driver.add("store.late", "late", "latency", "downstream", {"latency": 200, "jitter": 0})
    world.call(order(address, when="during"))
    during = world.wait_for(CanaryMeasured, 2)
    driver.remove("store.late", "late")
    world.call(order(address, when="after"))
    after = world.wait_for(CanaryMeasured, 3)
    assert min(during.first_byte_s) >= 0.195
    assert min(before.first_byte_s) < 0.1
    assert min(after.first_byte_s) < 0.1
    world.end()


def test_a_bandwidth_is_felt_in_the_direction_that_it_limits(world, driver):
    world.begin()
    address = driver.create("store.slow", upstream=gate(world), host="127.0.0.1")
    driver.add("store.slow", "slow", "bandwidth", "upstream", {"rate": 100})
    world.call(order(address, upload_bytes=40_000, samples=1))
    world.call(order(address, download_bytes=40_000, samples=1))
    world.wait_for(CanaryMeasured, 2)
    taken = {one.upload_bytes: one.total_s[0] for one in world.facts(CanaryMeasured)}
    assert taken[40_000] >= 0.35
    assert taken[0] < 0.3
    world.end()


def test_a_latency_on_the_way_to_any_service_is_felt_through_its_relay(world, driver, echo):
    world.begin()
    relay = world.call(OpenRelay(proxy="echo.late", upstream=echo)).address
    address = driver.create("echo.late", upstream=relay, host="127.0.0.1")
    driver.add("echo.late", "late", "latency", "downstream", {"latency": 200, "jitter": 0})
    world.call(order(address, http=False, samples=1))
    assert world.wait_for(CanaryMeasured).first_byte_s[0] >= 0.195
    host, _, port = address.rpartition(":")
    begun = time.monotonic()
    # The real one takes the end of one direction for the end of both.
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"slowly")
        answer = b""
        while len(answer) < len(b"hello slowly"):
            answer += client.recv(65536)
    assert answer == b"hello slowly"
    assert time.monotonic() - begun >= 0.195
    world.end()
