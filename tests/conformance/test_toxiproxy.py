"""The API of Toxiproxy: the embedded server and the real one answer alike."""

from __future__ import annotations

import json
import re
import socket
from urllib.parse import quote

import pytest
import toxiproxy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy_under_test import WAIT_S, Upstream, echo, embedded, real, receive, receive_all

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def servers():
    """Return both servers; what is asked of one is asked of the other."""
    with embedded() as ours, real() as theirs:
        yield ours, theirs


@pytest.fixture(scope="module", params=["embedded", "real"])
def server(request):
    with {"embedded": embedded, "real": real}[request.param]() as server:
        yield server


@pytest.fixture(autouse=True)
def _empty(request):
    """Have every test begin without proxies."""
    for name in {"server", "servers"} & set(request.fixturenames):
        found = request.getfixturevalue(name)
        for one in found if isinstance(found, tuple) else (found,):
            clear(one)


def clear(server):
    for name in server.get("/proxies"):
        server.delete(f"/proxies/{quote(name, safe='')}")


@pytest.fixture(scope="module")
def upstream():
    service = Upstream(echo)
    yield service
    service.close()


def shown(answer):
    """Return what two servers must have in common: ports and Go's resolver are their own."""
    status, headers, content = answer
    text = re.sub(r"127\.0\.0\.1:\d{4,5}", "HERE", content.decode())
    return status, headers.get("Content-Type"), re.sub(r" on [\d.]+:53", "", text)


def assert_alike(servers, *asked):
    ours, theirs = (shown(server.ask(*asked)) for server in servers)
    assert ours == theirs
    return ours


