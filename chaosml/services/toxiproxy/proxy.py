"""A proxy: a listener, an upstream, its toxics and the connections through it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from dataclasses import dataclass, field

from chaosml.services.toxiproxy.addresses import (
    AddressError,
    join,
    listen_on,
    resolve,
    show_listener,
    upstream_addresses,
)
from chaosml.services.toxiproxy.connection import Connection, hang_up, prepare
from chaosml.services.toxiproxy.counters import ConnectionCounts, StreamCounts, ToxicCounts
from chaosml.services.toxiproxy.link import Machinery
from chaosml.services.toxiproxy.toxic import Stream, Toxic

__all__ = ["Proxy", "ProxySettings"]

_ACCEPTS_MAX = 64
_ACCEPT_PAUSE_S = 0.5
_CONNECT_S = 30.0
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What a client may say of a proxy."""

    listen: str
    upstream: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Counts:
    connections: ConnectionCounts = field(default_factory=ConnectionCounts)
    streams: dict[Stream, StreamCounts] = field(
        default_factory=lambda: {stream: StreamCounts() for stream in Stream}
    )
    toxics: dict[str, ToxicCounts] = field(default_factory=dict)
    """By name, those of removed toxics, too, until the name is used again."""


class Proxy:
    """Accepts clients and joins each with the upstream."""

    def __init__(
        self, machinery: Machinery, name: str, listen: str, upstream: str, host: str, seed: str
    ) -> None:
        """Make a proxy that does not listen yet.

        Args:
            machinery: What all links share.
            name: Its name.
            listen: Where it is to listen, as `host:port`; port 0 or none: any that is free.
            upstream: Where it connects to, as `host:port`.
            host: Where it listens if `listen` names no host.
            seed: What all draws of its links follow from.
        """
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.counts = _Counts()
        self._machinery = machinery
        self._host = host
        self._seed = f"{seed}/{name}"
        self._toxics: dict[Stream, list[Toxic]] = {stream: [] for stream in Stream}
        self._listener: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._dials: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()

    @property
    def toxics(self) -> list[Toxic]:
        """All toxics, those of the upstream direction first."""
        return [toxic for stream in Stream for toxic in self._toxics[stream]]

    def find_toxic(self, name: str) -> Toxic | None:
        """Return the toxic of a name, if there is one."""
        return next((toxic for toxic in self.toxics if toxic.name == name), None)

    async def differs(self, listen: str, upstream: str) -> bool:
        """Tell whether these addresses are others than its own.

        Raises:
            AddressError: The address cannot be read or the host is not known.
        """
        return (self.listen, self.upstream) != (join(*await resolve(listen)), upstream)

    async def start(self) -> None:
        """Begin to listen, where it does not.

        Raises:
            AddressError: It cannot listen there. It stays disabled.
        """
        if self.enabled:
            return
        self._listener = await listen_on(self.listen, self._host)
        self.listen = show_listener(self._listener)
        self.enabled = True
        self._machinery.loop.add_reader(self._listener.fileno(), self._accept)

    def stop(self) -> None:
        """Listen no longer and close every connection."""
        self.enabled = False
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._listener is not None:
            self._machinery.loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for dial in list(self._dials):
            dial.cancel()
        for connection in list(self._connections):
            connection.close()

    async def close(self) -> None:
        """Stop for good: when it returns nothing of it runs."""
        self.stop()
        await asyncio.gather(*self._dials, return_exceptions=True)

    async def update(self, settings: ProxySettings) -> None:
        """Follow other settings; another address closes every connection.

        Raises:
            AddressError: The address cannot be read (nothing changed), or it cannot listen
                there (it is disabled).
        """
        if await self.differs(settings.listen, settings.upstream):
            self.stop()
            self.listen, self.upstream = settings.listen, settings.upstream
        if settings.enabled and not self.enabled:
            await self.start()
        elif self.enabled and not settings.enabled:
            self.stop()

    def add_toxic(self, toxic: Toxic) -> None:
        """Have a toxic work on all connections, those that are open included."""
        chain = self._toxics[toxic.stream]
        chain.append(toxic)
        self.counts.toxics[toxic.name] = toxic.counts
        for connection in list(self._connections):
            connection.link(toxic.stream).add(toxic, chain)

    def change_toxic(self, toxic: Toxic) -> None:
        """Have all connections follow a changed toxic."""
        for connection in list(self._connections):
            connection.link(toxic.stream).change(toxic, self._toxics[toxic.stream])

    def remove_toxic(self, toxic: Toxic) -> None:
        """Have a toxic work no longer."""
        self._toxics[toxic.stream].remove(toxic)
        for connection in list(self._connections):
            connection.link(toxic.stream).remove(toxic)

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(_ACCEPTS_MAX):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            self.counts.connections.accepted += 1
            seed = f"{self._seed}/{self.counts.connections.accepted}"
            dial = self._machinery.loop.create_task(self._dial(client, seed))
            self._dials.add(dial)
            dial.add_done_callback(self._dials.discard)

    def _rest(self, error: OSError) -> None:
        """Accept nothing for a moment: without descriptors every attempt would fail."""
        if error.errno not in _NO_ROOM:
            raise error
        assert self._listener is not None
        loop, descriptor = self._machinery.loop, self._listener.fileno()
        logging.getLogger(__name__).warning("proxy %s cannot accept: %s", self.name, error)
        loop.remove_reader(descriptor)
        self._pause = loop.call_later(_ACCEPT_PAUSE_S, loop.add_reader, descriptor, self._accept)

    async def _dial(self, client: socket.socket, seed: str) -> None:
        """Join a client with the upstream; close it where that cannot be reached."""
        try:
            prepare(client)
            async with asyncio.timeout(_CONNECT_S):
                upstream = await self._connect()
        except (OSError, AddressError, TimeoutError):
            self.counts.connections.refused += 1
            hang_up(client)
            return
        except asyncio.CancelledError:
            client.close()
            raise
        connection = Connection(self._machinery, client, upstream, self._forget)
        self._connections.add(connection)
        self.counts.connections.open += 1
        connection.start(self._toxics, self.counts.streams, seed)

    async def _connect(self) -> socket.socket:
        failed: OSError | None = None
        for family, place in await upstream_addresses(self.upstream):
            upstream = socket.socket(family, socket.SOCK_STREAM)
            try:
                prepare(upstream)
                await self._machinery.loop.sock_connect(upstream, place)
            except OSError as error:
                upstream.close()
                failed = error
            except asyncio.CancelledError:
                upstream.close()
                raise
            else:
                return upstream
        raise failed or OSError(f"{self.upstream} has no address")

    def _forget(self, connection: Connection) -> None:
        with contextlib.suppress(KeyError):
            self._connections.remove(connection)
            self.counts.connections.open -= 1
