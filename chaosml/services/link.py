"""The services' end of the link to their runner.

    Pipe   one connection; when it closes, the runner is gone
    Port   connections that come and go, of one owner that proves itself by a token

A port-forward breaks when an API server or a kubelet restarts. So what is said over a
`Port` is numbered and kept until the runner has taken it; a new connection goes on
after the last number that it has. An order that comes again was carried out before. Only
the runner's word, or its absence for longer than it would itself look for us, is the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.services.lifeline import LIFELINE_S
from chaosml.services.messages import (
    Answer,
    Attach,
    Beat,
    Beaten,
    Call,
    Clocked,
    Leave,
    Ready,
    Said,
)

__all__ = ["Outbox", "Pipe", "Port", "Runner"]

_LINE_BYTES_MAX = 16 << 20
_KEPT_BYTES_MAX = 64 << 20
_ATTACH_S = 10.0
_RUNNER_S = 300.0

_log = logging.getLogger(__name__)
_Take = Callable[[Call], Awaitable[None]]


class Runner(Protocol):
    """Who gives orders and is told what happens."""

    def send(self, message: Answer | Said | Clocked) -> None:
        """Say something; never blocks."""

    async def serve(self, ready: Ready, take: _Take) -> None:
        """Greet, then have every order carried out, one after the other, until the runner is gone.

        Raises:
            ServiceError: no runner came.
        """


class Pipe:
    """The runner that started this process, at the other end of a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: Answer | Said | Clocked | Ready) -> None:
        """Say something."""
        if not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(message) + b"\n")

    async def serve(self, ready: Ready, take: _Take) -> None:
        """Greet and obey until the connection closes."""
        self.send(ready)
        decoder = msgspec.json.Decoder(Call)
        try:
            while line := await self._reader.readline():
                await take(decoder.decode(line))
        except ConnectionError:
            _log.warning("the runner's connection broke")


class Outbox:
    """Messages numbered from 1, kept until they were taken."""

    def __init__(self, bytes_max: int = _KEPT_BYTES_MAX) -> None:
        """Begin empty.

        Args:
            bytes_max: What is kept at most. A message beyond drops the oldest ones, of which
                the receiver learns by the number of the first that it gets.
        """
        self._bytes_max = bytes_max
        self._first = 1
        self._kept: deque[bytes] = deque()
        self._size = 0

    def add(self, message: Answer | Said | Clocked) -> bytes:
        """Keep a message; return its line."""
        line = msgspec.json.encode(message) + b"\n"
        self._kept.append(line)
        self._size += len(line)
        while self._size > self._bytes_max:
            self._drop()
        return line

    def acknowledge(self, taken: int) -> None:
        """Forget what was taken: everything up to that number."""
        while self._kept and self._first <= taken:
            self._drop()

    def after(self, taken: int) -> tuple[int, list[bytes]]:
        """Return the kept lines behind `taken`, after the number of the first."""
        self.acknowledge(taken)
        return self._first, list(self._kept)

    def _drop(self) -> None:
        self._size -= len(self._kept.popleft())
        self._first += 1