def have(servers):
    for server in servers:
        server.post("/proxies", {"name": "p", "upstream": NOBODY, "listen": "127.0.0.1:0"}, 201)
        server.post("/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 5}})


ROUTES = [
    ("GET", "/proxies"),
    ("GET", "/nope"),
    ("GET", "/"),
    ("GET", "/proxies/"),
    ("GET", "//proxies"),
    ("GET", "/proxies/../proxies"),
    ("PUT", "/proxies"),
    ("HEAD", "/proxies"),
    ("OPTIONS", "/proxies/p"),
    ("DELETE", "/version"),
    ("GET", "/reset"),
    ("GET", "/populate"),
    ("PUT", "/proxies/p/toxics/t"),
    ("GET", "/proxies/nope"),
    ("GET", "/proxies/nope/toxics"),
    ("GET", "/proxies/nope/toxics/t"),
    ("POST", "/proxies/nope"),
    ("POST", "/proxies/nope/toxics"),
    ("PATCH", "/proxies/nope/toxics/t"),
    ("DELETE", "/proxies/nope"),
    ("DELETE", "/proxies/nope/toxics/t"),
    ("GET", "/proxies/p%20x"),
    ("GET", "/proxies/%2F"),
    ("GET", "/proxies/p"),
    ("GET", "/proxies/p/toxics"),
    ("GET", "/proxies/p/toxics/latency_downstream"),
    ("GET", "/proxies/p/toxics/nope"),
    ("PATCH", "/proxies/p/toxics/nope"),
    ("DELETE", "/proxies/p/toxics/nope"),
    ("DELETE", "/proxies/p/toxics/latency_downstream"),
    ("POST", "/reset"),
    ("DELETE", "/proxies/p"),
]

MALFORMED = [
    "",
    " \n",
    "{",
    "nul",
    "null",
    "[]",
    '"x"',
    "1",
    "1x",
    "1.x",
    "-",
    "01",
    "{}",
    '{"name" "a"}',
    '{"name":"a",}',
    '{"a":tru}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":1e}',
    '{"a":-x}',
    '{"a":NaN}',
    '{"a":"\x01"}',
    '{"a":"\\q"}',
    '{"a":"\\u12g4"}',
    '{"a":[1 2]}',
    '{"a":[1,2',
    "{'a':1}",
    "\xff",
    "\x00",
    '{"name":"<&>\u2028\ud83d\ude00"}'.encode("utf-16", "surrogatepass").decode("utf-16"),
]

PROXIES = [
    '{"name":"a"}',
    '{"name":1}',
    '{"name":true}',
    '{"name":null,"upstream":"b"}',
    '{"name":"","upstream":"b"}',
    '{"name":"a","upstream":5}',
    '{"name":"a","upstream":{}}',
    '{"name":"a","upstream":"x","listen":[1]}',
    '{"name":"a","upstream":"x","enabled":1.5}',
    '{"name":"a","upstream":"127.0.0.1:1","enabled":"x"}',
    '{"Logger":{"x":1}}',
    '{"Logger":3}',
    '{"NAME":"c","UpStream":"127.0.0.1:1","listen":"127.0.0.1:0","enabled":false} junk',
    '{"name":"c","name":"d","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"}',
    '{"name":"\\ud800","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"}',
    '{"name":"<b>&","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"}',
    '{"name":"p","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"}',
    '{"name":"q","upstream":"127.0.0.1:1","listen":"nonsense"}',
    '{"name":"q","upstream":"127.0.0.1:1","listen":"127.0.0.1:99999"}',
    '{"name":"q","upstream":"127.0.0.1:1","listen":"127.0.0.1:abc"}',
    '{"name":"q","upstream":"127.0.0.1:1","listen":"[::1"}',
    '{"name":"q","upstream":"127.0.0.1:1","listen":"1:2:3"}',
    '{"name":"q","upstream":"127.0.0.1:1","listen":"8.8.8.8:0"}',
    '{"name":"q","upstream":"not an address","listen":"127.0.0.1:0"}',
]

CHANGED_PROXIES = [
    '{"enabled":"x"}',
    '{"enabled":null}',
    '{"upstream":3}',
    '{"name":"other"}',
    '{"listen":"nonsense"}',
    '{"listen":"127.0.0.1:99999"}',
    '{"listen":"8.8.8.8:0"}',
    '{"enabled":false}',
    '{"upstream":"127.0.0.1:2"}',
]

POPULATIONS = [
    "[]",
    "[3]",
    "[{}]",
    "[null]",
    '[{"name":"a"}]',
    '[{"name":3}]',
    '[{"enabled":3}]',
    '[{"name":"a","upstream":"u","enabled":"x"}]',
    '[{"name":"a","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"},{"name":"b"}]',
    '[{"name":"a","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"},'
    '{"name":"b","upstream":"127.0.0.1:1","listen":"8.8.8.8:1"}]',
    '[{"name":"a","upstream":"127.0.0.1:1","listen":"127.0.0.1:0","enabled":false,'
    '"toxics":[{"type":"latency"}]}]',
]

TOXICS = [
    '{"type":"x"}',
    '{"type":3}',
    '{"type":""}',
    '{"type":"latency"}',
    '{"type":"latency","name":5}',
    '{"type":"latency","stream":"x"}',
    '{"type":"latency","stream":""}',
    '{"type":"latency","stream":3}',
    '{"type":"latency","stream":"UpStream","attributes":{"latency":1,"other":2}}',
    '{"type":"latency","toxicity":"x","name":"n"}',
    '{"type":"latency","toxicity":null,"name":"n"}',
    '{"type":"latency","toxicity":7.3,"name":"n"}',
    '{"type":"latency","toxicity":0.1,"name":"n"}',
    '{"type":"latency","toxicity":-1,"name":"n"}',
    '{"type":"latency","toxicity":123456789,"name":"n"}',
    '{"type":"latency","toxicity":1e300,"name":"n"}',
    '{"type":"latency","toxicity":1e999,"name":"n"}',
    '{"type":"latency","name":"n","attributes":3}',
    '{"type":"latency","name":"n","attributes":null}',
    '{"type":"latency","name":"n","attributes":{"latency":"x"}}',
    '{"type":"latency","name":"n","attributes":{"latency":1.5}}',
    '{"type":"latency","name":"n","attributes":{"latency":1e3}}',
    '{"type":"latency","name":"n","attributes":{"latency":9223372036854775808}}',
    '{"type":"latency","name":"n","attributes":{"latency":9223372036854775807}}',
    '{"type":"latency","name":"n","attributes":{"latency":-5}}',
    '{"type":"latency","name":"n","attributes":{"LATENCY":5,"jitter":null}}',
    '{"type":"latency","name":"n","attributes":{"latency":1},"attributes":{"jitter":2}}',
    '{"type":"slicer","attributes":{"average_size":"x"}}',
    '{"type":"bandwidth","attributes":{"rate":[]}}',
    '{"type":"noop","attributes":{"any":"x"}}',
    *(f'{{"type":"{kind}"}}' for kind in ("bandwidth", "slow_close", "timeout", "reset_peer")),
    *(f'{{"type":"{kind}"}}' for kind in ("slicer", "limit_data", "noop")),
    '{"type":"latency","name":"a/b"}',
]

CHANGED_TOXICS = [
    '{"attributes":{"latency":"x"}}',
    '{"attributes":3}',
    '{"attributes":null,"toxicity":null}',
    '{"attributes":{"jitter":3},"name":"new","stream":"upstream","type":"noop"}',
    '{"toxicity":0.25}',
    '{"toxicity":"x"}',
]


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_route_and_method_is_answered_alike(servers, route):
    have(servers)
    assert_alike(servers, *route)
    assert_alike(servers, "GET", "/proxies")


@pytest.mark.parametrize("body", MALFORMED, ids=ascii)
@pytest.mark.parametrize(
    "place",
    [
        ("POST", "/proxies"),
        ("POST", "/populate"),
        ("PATCH", "/proxies/p"),
        ("POST", "/proxies/p/toxics"),
        ("PATCH", "/proxies/p/toxics/latency_downstream"),
    ],
    ids=" ".join,
)
def test_a_malformed_body_is_refused_in_the_same_words(servers, place, body):
    have(servers)
    assert_alike(servers, *place, body.encode())
    assert_alike(servers, "GET", "/proxies")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        *(("POST", "/proxies", body) for body in PROXIES),
        *(("PATCH", "/proxies/p", body) for body in CHANGED_PROXIES),
        *(("POST", "/proxies/p", body) for body in CHANGED_PROXIES),
        *(("POST", "/populate", body) for body in POPULATIONS),
        *(("POST", "/proxies/p/toxics", body) for body in TOXICS),
        *(("PATCH", "/proxies/p/toxics/latency_downstream", body) for body in CHANGED_TOXICS),
        *(("POST", "/proxies/p/toxics/latency_downstream", body) for body in CHANGED_TOXICS),
    ],
)
def test_a_body_has_the_same_answer_and_effect(servers, method, path, body):
    have(servers)
    assert_alike(servers, method, path, body)
    assert_alike(servers, "GET", "/proxies")


