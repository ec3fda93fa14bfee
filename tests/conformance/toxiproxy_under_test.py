"""Toxiproxy servers to hold against each other, the embedded and the real one, and upstreams."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import pytest

from chaosml import clock

WAIT_S = 20.0
BUILD_S = 300
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"


def build():
    """Return the real server, built where no build before has left it; skip where Go is absent."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("the real Toxiproxy is a Go program, and Go is absent")
    place = pathlib.Path(tempfile.gettempdir(), f"chaosml-toxiproxy-2.12.0-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = place / "server"
        if not program.exists():
            subprocess.run(
                [go, "install", MODULE],
                check=True,
                env=os.environ | {"GOBIN": str(place)},
                timeout=BUILD_S,
            )
    return program


class Server:
    """A running server."""

    def __init__(self, kind, process, port):
        self.kind = kind
        self.process = process
        self.port = port
        self._proxies = 0

    def ask(self, method, path, body=None, headers=None):
        """Return status, headers and content of an answer."""
        if isinstance(body, dict | list):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def get(self, path):
        return self._json("GET", path, None, 200)

    def post(self, path, body, status=200):
        return self._json("POST", path, body, status)

    def patch(self, path, body, status=200):
        return self._json("PATCH", path, body, status)

    def put(self, path, body, status=200):
        return self._json("PUT", path, body, status)

    def delete(self, path):
        assert self.ask("DELETE", path)[0] == 204

    def _json(self, method, path, body, status):
        answer = self.ask(method, path, body)
        assert answer[0] == status, answer
        return json.loads(answer[2])

    def proxy(self, upstream, **fields):
        """Return a new proxy to an upstream, on a free port."""
        self._proxies += 1
        name = f"p{self._proxies}"
        body = {"name": name, "upstream": upstream, "listen": "127.0.0.1:0"} | fields
        return Proxy(self, self.post("/proxies", body, 201))


class Proxy:
    """A proxy of a server."""

    def __init__(self, server, shown):
        self.server = server
        self.name = shown["name"]
        self.listen = shown["listen"]
        self.path = f"/proxies/{self.name}"

    def connect(self):
        host, _, port = self.listen.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=WAIT_S)

    def add(self, kind, stream="downstream", toxicity=1.0, **attributes):
        """Add a toxic; return its path."""
        body = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        shown = self.server.post(f"{self.path}/toxics", body)
        return f"{self.path}/toxics/{shown['name']}"


@contextlib.contextmanager
def embedded(*arguments):
    """Run the embedded server as a process of its own."""
    command = [sys.executable, "-X", "dev", "-m", "chaosml.services.toxiproxy", "--port", "0"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        _, _, port = process.stdout.readline().strip().rpartition(":")
        try:
            yield Server("embedded", process, int(port))
        finally:
            process.terminate()
            assert process.wait(WAIT_S) == 0


@contextlib.contextmanager
def real(*arguments):
    """Run the real server."""
    program = build()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "-host", "127.0.0.1", "-port", str(port), *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        server = Server("real", process, port)
        try:
            assert clock.wait_until(
                lambda: _answers(server), clock.Deadline("the real Toxiproxy", WAIT_S)
            )
            yield server
        finally:
            process.kill()


def _answers(server):
    with contextlib.suppress(OSError):
        return server.ask("GET", "/version")[0] == 200
    return False


class Upstream:
    """A TCP service whose connections a function serves, each in a thread of its own."""

    def __init__(self, serve):
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.add(client)
                threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client):
        with client, contextlib.suppress(OSError):
            client.settimeout(WAIT_S)
            self._serve(client)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            client.close()


def echo(client):
    """Send back everything."""
    while data := client.recv(65536):
        client.sendall(data)


def receive(client, size):
    """Return so many bytes, fewer where the connection ends."""
    data = bytearray()
    while len(data) < size and (piece := client.recv(size - len(data))):
        data += piece
    return bytes(data)


def receive_all(client):
    """Return everything until the end."""
    return receive(client, 1 << 40)
