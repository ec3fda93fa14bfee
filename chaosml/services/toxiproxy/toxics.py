"""The toxics: what each may be told, and what it does to the bytes of one link.

A stage is a toxic at work on one direction of one connection. It is pure: given the time, it
moves bytes from its inlet to its outlet and says when it wants to be asked again. It never
waits, so a toxic can be added, changed and removed between any two steps, and every timing
can be tested without a clock.
"""

from __future__ import annotations

import random
from typing import Any, ClassVar, Protocol

import msgspec

from chaosml.services.toxiproxy.buffers import BUFFER_BYTES, Buffer, Chunk, Ending
from chaosml.services.toxiproxy.counters import ToxicCounts

__all__ = [
    "KINDS",
    "Bandwidth",
    "Latency",
    "LimitData",
    "Noop",
    "ResetPeer",
    "Setting",
    "Slicer",
    "SlowClose",
    "Stage",
    "Timeout",
]

_NS_PER_MS = 1_000_000
_NS_PER_US = 1_000
_LATENCY_BYTES = 32 << 20
"""As much as the 1,024 chunks of 32 KiB for which the original delays before it stops reading."""
_SLICE_MS = 10
"""A limited rate passes in portions of what it passes in this time: smooth, yet cheap."""
_SLICE_BYTES_MAX = 64 * 1024


class Stage(Protocol):
    """A toxic at work on one link."""

    inlet_bytes: ClassVar[int]
    """How much may wait in front of it before the sender has to."""

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Move what may move now.

        Returns:
            The time at which something more will happen by itself, if nothing else changes.
        """

    def change(self, setting: Any, now_ns: int) -> None:
        """Work by another setting of the same kind from now on; timers start anew."""

    def leave(self, outlet: Buffer) -> None:
        """Do what the removal of this toxic does to the link, besides letting everything go."""


class Setting(msgspec.Struct, frozen=True):
    """The attributes of a toxic, as the API names them."""

    go_name: ClassVar[str] = ""
    """Its name in the messages of the original."""
    go_integer: ClassVar[str] = "int64"

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        raise NotImplementedError


class _Passing:
    """What stages that only look at the bytes have in common with doing nothing."""

    inlet_bytes: ClassVar[int] = BUFFER_BYTES

    def __init__(self, setting: Any, counts: ToxicCounts, now_ns: int) -> None:
        self._setting = setting
        self._counts = counts
        self.change(setting, now_ns)

    def change(self, setting: Any, now_ns: int) -> None:
        """Work by another setting."""
        self._setting = setting

    def leave(self, outlet: Buffer) -> None:
        """Let everything go."""

    def _pass(self, inlet: Buffer, outlet: Buffer) -> None:
        while inlet.chunks and not outlet.full:
            self._move(inlet.take(inlet.size), outlet)

    def _move(self, chunk: Chunk, outlet: Buffer) -> None:
        self._counts.passed_bytes += len(chunk.data)
        outlet.append(chunk)

    def _end(self, outlet: Buffer, ending: Ending | None) -> None:
        """End the link as its sender did, or by force."""
        if outlet.ending is None and ending is not None:
            outlet.end(ending)
            self._counts.closed += ending is not Ending.FINISHED


class Noop(Setting, frozen=True):
    """Does nothing."""

    go_name: ClassVar[str] = "NoopToxic"

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _NoopStage(self, counts, now_ns)


class _NoopStage(_Passing):
    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Pass everything."""
        self._pass(inlet, outlet)
        if inlet.over:
            self._end(outlet, inlet.ending)
        return None


class Latency(Setting, frozen=True):
    """Delays every chunk by `latency` ms, more or less up to `jitter` ms."""

    go_name: ClassVar[str] = "LatencyToxic"
    latency: int = 0
    jitter: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _LatencyStage(self, draw, counts, now_ns)


