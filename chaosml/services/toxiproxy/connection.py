"""A client's connection through a proxy: two sockets and the two links between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

from chaosml.services.toxiproxy.buffers import Ending
from chaosml.services.toxiproxy.counters import StreamCounts
from chaosml.services.toxiproxy.link import Ends, Link, Machinery
from chaosml.services.toxiproxy.toxic import Stream, Toxic

__all__ = ["Connection", "hang_up", "prepare"]

_LINGER_ZERO = struct.pack("ii", 1, 0)
_KEEPALIVE_S = 15
_HALF_CLOSED_S = 300.0
"""How long a connection of which one direction has ended may be silent."""
_DISCARD_BYTES = 64 * 1024
_DISCARDS_MAX = 16


def prepare(end: socket.socket) -> None:
    """Set what the original sets on every socket."""
    end.setblocking(False)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_S)


def hang_up(end: socket.socket) -> None:
    """Close a socket with FIN, and let what was sent arrive."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_WR)
        # Closing with unread bytes resets, which would throw away what the peer has not read.
        for _ in range(_DISCARDS_MAX):
            if not end.recv(_DISCARD_BYTES):
                break
    end.close()


def _reset(end: socket.socket) -> None:
    """Close a socket with RST."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    end.close()


class Connection:
    """Two sockets joined by two links until both directions have ended."""

    def __init__(
        self,
        machinery: Machinery,
        client: socket.socket,
        upstream: socket.socket,
        on_closed: Callable[[Connection], None],
    ) -> None:
        self._loop = machinery.loop
        self._machinery = machinery
        self._client = client
        self._upstream = upstream
        self._on_closed = on_closed
        self._links: dict[Stream, Link] = {}
        self._closed = False
        self._vigil: asyncio.TimerHandle | None = None

    def start(
        self,
        toxics: dict[Stream, list[Toxic]],
        counts: dict[Stream, StreamCounts],
        seed: str,
    ) -> None:
        """Begin to move bytes, through these toxics."""
        ends = {
            Stream.UPSTREAM: Ends(self._client, self._upstream),
            Stream.DOWNSTREAM: Ends(self._upstream, self._client),
        }
        for stream in Stream:
            name = f"{seed}/{stream.value}"
            link = Link(self._machinery, ends[stream], counts[stream], name, self._on_over)
            self._links[stream] = link
        for stream, link in self._links.items():
            link.start(toxics[stream])

    def link(self, stream: Stream) -> Link:
        """Return the link of a direction."""
        return self._links[stream]

    def close(self) -> None:
        """Close both sockets now; what is on its way is lost."""
        self._close(hang_up)

    def _on_over(self, link: Link, ending: Ending) -> None:
        other = next(each for each in self._links.values() if each is not link)
        if ending is Ending.RESET:
            self._close(_reset)
            return
        with contextlib.suppress(OSError):
            link.ends.sink.shutdown(socket.SHUT_WR)
        if ending is Ending.CUT:
            other.lose_source()
        if link.over and other.over:
            self._close(hang_up)
        elif self._vigil is None and not self._closed:
            self._watch(other, -1)

    def _watch(self, link: Link, moved_bytes: int) -> None:
        """Close when a direction whose other one has ended moves nothing for long."""
        if link.moved_bytes == moved_bytes:
            self.close()
        else:
            self._vigil = self._loop.call_later(_HALF_CLOSED_S, self._watch, link, link.moved_bytes)

    def _close(self, end: Callable[[socket.socket], None]) -> None:
        if self._closed:
            return
        self._closed = True
        if self._vigil is not None:
            self._vigil.cancel()
        for link in self._links.values():
            link.stop()
        end(self._client)
        end(self._upstream)
        self._on_closed(self)
