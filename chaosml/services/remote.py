"""The services in a pod: the same program, reached through connections that are forwarded to it.

Whoever forwards (a substrate) gives `dial`, which connects to a port on the loopback
interface of the services' pod. The runner's own connection is one of these; the audit
reads the store through a local port that forwards to it.
"""

from __future__ import annotations

import contextlib
import pathlib
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from chaosml import clock
from chaosml.errors import HarnessError, ServiceError
from chaosml.services.client import Endpoints, Services
from chaosml.services.messages import Ready

__all__ = ["RUNNER_PORT", "PortForward", "RemoteServices"]

RUNNER_PORT = 7070
"""Where the services' program takes its runner's connection."""

_READ_BYTES = 1 << 16
_END_S = 2.0
_POLL_S = 0.3

_Dial = Callable[[int], socket.socket]


class PortForward:
    """A port of this host's loopback interface that forwards to one of a pod's."""

    def __init__(self, dial: _Dial, port: int) -> None:
        self._dial = dial
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name=f"forward {port}", daemon=True).start()

    @property
    def port(self) -> int:
        """The local port."""
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more connections and end those that are there."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        try:
            far = self._dial(self._port)
        except HarnessError:
            # The client sees its connection close and says so.
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()
        with self._lock:
            self._open -= {near, far}
        near.close()
        far.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, then end the target's direction too."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(_READ_BYTES):
            target.sendall(chunk)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class RemoteServices(Services):
    """The services of a run in a pod that somebody else has started and will remove."""

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        run: str,
        directory: pathlib.Path,
        dial: _Dial,
        start_s: float = 60.0,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            inbox: Gets what the services say.
            run: Name of the run.
            directory: Where `services.log` would be written.
            dial: Connects to a port of the services' pod.
            start_s: How long the program may take to listen.
        """
        super().__init__(inbox, run=run, directory=directory, start_s=start_s)
        self._dial = dial
        self._forward: PortForward | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection is whole."""
        return self._socket is not None and not self._broken

    def close(self) -> None:
        """Leave the services, which then end; safe to call twice and after a failure."""
        forward, self._forward = self._forward, None
        if forward is not None:
            forward.close()
        super().close()

    def _connect(self) -> socket.socket:
        """Connect once the program listens: a connection that ends unread came too early."""
        deadline = clock.Deadline("the services' port", self._start_s)
        while True:
            try:
                connection = self._dial(RUNNER_PORT)
                if _is_taken(connection, deadline):
                    return connection
            except HarnessError as error:
                if deadline.passed:
                    raise ServiceError(
                        "the services' pod took no connection "
                        f"within {self._start_s:.0f} s: {error}"
                    ) from error
            if deadline.passed:
                raise ServiceError(
                    f"the services' program did not listen within {self._start_s:.0f} s"
                )
            clock.pause(_POLL_S)

    def _locate(self, ready: Ready) -> Endpoints:
        """Return where the services are; the store through a local port.

        Raises:
            ServiceError: their clock is not ours, so that what they say has no time here.
        """
        if ready.boot != clock.boot_id():
            self.close()
            raise ServiceError(
                "the services run on another machine than this command, whose clocks cannot be "
                "compared yet; use a cluster on this host (kind)"
            )
        store = urlsplit(ready.store_url)
        store_url = ready.store_url
        if store.hostname == "127.0.0.1" and store.port is not None:
            self._forward = PortForward(self._dial, store.port)
            store_url = f"http://127.0.0.1:{self._forward.port}"
        return Endpoints(ready.gate_url, ready.control, ready.metadata_url, store_url)


def _is_taken(connection: socket.socket, deadline: clock.Deadline) -> bool:
    """Whether the far end speaks; it greets at once, so nothing of it is lost by looking."""
    connection.settimeout(max(0.1, deadline.left_s))
    try:
        taken = bool(connection.recv(1, socket.MSG_PEEK))
    except (TimeoutError, OSError):
        taken = False
    if taken:
        connection.settimeout(None)
    else:
        connection.close()
    return taken