# What is named with a slash or a dot cannot be asked for again.
_TEXTS = st.text(st.characters(exclude_characters="/."), max_size=5)
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), _TEXTS)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner),
    max_leaves=6,
)
_FIELDS = ("name", "upstream", "enabled", "type", "stream", "toxicity", "attributes", "latency")


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=st.one_of(
        st.binary(max_size=30),
        _VALUES.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(st.sampled_from(_FIELDS), _VALUES).map(
            lambda value: json.dumps(value | {"listen": "127.0.0.1:0"}).encode()
        ),
    ),
    path=st.sampled_from(["/proxies", "/populate", "/proxies/p/toxics", "/proxies/p"]),
)
def test_whatever_is_sent_has_the_same_answer(servers, body, path):
    for server in servers:
        clear(server)
    have(servers)
    assert_alike(servers, "POST", path, body)


def test_an_answer_has_the_type_and_the_number_of_the_request(servers):
    for server in servers:
        _, headers, _ = server.ask("GET", "/proxies")
        assert len(headers["X-Toxiproxy-Request-Id"]) == 20
        status, headers, content = server.ask("GET", "/proxies/nope")
        assert (status, content) == (404, b'{"error":"proxy not found","status":404}\n')
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_browsers_are_sent_away(servers):
    answer = assert_alike(servers, "GET", "/proxies", None, {"User-Agent": "Mozilla/5.0"})
    assert answer == (403, "text/plain; charset=utf-8", "User agent not allowed\n")


