"""A local port that forwards to a port of a pod, for programs that want an address."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from chaosml import clock
from chaosml.errors import HarnessError, ServiceError
from chaosml.services.lifeline import AWAY_S

__all__ = ["Dial", "PortForward"]

_READ_BYTES = 1 << 16
_POLL_S = 0.3

Dial = Callable[[int], socket.socket]
"""Connects to a port of a pod.

Raises `ServiceError` where it never will again, another `HarnessError` where it may.
"""


class PortForward:
    """A port of this host's loopback interface that forwards to one of a pod's.

    Each connection is forwarded by itself. While the pod cannot be reached a new one
    waits for it; one that breaks is for its client to make again.
    """

    def __init__(self, dial: Dial, port: int, *, away_s: float = AWAY_S) -> None:
        """Listen.

        Args:
            dial: Connects to a port of the pod.
            port: There.
            away_s: How long the pod may be away.
        """
        self._dial = dial
        self._port = port
        self._away_s = away_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._accept, name=f"forward {port}", daemon=True).start()

    @property
    def port(self) -> int:
        """The local port."""
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        """Take no more connections and end those that are there."""
        self._closed.set()
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
        far = self._reach()
        if far is None:
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

    def _reach(self) -> socket.socket | None:
        """Connect to the pod; None where it stays away."""
        deadline = clock.Deadline("connection to the pod", self._away_s)
        while not self._closed.is_set():
            try:
                return self._dial(self._port)
            except ServiceError:
                return None
            except HarnessError:
                if deadline.passed:
                    return None
            self._closed.wait(_POLL_S)
        return None


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, then end the target's direction too."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(_READ_BYTES):
            target.sendall(chunk)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