class _LatencyStage(_Passing):
    """Shifts the stream in time: a chunk's delay counts from its arrival, and none overtakes."""

    inlet_bytes: ClassVar[int] = _LATENCY_BYTES

    def __init__(
        self, setting: Latency, draw: random.Random, counts: ToxicCounts, now_ns: int
    ) -> None:
        self._draw = draw
        self._due_ns: int | None = None
        super().__init__(setting, counts, now_ns)

    def change(self, setting: Latency, now_ns: int) -> None:
        """Delay by another setting, the chunk that waits included."""
        self._setting = setting
        self._due_ns = None

    def _delay_ns(self) -> int:
        jitter = self._setting.jitter
        spread = self._draw.randrange(-jitter, jitter) if jitter > 0 else 0
        return int(self._setting.latency + spread) * _NS_PER_MS

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Pass what has waited long enough."""
        while inlet.chunks and not outlet.full:
            head = inlet.chunks[0]
            if self._due_ns is None:
                self._due_ns = head.at_ns + self._delay_ns()
            if self._due_ns > now_ns:
                return self._due_ns
            self._counts.delayed_ns += max(0, now_ns - head.at_ns)
            # For the next toxic it arrives when it was due, so that delays in a row add up.
            head.at_ns = max(head.at_ns, self._due_ns)
            self._due_ns = None
            self._move(inlet.take(inlet.size), outlet)
        if inlet.over:
            self._end(outlet, inlet.ending)
        return None


class Bandwidth(Setting, frozen=True):
    """Passes at most `rate` kilobytes (of 1,000 bytes) a second; 0 passes nothing."""

    go_name: ClassVar[str] = "BandwidthToxic"
    rate: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _BandwidthStage(self, counts, now_ns)


class _BandwidthStage(_Passing):
    """A line on which each byte takes its time, one after the other."""

    _setting: Bandwidth

    def __init__(self, setting: Bandwidth, counts: ToxicCounts, now_ns: int) -> None:
        self._free_ns = now_ns
        self._blocked = False
        super().__init__(setting, counts, now_ns)

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Pass what the line has carried by now."""
        rate = self._setting.rate
        if self._blocked and not outlet.full:
            # The line stood still: nobody gets back the time that the receiver let pass.
            self._free_ns = max(self._free_ns, now_ns)
        self._blocked = outlet.full
        while inlet.chunks and not outlet.full:
            if rate <= 0:
                return None
            head = inlet.chunks[0]
            # A kilobyte a second is a byte a millisecond.
            portion = max(1, min(len(head.data), rate * _SLICE_MS, _SLICE_BYTES_MAX))
            due_ns = max(self._free_ns, head.at_ns) + portion * _NS_PER_MS // rate
            if due_ns > now_ns:
                return due_ns
            self._counts.delayed_ns += max(0, now_ns - head.at_ns)
            self._free_ns = due_ns
            sent = inlet.take(portion)
            sent.at_ns = due_ns
            self._move(sent, outlet)
        if inlet.over:
            self._end(outlet, inlet.ending)
        return None


class SlowClose(Setting, frozen=True):
    """Closes only `delay` ms after the sender did."""

    go_name: ClassVar[str] = "SlowCloseToxic"
    delay: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _SlowCloseStage(self, counts, now_ns)


class _SlowCloseStage(_Passing):
    def change(self, setting: SlowClose, now_ns: int) -> None:
        """Wait anew, where it waits."""
        self._setting = setting
        self._since_ns: int | None = None

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Pass everything but the end."""
        self._pass(inlet, outlet)
        if not inlet.over or outlet.ending is not None:
            return None
        if self._since_ns is None:
            self._since_ns = now_ns
        due_ns = self._since_ns + int(self._setting.delay) * _NS_PER_MS
        if due_ns > now_ns:
            return due_ns
        self._counts.delayed_ns += now_ns - self._since_ns
        self._end(outlet, inlet.ending)
        return None


class Timeout(Setting, frozen=True):
    """Drops all bytes; closes after `timeout` ms in which none came, with 0 when removed."""

    go_name: ClassVar[str] = "TimeoutToxic"
    timeout: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _TimeoutStage(self, counts, now_ns)


class _TimeoutStage(_Passing):
    def change(self, setting: Timeout, now_ns: int) -> None:
        """Wait anew."""
        self._setting = setting
        self._since_ns = now_ns

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Drop everything; close when the time is over."""
        if outlet.ending is not None:
            return None
        if inlet.chunks:
            self._counts.dropped_bytes += inlet.take_all()
            self._since_ns = now_ns
        if inlet.over:
            self._end(outlet, inlet.ending)
            return None
        if self._setting.timeout <= 0:
            return None
        due_ns = self._since_ns + int(self._setting.timeout) * _NS_PER_MS
        if due_ns > now_ns:
            return due_ns
        self._end(outlet, Ending.CUT)
        return None

    def leave(self, outlet: Buffer) -> None:
        """Close: bytes are missing, so nothing that follows would make sense."""
        self._end(outlet, Ending.CUT)


