"""HTTP listeners whose handlers learn at once that their client has gone."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from chaosml.services.refusal import Refusal

__all__ = ["Connection", "HttpListener", "connection_of", "listen"]

_READ_BYTES = 1 << 18


class Connection(web.RequestHandler):
    """A client's connection; calls back when it is lost, while a request is still handled."""

    __slots__ = ("_callbacks", "gone")

    def __init__(self, server: web.Server) -> None:
        # Bodies pass as they are: an object may have been stored compressed.
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            lingering_time=1.0,
        )
        self.gone = False
        self._callbacks: list[Callable[[], None]] = []

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the loss and call back."""
        self.gone = True
        super().connection_lost(exc)
        for callback in list(self._callbacks):
            callback()

    def reset(self) -> None:
        """Cut the connection with RST; the client gets nothing of what was not sent yet."""
        if self.transport is None:
            return
        # Closing a socket that lingers for no time discards what waits in it and resets.
        endpoint = self.transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    @contextmanager
    def on_loss(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called when the connection is lost within the context, or already is."""
        self._callbacks.append(callback)
        try:
            if self.gone:
                callback()
            yield
        finally:
            self._callbacks.remove(callback)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a failed handler or malformed HTTP with an S3 error."""
        if status >= 500:
            self.log_exception("The handler of a %s request failed", request.method, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun; only closing tells the client.") from exc
        # The parser's message quotes what it could not read, which may be a credential.
        code = "InternalError" if status >= 500 else "InvalidRequest"
        refusal = Refusal(status, code, "The request could not be handled.")
        response = web.Response(
            status=status, body=refusal.render(""), content_type="application/xml"
        )
        response.force_close()
        return response


def connection_of(request: web.BaseRequest) -> Connection:
    """Return the connection that a request of one of our listeners came on."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    return connection


@dataclass(frozen=True, slots=True)
class HttpListener:
    """A listening server."""

    url: str
    handlers: web.Server
    sockets: asyncio.Server

    async def close(self) -> None:
        """Stop listening and close every connection."""
        self.sockets.close()
        await self.handlers.shutdown(0.1)


async def listen(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    host: str = "127.0.0.1",
) -> HttpListener:
    """Serve HTTP on an ephemeral port of an interface, by default the loopback one."""
    handlers = web.Server(handle)
    sockets = await asyncio.get_running_loop().create_server(lambda: Connection(handlers), host, 0)
    port = sockets.sockets[0].getsockname()[1]
    return HttpListener(f"http://{host}:{port}", handlers, sockets)
