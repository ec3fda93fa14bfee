"""One direction of a connection: from a socket through the toxics at work to the other socket.

    source ─► inlet ▸ stage ─► inlet ▸ stage ─► outbox ─► sink        with toxics
    source ─► pipe ─► sink                                            without

Everything happens in steps that never wait, on the event loop's call: something can be read,
something can be written, or a stage's time has come. A full buffer is not filled further, which
in the end stops the reading, so that the sender's kernel holds the sender back.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass

from chaosml import clock
from chaosml.services.toxiproxy.buffers import Buffer, Chunk, Ending
from chaosml.services.toxiproxy.counters import StreamCounts
from chaosml.services.toxiproxy.pipes import PIPE_BYTES, Pipe, Pipes
from chaosml.services.toxiproxy.timers import Timer, Timers
from chaosml.services.toxiproxy.toxic import Toxic
from chaosml.services.toxiproxy.toxics import Stage

__all__ = ["Ends", "Link", "Machinery"]

_CHUNK_BYTES = 32 * 1024
"""What the original reads at once, so that a jitter is drawn as often."""
_SPLICES_MAX = 8
"""How often a step asks for more: cheaper than being called again, but others want their turn."""
_SENDS_MAX = 64
"""Pieces sent in one step; other connections want their turn."""


@dataclass(frozen=True, slots=True)
class Machinery:
    """What all links of a server share."""

    loop: asyncio.AbstractEventLoop
    timers: Timers
    pipes: Pipes


@dataclass(slots=True)
class _Segment:
    """A toxic at work on this link, and what waits in front of it."""

    toxic: Toxic
    stage: Stage
    inlet: Buffer


@dataclass(slots=True)
class _Draws:
    """What decides for one toxic on one link; apart, so that bytes do not change who is spared."""

    toxicity: random.Random
    stage: random.Random


@dataclass(slots=True)
class Ends:
    """The sockets that a link joins."""

    source: socket.socket
    sink: socket.socket


class Link:
    """Moves the bytes of one direction."""

    def __init__(
        self,
        machinery: Machinery,
        ends: Ends,
        counts: StreamCounts,
        seed: str,
        on_over: Callable[[Link, Ending], None],
    ) -> None:
        """Join two sockets; nothing moves before `start`.

        Args:
            machinery: What all links share.
            ends: From where and to where.
            counts: Counts the bytes of this direction of the proxy.
            seed: What this link's draws follow from.
            on_over: Called once, with the manner, when everything has been passed on.
        """
        self._machinery = machinery
        self.ends = ends
        self._counts = counts
        self._seed = seed
        self._on_over = on_over
        self._draws: dict[Toxic, _Draws] = {}
        self._segments: list[_Segment] = []
        self._outbox = Buffer()
        self._pipe: Pipe | None = None
        self._piped = 0
        self._wake: Timer | None = None
        self._reads = self._writes = False
        self._source_open = True
        self.over = False
        self.moved_bytes = 0
        """What was sent since the start."""

    def start(self, toxics: list[Toxic]) -> None:
        """Begin with these toxics."""
        for toxic in toxics:
            self._attach(toxic, toxics)
        self._pump()

    def add(self, toxic: Toxic, toxics: list[Toxic]) -> None:
        """Have a toxic work from now on; `toxics` are all of this direction, in their order."""
        if not self.over:
            self._attach(toxic, toxics)
            self._pump()

    def change(self, toxic: Toxic, toxics: list[Toxic]) -> None:
        """Follow a changed toxic; whether this link is spared is drawn again."""
        if self.over:
            return
        segment = self._find(toxic)
        if not self._is_hit(toxic):
            if segment is not None:
                self._remove(segment)
        elif segment is None:
            self._insert(toxic, toxics)
        else:
            segment.stage.change(toxic.setting, clock.monotonic_ns())
        self._pump()

    def remove(self, toxic: Toxic) -> None:
        """Have a toxic work no longer; what waited for it goes on."""
        self._draws.pop(toxic, None)
        segment = self._find(toxic)
        if self.over or segment is None:
            return
        segment.stage.leave(self._outlet(segment))
        self._remove(segment)
        self._pump()

    def lose_source(self) -> None:
        """Read no more: the source has been closed from the other direction."""
        if self._source_open and not self.over:
            self._end_source(Ending.CUT)

    def stop(self) -> None:
        """Move nothing more and forget what is on its way."""
        self.over = True
        self._set_interest(reads=False, writes=False)
        if self._wake is not None:
            self._wake.cancel()
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _attach(self, toxic: Toxic, toxics: list[Toxic]) -> None:
        name = f"{self._seed}/{toxic.name}"
        self._draws[toxic] = _Draws(random.Random(f"{name}/toxicity"), random.Random(name))
        if self._is_hit(toxic):
            self._insert(toxic, toxics)

    def _is_hit(self, toxic: Toxic) -> bool:
        hit = self._draws[toxic].toxicity.random() < toxic.toxicity
        if hit:
            toxic.counts.links += 1
        else:
            toxic.counts.spared += 1
        return hit

    def _insert(self, toxic: Toxic, toxics: list[Toxic]) -> None:
        self._empty_pipe()
        stage = toxic.setting.start(self._draws[toxic].stage, toxic.counts, clock.monotonic_ns())
        before = toxics[: toxics.index(toxic)]
        place = sum(segment.toxic in before for segment in self._segments)
        self._segments.insert(place, _Segment(toxic, stage, Buffer(stage.inlet_bytes)))

    def _remove(self, segment: _Segment) -> None:
        segment.inlet.pour(self._outlet(segment))
        self._segments.remove(segment)

    def _find(self, toxic: Toxic) -> _Segment | None:
        return next((each for each in self._segments if each.toxic is toxic), None)

    def _outlet(self, segment: _Segment) -> Buffer:
        place = self._segments.index(segment) + 1
        return self._segments[place].inlet if place < len(self._segments) else self._outbox

    @property
    def _head(self) -> Buffer:
        return self._segments[0].inlet if self._segments else self._outbox

    def _on_readable(self) -> None:
        if self._segments or self._outbox.chunks:
            self._receive()
            return
        for _ in range(_SPLICES_MAX):
            count = self._splice()
            if count is None:
                self._receive()
                return
            if not count or self._pipe is not None or self.over:
                break
        self._settle()

    def _splice(self) -> int | None:
        """Move bytes without looking at them; return how many, None where there is no pipe."""
        pipe = self._machinery.pipes.take()
        if pipe is None:
            return None
        try:
            count = os.splice(
                self.ends.source.fileno(),
                pipe.write_fd,
                PIPE_BYTES,
                flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK,
            )
        except BlockingIOError:
            self._machinery.pipes.give(pipe)
            return 0
        except OSError:
            self._machinery.pipes.give(pipe)
            self._end_source(Ending.CUT)
            return 0
        if not count:
            self._machinery.pipes.give(pipe)
            self._end_source(Ending.FINISHED)
            return 0
        self._pipe, self._piped = pipe, count
        self._counts.received_bytes += count
        self._flush_pipe()
        return count

    def _flush_pipe(self) -> None:
        if self._pipe is None:
            return
        try:
            count = os.splice(
                self._pipe.read_fd,
                self.ends.sink.fileno(),
                self._piped,
                flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK,
            )
        except BlockingIOError:
            return
        except OSError:
            self._finish(Ending.CUT)
            return
        self._count_sent(count)
        self._piped -= count
        if not self._piped:
            self._machinery.pipes.give(self._pipe)
            self._pipe = None

    def _empty_pipe(self) -> None:
        """Move what is in the pipe to the outbox: it has passed where toxics work."""
        if self._pipe is None:
            return
        data = os.read(self._pipe.read_fd, self._piped)
        self._outbox.append(Chunk(memoryview(data), clock.monotonic_ns()))
        self._piped -= len(data)
        self._machinery.pipes.give(self._pipe)
        self._pipe = None

    def _receive(self) -> None:
        try:
            data = self.ends.source.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._end_source(Ending.CUT)
            return
        if not data:
            self._end_source(Ending.FINISHED)
            return
        self._counts.received_bytes += len(data)
        self._head.append(Chunk(memoryview(data), clock.monotonic_ns()))
        self._pump()

    def _end_source(self, ending: Ending) -> None:
        self._source_open = False
        self._empty_pipe()
        self._head.end(ending)
        self._pump()

    def _on_writable(self) -> None:
        self._flush_pipe()
        self._pump()

    def _pump(self) -> None:
        """Move everything that may move now."""
        if self.over:
            return
        wake_ns = self._advance()
        while self._send():
            wake_ns = self._advance()
        self._set_wake(wake_ns)
        self._settle()

    def _advance(self) -> int | None:
        """Let every stage work until none can go on; return when the next one can."""
        now_ns = clock.monotonic_ns()
        while True:
            before = self._fill()
            wakes = [
                segment.stage.advance(now_ns, segment.inlet, self._outlet(segment))
                for segment in self._segments
            ]
            if self._fill() == before or len(self._segments) < 2:
                return min((wake for wake in wakes if wake is not None), default=None)

    def _fill(self) -> list[tuple[int, Ending | None]]:
        inlets = [segment.inlet for segment in self._segments]
        return [(each.size, each.ending) for each in (*inlets, self._outbox)]

    def _send(self) -> bool:
        """Send from the outbox; return whether that made room for which a stage may wait."""
        was_full = self._outbox.full
        for _ in range(_SENDS_MAX):
            if self.over or not self._outbox.chunks or self._pipe is not None:
                break
            head = self._outbox.chunks[0].data
            try:
                # One piece at a time: what a toxic has cut stays apart.
                count = self.ends.sink.send(head)
            except BlockingIOError:
                break
            except OSError:
                self._finish(Ending.CUT)
                break
            self._count_sent(count)
            self._outbox.take(count)
        return was_full and not self._outbox.full and not self.over

    def _count_sent(self, count: int) -> None:
        self.moved_bytes += count
        self._counts.sent_bytes += count

    def _set_wake(self, at_ns: int | None) -> None:
        if self._wake is not None and self._wake.callback is not None:
            if self._wake.at_ns == at_ns:
                return
            self._wake.cancel()
        self._wake = None
        if at_ns is not None and not self.over:
            self._wake = self._machinery.timers.call_at(at_ns, self._pump)

    def _settle(self) -> None:
        """End what is over, and wait for what is missing."""
        if self.over:
            return
        if self._outbox.over and self._pipe is None:
            assert self._outbox.ending is not None
            self._finish(self._outbox.ending)
            return
        self._set_interest(
            reads=self._source_open and self._pipe is None and not self._head.full,
            writes=self._pipe is not None or bool(self._outbox.chunks),
        )

    def _set_interest(self, *, reads: bool, writes: bool) -> None:
        loop = self._machinery.loop
        if reads != self._reads:
            self._reads = reads
            if reads:
                loop.add_reader(self.ends.source.fileno(), self._on_readable)
            else:
                loop.remove_reader(self.ends.source.fileno())
        if writes != self._writes:
            self._writes = writes
            if writes:
                loop.add_writer(self.ends.sink.fileno(), self._on_writable)
            else:
                loop.remove_writer(self.ends.sink.fileno())

    def _finish(self, ending: Ending) -> None:
        if not self.over:
            self.stop()
            self._on_over(self, ending)