class ResetPeer(Setting, frozen=True):
    """Resets the connection `timeout` ms after the first bytes or the end came."""

    go_name: ClassVar[str] = "ResetToxic"
    timeout: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _ResetPeerStage(self, counts, now_ns)


class _ResetPeerStage(_Passing):
    def change(self, setting: ResetPeer, now_ns: int) -> None:
        """Wait anew, where it waits."""
        self._setting = setting
        self._since_ns: int | None = None

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Drop everything; reset when the time is over."""
        waiting = self._since_ns is not None
        if outlet.ending is not None or not (waiting or inlet.chunks or inlet.over):
            return None
        self._counts.dropped_bytes += inlet.take_all()
        if self._since_ns is None:
            self._since_ns = now_ns
        due_ns = self._since_ns + int(self._setting.timeout) * _NS_PER_MS
        if due_ns > now_ns:
            return due_ns
        self._end(outlet, Ending.RESET)
        return None


class Slicer(Setting, frozen=True):
    """Cuts into pieces of `average_size` bytes ± `size_variation`, `delay` µs apart."""

    go_name: ClassVar[str] = "SlicerToxic"
    go_integer: ClassVar[str] = "int"
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _SlicerStage(self, draw, counts, now_ns)

    def cut(self, size: int, draw: random.Random) -> list[int]:
        """Return the sizes of the pieces of `size` bytes: halves of halves, moved at random."""
        average, variation = max(1, self.average_size), max(0, self.size_variation)
        pieces: list[int] = []
        rest = [size]
        while rest:
            length = rest.pop()
            if length - average <= variation:
                pieces.append(length)
                continue
            middle = length // 2
            if variation:
                middle += draw.randrange(-variation, variation)
            # A variation above the average must not cut beyond the ends.
            middle = min(max(middle, 1), length - 1)
            rest += [length - middle, middle]
        return pieces


class _SlicerStage(_Passing):
    def __init__(
        self, setting: Slicer, draw: random.Random, counts: ToxicCounts, now_ns: int
    ) -> None:
        self._draw = draw
        self._pieces: list[int] = []
        self._next_ns = now_ns
        super().__init__(setting, counts, now_ns)

    def change(self, setting: Slicer, now_ns: int) -> None:
        """Cut the rest by another setting."""
        self._setting = setting
        self._pieces = []
        self._next_ns = now_ns

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Pass the next piece, where its time has come."""
        while inlet.chunks and not outlet.full:
            if self._next_ns > now_ns:
                return self._next_ns
            if not self._pieces:
                self._pieces = self._setting.cut(len(inlet.chunks[0].data), self._draw)[::-1]
            self._move(inlet.take(self._pieces.pop()), outlet)
            # From now, not from when it was due: catching up would join what was cut.
            self._next_ns = now_ns + int(self._setting.delay) * _NS_PER_US
        if inlet.over:
            self._end(outlet, inlet.ending)
        return None


class LimitData(Setting, frozen=True):
    """Closes when `bytes` bytes have passed."""

    go_name: ClassVar[str] = "LimitDataToxic"
    bytes: int = 0

    def start(self, draw: random.Random, counts: ToxicCounts, now_ns: int) -> Stage:
        """Return a stage for one link."""
        return _LimitDataStage(self, counts, now_ns)


class _LimitDataStage(_Passing):
    def __init__(self, setting: LimitData, counts: ToxicCounts, now_ns: int) -> None:
        self._passed = 0
        super().__init__(setting, counts, now_ns)

    def advance(self, now_ns: int, inlet: Buffer, outlet: Buffer) -> int | None:
        """Pass what the limit allows."""
        while inlet.chunks and not outlet.full and outlet.ending is None:
            left = max(0, self._setting.bytes - self._passed)
            if left:
                allowed = inlet.take(left)
                self._passed += len(allowed.data)
                self._move(allowed, outlet)
            if self._passed >= self._setting.bytes:
                self._counts.dropped_bytes += inlet.take_all()
                self._end(outlet, Ending.CUT)
        if inlet.over:
            self._end(outlet, inlet.ending)
        return None


KINDS: dict[str, type[Setting]] = {
    "bandwidth": Bandwidth,
    "latency": Latency,
    "limit_data": LimitData,
    "noop": Noop,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "slow_close": SlowClose,
    "timeout": Timeout,
}
"""The types of toxics by the names that the API knows."""