def test_a_taken_port_is_named_and_the_proxy_is_not_made(server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        body = {"name": "q", "upstream": NOBODY, "listen": f"127.0.0.1:{port}"}
        error = server.post("/proxies", body, 500)["error"]
        assert error == f"listen tcp 127.0.0.1:{port}: bind: address already in use"
        assert server.get("/proxies") == {}
        server.post("/proxies", body | {"enabled": False}, 201)
        assert server.patch("/proxies/q", {"enabled": True}, 500)["error"] == error
        assert server.ask("POST", "/reset")[0] == 500
        assert server.get("/proxies/q")["enabled"] is False
    assert server.patch("/proxies/q", {"enabled": True})["enabled"] is True


def test_populating_replaces_only_what_differs(server, upstream):
    proxy = server.proxy(upstream.address)
    proxy.add("latency", latency=1)
    entry = {"name": proxy.name, "upstream": upstream.address, "listen": proxy.listen}
    with proxy.connect() as client:
        client.sendall(b"a")
        assert receive(client, 1) == b"a"
        assert len(server.post("/populate", [entry], 201)["proxies"][0]["toxics"]) == 1
        client.sendall(b"b")
        assert receive(client, 1) == b"b"
        replaced = server.post("/populate", [entry | {"upstream": NOBODY}], 201)["proxies"][0]
        assert replaced["toxics"] == []
        assert receive_all(client) == b""


def test_a_disabled_proxy_refuses_clients_and_closes_those_it_has(server, upstream):
    proxy = server.proxy(upstream.address)
    with proxy.connect() as client:
        client.sendall(b"a")
        assert receive(client, 1) == b"a"
        assert server.patch(proxy.path, {"enabled": False})["enabled"] is False
        assert receive_all(client) == b""
    with pytest.raises(ConnectionRefusedError):
        proxy.connect()
    assert server.patch(proxy.path, {"enabled": True})["listen"] == proxy.listen
    with proxy.connect() as client:
        client.sendall(b"b")
        assert receive(client, 1) == b"b"


def test_resetting_enables_every_proxy_and_removes_every_toxic(server, upstream):
    proxy = server.proxy(upstream.address, enabled=False)
    server.post(f"{proxy.path}/toxics", {"type": "latency", "attributes": {"latency": 60_000}})
    assert server.ask("POST", "/reset")[0] == 204
    after = server.get(proxy.path)
    assert (after["enabled"], after["toxics"]) == (True, [])


def test_a_proxy_whose_upstream_is_absent_closes_its_clients(server):
    with server.proxy(NOBODY).connect() as client:
        assert receive_all(client) == b""


def test_another_upstream_closes_what_is_open_and_serves_what_comes(server, upstream):
    proxy = server.proxy(NOBODY)
    proxy.listen = server.patch(proxy.path, {"upstream": upstream.address})["listen"]
    with proxy.connect() as client:
        client.sendall(b"a")
        assert receive(client, 1) == b"a"


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_a_huge_body_is_answered_and_leaves_the_server_as_it_was(server, size):
    status, _, _ = server.ask("POST", "/proxies", json.dumps({"name": 1, "more": "x" * size}))
    assert status in (400, 413)
    assert server.get("/proxies") == {}


def test_a_client_that_sends_half_a_request_keeps_nobody_waiting(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as slow:
        slow.sendall(b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert server.get("/proxies") == {}
        slow.sendall(b" " * 49)
        assert b" 400 " in slow.recv(4096)


@pytest.fixture
def library(server, monkeypatch):
    """Return toxiproxy-python, set to the server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    driver = toxiproxy.Toxiproxy()
    driver.update_api_consumer("127.0.0.1", server.port)
    return driver


def test_toxiproxy_python_drives_it(library, upstream):
    assert library.running()
    assert b"version" in library.version()
    proxy = library.create(name="lib", upstream=upstream.address)
    with pytest.raises(ProxyExists):
        library.create(name="lib", upstream=upstream.address)
    proxy.add_toxic(type="latency", attributes={"latency": 5, "jitter": 0})
    assert proxy.get_toxic("latency_downstream").attributes == {"latency": 5, "jitter": 0}
    with pytest.raises(InvalidToxic):
        proxy.add_toxic(type="nonsense")
    with proxy.down(), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(proxy.listen.rpartition(":")[2])))
    proxy.destroy_toxic("latency_downstream")
    with pytest.raises(NotFound):
        proxy.destroy_toxic("latency_downstream")
    assert library.reset()
    assert library.populate(
        [{"name": "more", "upstream": upstream.address, "listen": "127.0.0.1:0"}]
    )
    library.destroy_all()
    assert library.proxies() == {}
