"""The login manager for a kubelet, as a client of D-Bus meets it: what a kubelet asks of logind."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator

import pytest

from chaosml import clock
from chaosml.substrates.kubernetes import kubelets

pytestmark = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")

PROGRAM = pathlib.Path(kubelets.__file__).with_name("login_manager.pl")
LOGIND = "org.freedesktop.login1"
BUS = "org.freedesktop.DBus"
CALL, RETURN, SIGNAL = 1, 2, 4


def string(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def padded(data: bytes, to: int) -> bytes:
    return data + b"\0" * (-len(data) % to)


def call(serial: int, to: str, member: str, body: bytes = b"", signature: str = "") -> bytes:
    """Return a call as the D-Bus specification has it: header fields, then the body."""
    fields = b""
    for code, kind, value in ((1, b"o", "/x"), (3, b"s", member), (6, b"s", to)):
        fields = padded(fields, 8) + bytes([code, 1]) + kind + b"\0"
        fields = padded(fields, 4) + string(value)
    if signature:
        fields = padded(fields, 8) + b"\x08\x01g\0" + bytes([len(signature)])
        fields += signature.encode() + b"\0"
    head = b"l" + bytes([CALL, 0, 1]) + struct.pack("<III", len(body), serial, len(fields))
    return padded(head + fields, 8) + body


class Client:
    """A client that has greeted the bus, one byte at a time."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(path)
        self.greet("\0AUTH\r\n", "REJECTED EXTERNAL\r\n")
        self.greet("AUTH EXTERNAL 30\r\n", "OK 0\r\n")
        self.greet("NEGOTIATE_UNIX_FD\r\n", "ERROR\r\n")
        self.socket.sendall(b"BEGIN\r\n")

    def greet(self, line: str, answer: str) -> None:
        for byte in line.encode():
            self.socket.sendall(bytes([byte]))
        assert self.socket.recv(len(answer)).decode() == answer

    def read(self) -> tuple[int, bytes, bytes]:
        """Return kind, header fields and body of the next message."""
        head = self.take(16)
        body, _, fields = struct.unpack("<III", head[4:])
        names = self.take(fields + -fields % 8)
        return head[1], names, self.take(body)

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self.socket.recv(count - len(data))
        return data

    def ask(self, *arguments: object) -> bytes:
        self.socket.sendall(call(7, *arguments))  # type: ignore[arg-type]
        kind, fields, body = self.read()
        assert kind == RETURN
        assert b"\x05\x01u\0" + struct.pack("<I", 7) in fields
        return body


class Manager:
    """The program at a socket, with the FIFO that it is told by."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = str(folder / "bus")
        self.fifo = folder / "tell"
        os.mkfifo(self.fifo)
        self.said = folder / "said"
        self.input = os.open(self.fifo, os.O_RDWR)
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(
                ["perl", str(PROGRAM), self.path], stdin=self.input, stdout=said, stderr=said
            )
        self.clients: list[Client] = []
        self.await_word("listening")

    def client(self) -> Client:
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def await_word(self, word: str) -> None:
        deadline = clock.Deadline(word, 10.0)
        assert clock.wait_until(lambda: word in self.said.read_text(), deadline)

    def close(self) -> None:
        for client in self.clients:
            client.socket.close()
        self.process.kill()
        self.process.wait()
        os.close(self.input)


@pytest.fixture
def manager(tmp_path: pathlib.Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def test_who_watches_hears_of_the_shutdown_and_nobody_else(manager: Manager) -> None:
    kubelet, other = manager.client(), manager.client()
    assert kubelet.ask(BUS, "Hello") == string(":1.1")
    variant = kubelet.ask(LOGIND, "Get", string("Manager"), "s")
    assert variant[:3] == b"\x01t\0"
    # Longer than any grace period, or the kubelet would want to change logind's configuration.
    assert struct.unpack("<Q", variant[8:])[0] >= 3600 * 1_000_000
    (lock,) = struct.unpack("<I", kubelet.ask(LOGIND, "Inhibit", string("shutdown"), "s"))
    assert lock > 1 << 20
    rule = string("type='signal',member='PrepareForShutdown'")
    assert kubelet.ask(BUS, "AddMatch", rule, "s") == b""
    manager.await_word("watching")
    other.ask(BUS, "Hello")
    os.write(manager.input, b"\n")
    kind, fields, body = kubelet.read()
    assert (kind, body) == (SIGNAL, struct.pack("<I", 1))
    for name in (b"/org/freedesktop/login1\0", b"org.freedesktop.login1.Manager\0"):
        assert name in fields
    assert b"PrepareForShutdown\0" in fields
    other.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        other.socket.recv(1)


def test_a_client_that_goes_and_one_that_says_much_at_once_disturb_nobody(
    manager: Manager,
) -> None:
    manager.client().socket.close()
    client = manager.client()
    client.socket.sendall(b"".join(call(number, BUS, "Hello") for number in range(1, 51)))
    numbers = [client.read()[1] for _ in range(50)]
    assert struct.pack("<I", 50) in numbers[-1]
    assert manager.process.poll() is None