class Port:
    """A runner that connects from afar, through forwarded connections of its own making."""

    def __init__(self, *, lifeline_s: float = LIFELINE_S, runner_s: float = _RUNNER_S) -> None:
        """Prepare; `listen` listens.

        Args:
            lifeline_s: How long the runner may be silent before it counts as gone.
            runner_s: How long the first one may take to come.
        """
        self._lifeline_s = lifeline_s
        self._runner_s = runner_s
        self._outbox = Outbox()
        self._owner: bytes | None = None
        """Its token: whoever attaches first is the owner."""
        self._writer: asyncio.StreamWriter | None = None
        self._ready: Ready | None = None
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._known: set[int] = set()
        """Ids of the orders that came."""
        self._heard_ns = clock.monotonic_ns()
        self._left = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self, port: int) -> None:
        """Take connections on the loopback interface, where only a port-forward gets to."""
        self._server = await asyncio.start_server(
            self._converse, "127.0.0.1", port, limit=_LINE_BYTES_MAX
        )

    def close(self) -> None:
        """Take no more connections and end the one that is there."""
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()

    def send(self, message: Answer | Said | Clocked) -> None:
        """Say something; it is kept until the runner has it."""
        line = self._outbox.add(message)
        if self._writer is not None and not self._writer.is_closing() and self._ready is not None:
            self._writer.write(line)

    async def serve(self, ready: Ready, take: _Take) -> None:
        """Greet whoever is attached and obey until the runner has left or is silent for too long.

        Raises:
            ServiceError: no runner came.
        """
        self._ready = ready
        if self._writer is not None:
            self._greet(self._writer, 0)
        obeying = asyncio.create_task(self._obey(take))
        try:
            await self._await_end(obeying)
        finally:
            obeying.cancel()

    async def _obey(self, take: _Take) -> None:
        while True:
            await take(await self._calls.get())

    async def _await_end(self, obeying: asyncio.Task[None]) -> None:
        leaving = asyncio.create_task(self._left.wait())
        try:
            while not leaving.done():
                left_s = self._patience_s - (clock.monotonic_ns() - self._heard_ns) / 1e9
                if left_s <= 0:
                    return self._give_up()
                await asyncio.wait(
                    {leaving, obeying}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                )
                if obeying.done():
                    obeying.result()
        finally:
            leaving.cancel()

    @property
    def _patience_s(self) -> float:
        return self._runner_s if self._owner is None else self._lifeline_s

    def _give_up(self) -> None:
        if self._owner is None:
            raise ServiceError(f"no runner connected within {self._runner_s:.0f} s")
        _log.warning("the runner was silent for %.0f s; the services end", self._lifeline_s)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the runner."""
        # A forwarded connection breaks in every way there is; the next one goes on.
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError, TimeoutError):
            line = await asyncio.wait_for(reader.readline(), _ATTACH_S)
            attach = msgspec.json.decode(line, type=Attach)
            if self._is_owner(attach.token):
                self._attach(writer, attach.taken)
                await self._listen_to(reader)
        if self._writer is writer:
            self._writer = None
        writer.close()

    def _is_owner(self, token: str) -> bool:
        given = token.encode()
        if self._owner is None:
            self._owner = given
        if hmac.compare_digest(self._owner, given):
            return True
        _log.warning("somebody who is not the runner of these services asked for them")
        return False

    def _attach(self, writer: asyncio.StreamWriter, taken: int) -> None:
        before, self._writer = self._writer, writer
        if before is not None:
            # It is half dead: the runner has given it up.
            before.transport.abort()
        self._heard_ns = clock.monotonic_ns()
        if self._ready is not None:
            self._greet(writer, taken)

    def _greet(self, writer: asyncio.StreamWriter, taken: int) -> None:
        assert self._ready is not None
        first, lines = self._outbox.after(taken)
        greeting = msgspec.structs.replace(self._ready, first=first)
        writer.writelines([msgspec.json.encode(greeting) + b"\n", *lines])

    async def _listen_to(self, reader: asyncio.StreamReader) -> None:
        decoder: msgspec.json.Decoder[Call | Beat | Leave] = msgspec.json.Decoder(
            Call | Beat | Leave
        )
        while line := await reader.readline():
            self._heard_ns = clock.monotonic_ns()
            match decoder.decode(line):
                case Beat() as beat:
                    self._answer_beat(beat)
                case Call() as call if call.id not in self._known:
                    self._known.add(call.id)
                    self._calls.put_nowait(call)
                case Leave():
                    self._left.set()

    def _answer_beat(self, beat: Beat) -> None:
        self._outbox.acknowledge(beat.taken)
        if self._writer is not None:
            answer = Beaten(sent_ns=beat.sent_ns, stamp_ns=self._heard_ns)
            self._writer.write(msgspec.json.encode(answer) + b"\n")
