"""A relay in front of a TCP service: says that clients talked, and answers canaries itself.

    pod ─► Toxiproxy ─► relay ─► service

It is to any service what the gate is to the store. It knows no protocol: the service
may speak first, and either side may end its direction.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from chaosml import clock
from chaosml.event import ServiceTraffic
from chaosml.services import canary
from chaosml.services.execution import Stage
from chaosml.services.sources import GATE

__all__ = ["Relay"]

_READ_BYTES = 1 << 16
_SLICE_S = 0.25


@dataclass(slots=True)
class _Slice:
    """The traffic of a stretch of time that is not yet said."""

    earliest_ns: int
    latest_ns: int
    connections: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


class Relay:
    """Listens for one service."""

    def __init__(self, stage: Stage, proxy: str, upstream: str) -> None:
        self._stage = stage
        self._proxy = proxy
        host, _, port = upstream.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._server: asyncio.Server | None = None
        self._slice: _Slice | None = None
        self.address = ""

    async def listen(self, host: str) -> str:
        """Listen on a port of the interface; return `host:port`."""
        self._server = await asyncio.start_server(self._take, host, 0)
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"
        return self.address

    def close(self) -> None:
        """Take no more connections; those that are there end with the process."""
        if self._server is not None:
            self._server.close()

    def flush(self) -> None:
        """Say what was counted and not yet said."""
        counted, self._slice = self._slice, None
        execution = self._stage.execution
        if counted is None or execution is None:
            return
        execution.emit(
            GATE,
            f"proxy/{self._proxy}",
            ServiceTraffic(
                proxy=self._proxy,
                connections=counted.connections,
                sent_bytes=counted.sent_bytes,
                received_bytes=counted.received_bytes,
            ),
            earliest_ns=counted.earliest_ns,
            latest_ns=counted.latest_ns,
        )

    def _count(self, *, connections: int = 0, sent: int = 0, received: int = 0) -> None:
        now = clock.monotonic_ns()
        if self._slice is None:
            self._slice = _Slice(now, now)
            asyncio.get_running_loop().call_later(_SLICE_S, self.flush)
        self._slice.latest_ns = now
        self._slice.connections += connections
        self._slice.sent_bytes += sent
        self._slice.received_bytes += received

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialling = asyncio.create_task(asyncio.open_connection(self._host, self._port))
        answers = asyncio.create_task(self._pass_answers(dialling, writer))
        try:
            opening = await _read_opening(reader)
            if opening.startswith(canary.OPENING):
                # On the way to a service that is gone a canary must fail like everybody.
                await dialling
                answers.cancel()
                await canary.answer_raw(opening, reader, writer)
                return
            self._count(connections=1)
            _, upstream = await dialling
            await self._pass_requests(opening, reader, upstream)
            await answers
        except (OSError, ValueError):
            # Either side has gone, or a canary was malformed: the other learns it by the end.
            pass
        finally:
            answers.cancel()
            await asyncio.gather(answers, dialling, return_exceptions=True)
            writer.close()
            if not dialling.cancelled() and dialling.exception() is None:
                dialling.result()[1].close()

    async def _pass_requests(
        self, opening: bytes, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter
    ) -> None:
        chunk = opening
        while chunk:
            self._count(sent=len(chunk))
            upstream.write(chunk)
            await upstream.drain()
            chunk = await reader.read(_READ_BYTES)
        if upstream.can_write_eof():
            upstream.write_eof()

    async def _pass_answers(
        self,
        dialling: asyncio.Task[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
        client: asyncio.StreamWriter,
    ) -> None:
        try:
            reader, _ = await dialling
            while chunk := await reader.read(_READ_BYTES):
                self._count(received=len(chunk))
                client.write(chunk)
                await client.drain()
        except OSError:
            client.transport.abort()
            return
        with contextlib.suppress(OSError):
            client.write_eof()


async def _read_opening(reader: asyncio.StreamReader) -> bytes:
    """Return the first bytes of a client: enough to tell a canary from anything else."""
    opening = await reader.read(_READ_BYTES)
    while opening and len(opening) < len(canary.OPENING) and canary.OPENING.startswith(opening):
        chunk = await reader.read(_READ_BYTES)
        if not chunk:
            break
        opening += chunk
    return opening
