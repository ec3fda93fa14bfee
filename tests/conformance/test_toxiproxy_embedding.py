"""The embedded Toxiproxy in an event loop of ours, also where the system lacks something."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request

import pytest

from chaosml.errors import ServiceError
from chaosml.services.toxiproxy import Toxiproxy
from chaosml.services.toxiproxy.pipes import Pipes
from chaosml.services.toxiproxy.timers import Timers

pytestmark = pytest.mark.slow

WAIT_S = 20.0


async def _echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")

    def send():
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            return json.load(response)

    return await asyncio.to_thread(send)


async def _exchange(server, data, *toxics):
    """Return what comes back through a proxy with these toxics, and how long that took."""
    upstream = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    body = {"name": "p", "upstream": f"127.0.0.1:{port}", "listen": "127.0.0.1:0"}
    listen = (await _post(f"{server.url}/proxies", body))["listen"]
    for toxic in toxics:
        await _post(f"{server.url}/proxies/p/toxics", toxic)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(listen.rpartition(":")[2]))
    started = time.monotonic()
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(WAIT_S):
        got = await reader.read(-1)
    taken_s = time.monotonic() - started
    writer.close()
    upstream.close()
    return got, taken_s


def run(data, *toxics):
    async def body():
        async with Toxiproxy("127.0.0.1", 0, seed=1) as server:
            return await _exchange(server, data, *toxics)

    return asyncio.run(body())


DATA = bytes(range(256)) * 8000


def test_bytes_pass_where_the_system_gives_no_pipe(monkeypatch):
    monkeypatch.setattr(Pipes, "take", lambda self: None)
    assert run(DATA)[0] == DATA


def test_delays_are_kept_where_the_system_has_no_timer_descriptor(monkeypatch):
    monkeypatch.setattr(Timers, "_create", lambda self: -1)
    got, taken_s = run(b"x", {"type": "latency", "attributes": {"latency": 200}})
    assert got == b"x"
    assert taken_s >= 0.195


def test_leaving_the_context_gives_back_both_ports():
    async def body():
        async with Toxiproxy("127.0.0.1", 0) as server:
            await _exchange(server, b"x")
            port = int(server.url.rpartition(":")[2])
        async with Toxiproxy("127.0.0.1", port) as again:
            assert again.url == server.url
            assert (await _exchange(again, b"y"))[0] == b"y"

    asyncio.run(body())


def test_a_taken_port_is_a_failed_service():
    async def body():
        async with Toxiproxy("127.0.0.1", 0) as server:
            port = int(server.url.rpartition(":")[2])
            with pytest.raises(ServiceError, match="address already in use"):
                async with Toxiproxy("127.0.0.1", port):
                    pass

    asyncio.run(body())
