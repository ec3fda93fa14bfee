"""The embedded Toxiproxy beside the real one: throughput, connections, and how exact faults are.

    python benchmarks/toxiproxy.py [--real PATH]

The real server is what `go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0` makes,
looked for where Go puts it. Both move the same bytes in turns, so that the ratios mean something
on another or a busy machine; the best of the rounds counts, whatever else runs only takes away.
The processor time that a server takes for a gigabyte says the same where the machine is never idle.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import pathlib
import selectors
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROUNDS = 4
MOVED_BYTES = 1 << 29
CONNECTS = 200
DELAY_MS = 50
DELAYS = 100
RATE_KB_S = 2000
PIECE_BYTES = 1 << 20

Address = tuple[str, int]


@dataclass(frozen=True)
class Server:
    """A running server: where its API is, and its process."""

    api: Address
    process: int

    def spent_s(self) -> float:
        """Return the processor time that it has taken."""
        fields = pathlib.Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print every figure with its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=pathlib.Path, default=installed())
    real = parser.parse_args().real
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(source())
        embedded = stack.enter_context(embedded_server())
        servers = {"embedded": embedded}
        if real is None:
            print("real server: not found; there are no ratios (see --help)")
        else:
            servers["real"] = stack.enter_context(real_server(real))
        ways = {"loopback": upstream} | {
            name: create(server.api, "plain", upstream) for name, server in servers.items()
        }
        for connections in (1, 8):
            show_throughput(ways, servers, connections)
        show_connects(ways)
        show_delay(embedded.api, upstream)
        show_rate(embedded.api, upstream)


def installed() -> pathlib.Path | None:
    """Return the real server where `go install` puts it."""
    go = shutil.which("go")
    if go is None:
        return None
    done = subprocess.run(
        [go, "env", "GOPATH"], capture_output=True, text=True, check=True, timeout=30
    )
    place = pathlib.Path(done.stdout.strip()) / "bin" / "server"
    return place if place.exists() else None


def show_throughput(ways: dict[str, Address], servers: dict[str, Server], connections: int) -> None:
    """Print how many bytes a second pass, and what they cost."""
    best = dict.fromkeys(ways, 0.0)
    cost = {name: -server.spent_s() for name, server in servers.items()}
    for _ in range(ROUNDS):
        for name, address in ways.items():
            best[name] = max(best[name], bytes_per_s(address, connections))
    moved_gb = ROUNDS * MOVED_BYTES / 1e9
    cost = {name: (cost[name] + server.spent_s()) / moved_gb for name, server in servers.items()}
    shown = "  ".join(f"{name} {value / 1e9:.2f} GB/s" for name, value in best.items())
    ratio = f"{best['embedded'] / best['real']:.2f}" if "real" in best else "-"
    print(f"{connections} connection(s): {shown}  embedded/real {ratio} (at least 2.0)")
    shown = "  ".join(f"{name} {value:.2f} s/GB" for name, value in cost.items())
    ratio = f"{cost['real'] / cost['embedded']:.2f}" if "real" in cost else "-"
    print(f"  processor time: {shown}  real/embedded {ratio}")


def show_connects(ways: dict[str, Address]) -> None:
    """Print how long it takes to connect and get a byte."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(CONNECTS):
        for name, address in ways.items():
            started = time.perf_counter()
            with socket.create_connection(address, timeout=10) as client:
                client.sendall(struct.pack(">Q", 1))
                client.recv(1)
            times[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in times.items()}
    shown = "  ".join(f"{name} {value * 1000:.3f} ms" for name, value in median.items())
    ratio = f"{median['embedded'] / median['real']:.2f}" if "real" in median else "-"
    print(f"connect, first byte: {shown}  embedded/real {ratio} (at most 1.5)")


def show_delay(api: Address, upstream: Address) -> None:
    """Print by how much an added latency is wrong."""
    plain = sorted(asked_s(create(api, "undelayed", upstream)))
    address = create(api, "delayed", upstream)
    add(api, "delayed", "latency", {"latency": DELAY_MS})
    base_s = statistics.median(plain)
    wrong_ms = sorted((taken - base_s) * 1000 - DELAY_MS for taken in asked_s(address))
    limit_ms = max(1.0, DELAY_MS * 0.02)
    print(
        f"latency of {DELAY_MS} ms: late by {statistics.median(wrong_ms):.2f} ms, "
        f"p99 {wrong_ms[int(DELAYS * 0.99) - 1]:.2f} ms (at most {limit_ms:g} on an idle machine)"
    )


