"""A connection to a port of a pod, through the API server.

    local socket ─► frames of one channel ─► API server ─► kubelet ─► port
                 ◄─                       ◄─

The protocol is `portforward.k8s.io` over a websocket: channel 0 carries data, channel 1
the kubelet's error; the first frame of each is the port's number. It knows no half-closed
connection: the end of either side ends both. The client library has this too, in one
thread without limits that dies of a reset connection and leaves its caller waiting.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any

__all__ = ["open_forward"]

_CONNECT_S = 10.0
_UNANSWERED_MS = 20_000
"""The kernel ends a connection whose other side has not acknowledged anything for so long."""
_READ_BYTES = 1 << 16
_PROTOCOL = "v4.channel.k8s.io"
_DATA = 0
_PREAMBLE_BYTES = 3


def open_forward(url: str, headers: Mapping[str, str], configuration: Any) -> socket.socket:
    """Connect to the port that a `portforward` URL names.

    Args:
        url: Of the pod's subresource, `https://…?ports=N`.
        headers: Credentials.
        configuration: The client library's, for TLS and proxies.

    Raises:
        OSError: the connection could not be made.
        websocket.WebSocketException: the server did not agree to it.
    """
    import websocket
    from kubernetes.stream.ws_client import websocket_proxycare

    options: dict[str, Any] = {
        "header": [f"{name}: {value}" for name, value in headers.items()],
        "subprotocols": [_PROTOCOL],
        "timeout": _CONNECT_S,
    }
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, headers)
    # Frames are read in one thread and written in the other.
    far: Any = websocket.WebSocket(
        sslopt=_tls(configuration), enable_multithread=True, skip_utf8_validation=True
    )
    far.connect("ws" + url.removeprefix("http"), **options)
    far.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MS)
    far.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    far.settimeout(None)
    near, ours = socket.socketpair()
    bridge = _Bridge(far, ours)
    for flow in (bridge.receive, bridge.send):
        threading.Thread(target=flow, name="port forward", daemon=True).start()
    return near


def _tls(configuration: Any) -> dict[str, Any]:
    import ssl

    if not configuration.verify_ssl:
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    else:
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert}
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    if configuration.cert_file:
        options["certfile"] = configuration.cert_file
        options["keyfile"] = configuration.key_file
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    return options


class _Bridge:
    """Carries bytes between a websocket and a socket until either ends."""

    def __init__(self, far: Any, near: socket.socket) -> None:
        import websocket

        self._broken = (OSError, ValueError, AttributeError, websocket.WebSocketException)
        """What a closed or reset connection raises, also one that the other thread closed."""
        self._far = far
        self._near = near
        self._lock = threading.Lock()
        self._ends = 0

    def receive(self) -> None:
        """Pass on what comes from the pod."""
        begun: set[int] = set()
        with contextlib.suppress(*self._broken):
            while frame := self._far.recv():
                channel, content = frame[0], frame[1:]
                if channel not in begun:
                    begun.add(channel)
                    content = frame[_PREAMBLE_BYTES:]
                if channel != _DATA and content:
                    # The kubelet says why the port does not answer: it is over.
                    break
                self._near.sendall(content)
        self._end()

    def send(self) -> None:
        """Pass on what our side writes."""
        with contextlib.suppress(*self._broken):
            while chunk := self._near.recv(_READ_BYTES):
                self._far.send_binary(bytes((_DATA,)) + chunk)
        self._end()

    def _end(self) -> None:
        """End both directions; whoever ends last closes."""
        with self._lock:
            self._ends += 1
            last = self._ends == 2
        with contextlib.suppress(*self._broken):
            self._near.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(*self._broken):
            self._far.sock.shutdown(socket.SHUT_RDWR)
        if last:
            self._near.close()
            with contextlib.suppress(*self._broken):
                self._far.shutdown()
