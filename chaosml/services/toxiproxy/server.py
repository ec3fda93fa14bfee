"""A Toxiproxy inside an event loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from types import TracebackType

from aiohttp import web

from chaosml.errors import ServiceError
from chaosml.services.toxiproxy.addresses import AddressError, listen_on, show_listener
from chaosml.services.toxiproxy.api import Api
from chaosml.services.toxiproxy.collection import ProxyCollection
from chaosml.services.toxiproxy.link import Machinery
from chaosml.services.toxiproxy.pipes import Pipes
from chaosml.services.toxiproxy.timers import Timers

__all__ = ["Toxiproxy"]

_SHUTDOWN_S = 0.1


class Toxiproxy:
    """A server of the API, with its proxies; it runs as long as its context."""

    def __init__(self, host: str = "127.0.0.1", port: int = 8474, *, seed: int | str = 0) -> None:
        """Say where to serve; nothing listens before the context is entered.

        Args:
            host: Where the API listens, and every proxy whose address names no host.
            port: Where the API listens; 0: any that is free.
            seed: What decides which links a toxic spares, how much a jitter is and where a
                slicer cuts.
        """
        self._host = host
        self._port = port
        self._seed = str(seed)
        self._address = ""
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://{self._address}"

    async def __aenter__(self) -> Toxiproxy:
        """Begin to listen.

        Raises:
            ServiceError: It cannot listen there.
        """
        shown = f"[{self._host}]" if ":" in self._host else self._host
        try:
            listener = await listen_on(f"{shown}:{self._port}", self._host)
        except AddressError as error:
            raise ServiceError(f"Toxiproxy cannot serve its API: {error}") from error
        self._address = show_listener(listener)
        async with AsyncExitStack() as stack:
            await self._start(stack, listener)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, close every connection and forget everything."""
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        machinery = Machinery(loop, Timers(loop), Pipes())
        stack.callback(machinery.pipes.close)
        stack.callback(machinery.timers.close)
        collection = ProxyCollection(machinery, self._host, self._seed)
        stack.push_async_callback(collection.close)
        # Bodies are taken as they are, as the original does.
        handlers = web.Server(Api(collection).handle, auto_decompress=False)
        stack.push_async_callback(handlers.shutdown, _SHUTDOWN_S)
        sockets = await loop.create_server(handlers, sock=listener)
        stack.callback(sockets.close)