def asked_s(address: Address) -> list[float]:
    """Return how long each of several bytes took to be answered on one connection."""
    times = []
    with socket.create_connection(address, timeout=10) as client:
        for _ in range(DELAYS):
            started = time.perf_counter()
            client.sendall(struct.pack(">Q", 1))
            client.recv(1)
            times.append(time.perf_counter() - started)
    return times


def show_rate(api: Address, upstream: Address) -> None:
    """Print by how much a limited rate is wrong."""
    address = create(api, "limited", upstream)
    add(api, "limited", "bandwidth", {"rate": RATE_KB_S})
    wrong = []
    for _ in range(3):
        started = time.perf_counter()
        receive([address], 2 * RATE_KB_S * 1000)
        rate = 2 * RATE_KB_S * 1000 / (time.perf_counter() - started)
        wrong.append(rate / (RATE_KB_S * 1000) - 1)
    print(f"bandwidth of {RATE_KB_S} kB/s: wrong by {min(wrong, key=abs):+.2%} (at most 3 %)")


def bytes_per_s(address: Address, connections: int) -> float:
    """Return how fast the upstream's bytes arrive."""
    started = time.perf_counter()
    receive([address] * connections, MOVED_BYTES // connections)
    return MOVED_BYTES / (time.perf_counter() - started)


def receive(addresses: list[Address], size: int) -> None:
    """Ask for as many bytes on each connection and wait for them all."""
    buffer = bytearray(PIECE_BYTES)
    clients: dict[int, socket.socket] = {}
    left: dict[socket.socket, int] = {}
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for address in addresses:
            client = stack.enter_context(socket.create_connection(address, timeout=30))
            client.sendall(struct.pack(">Q", size))
            selector.register(client, selectors.EVENT_READ)
            clients[client.fileno()] = client
            left[client] = size
        while left:
            for key, _ in selector.select(30):
                client = clients[key.fd]
                count = client.recv_into(buffer)
                assert count, "the connection ended before everything had arrived"
                left[client] -= count
                if not left[client]:
                    del left[client]
                    selector.unregister(client)


@contextlib.contextmanager
def source() -> Iterator[Address]:
    """Run the upstream: it sends as many bytes as it is asked for, each time that it is."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        process = multiprocessing.get_context("fork").Process(
            target=give, args=(listener,), daemon=True
        )
        process.start()
        yield listener.getsockname()
        process.kill()
        process.join(5)


def give(listener: socket.socket) -> None:
    """Serve every connection in a thread of its own."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=answer, args=(client,), daemon=True).start()


def answer(client: socket.socket) -> None:
    """Send what the client asks for until it has gone."""
    piece = memoryview(bytes(PIECE_BYTES))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, contextlib.suppress(OSError):
        while len(asked := client.recv(8, socket.MSG_WAITALL)) == 8:
            (size,) = struct.unpack(">Q", asked)
            while size:
                size -= client.send(piece[:size])


@contextlib.contextmanager
def embedded_server() -> Iterator[Server]:
    """Run the embedded server in a process of its own."""
    command = [sys.executable, "-m", "chaosml.services.toxiproxy", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _, _, port = process.stdout.readline().strip().rpartition(":")
        yield Server(("127.0.0.1", int(port)), process.pid)
        process.kill()


@contextlib.contextmanager
def real_server(program: pathlib.Path) -> Iterator[Server]:
    """Run the real server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: Address = free.getsockname()
    command = [str(program), "-host", address[0], "-port", str(address[1])]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(address, timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the real server does not listen"
                time.sleep(0.05)
        yield Server(address, process.pid)
        process.kill()


def create(api: Address, name: str, upstream: Address) -> Address:
    """Create a proxy; return where it listens."""
    body = {"name": name, "listen": "127.0.0.1:0", "upstream": f"{upstream[0]}:{upstream[1]}"}
    host, _, port = post(api, "/proxies", body)["listen"].rpartition(":")
    return host, int(port)


def add(api: Address, proxy: str, kind: str, attributes: dict[str, int]) -> None:
    """Add a toxic to what comes from the upstream."""
    post(api, f"/proxies/{proxy}/toxics", {"type": kind, "attributes": attributes})


def post(api: Address, path: str, body: Mapping[str, object]) -> dict[str, str]:
    """Ask a server's API."""
    connection = http.client.HTTPConnection(*api, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        content = response.read()
        assert response.status < 300, content
        found: dict[str, str] = json.loads(content)
        return found


if __name__ == "__main__":
    main()
