"""The control channel of probes: newline-delimited JSON over TCP.

    probe    ─► {"v":1,"hello":UID,"pid":…,"rank":…}
    services ─► {"armed":[{"rule":…,"event":"step","fields":{"step":61},"hold_s":5.0}]}
    probe    ─► {"hold":RULE,"event":{"event":"step","step":61,…}}      and waits
    services ─► {"release":RULE}

Having read what is armed, a probe may say what its clock shows, `{"mono_ns":…,"boot":…}`:
a round trip, which bounds that clock where it is not the services' own.

A probe goes on by itself when its connection breaks, so every doubt is settled by
closing the connection: a malformed or overlong line, a silent client, one too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from chaosml import clock
from chaosml.event import ProbeConnected
from chaosml.services.execution import Execution, Hold, Stage
from chaosml.services.messages import AddPod, Clocked
from chaosml.services.sources import CONTROL

__all__ = ["Control"]

_LINE_BYTES_MAX = 64 * 1024
_CONNECTIONS_MAX = 1024
_HELLO_S = 5.0
_SEND_S = 1.0


class _Hello(msgspec.Struct):
    hello: str
    pid: int = 0
    rank: int = 0


class _Stop(msgspec.Struct):
    hold: str
    event: dict[str, Any]


class _Clock(msgspec.Struct):
    mono_ns: int
    boot: str


def _read(line: bytes) -> _Stop | _Clock:
    """Read a line of a probe; each kind is known by its fields."""
    fields = msgspec.json.decode(line, type=dict[str, Any])
    if "hold" in fields:
        return msgspec.convert(fields, _Stop)
    return msgspec.convert(fields, _Clock)


class _Probe:
    """A probe's connection."""

    def __init__(
        self, execution: Execution, pod: AddPod | None, writer: asyncio.StreamWriter
    ) -> None:
        self._execution = execution
        self._pod = pod
        self._writer = writer
        self._hold: Hold | None = None

    def _send(self, *messages: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(b"".join(msgspec.json.encode(each) + b"\n" for each in messages))

    def _armed(self) -> dict[str, Any]:
        armed = [] if self._pod is None else self._execution.rules.for_probe(self._pod)
        return {
            "armed": [
                {
                    "rule": each.token,
                    "event": each.rule.event,
                    "fields": each.rule.fields,
                    "hold_s": each.rule.hold_s,
                }
                for each in armed
            ]
        }

    def send_armed(self) -> None:
        """Tell the probe what is armed for it."""
        self._send(self._armed())

    async def drain(self) -> None:
        """Wait until what was sent is with the kernel; a probe that does not read is left."""
        try:
            await asyncio.wait_for(self._writer.drain(), _SEND_S)
        except (OSError, TimeoutError):
            self._writer.close()

    def stop(self, stop: _Stop) -> bool:
        """Hold the probe where the rule fires, else let it go on; return whether one fired."""
        rule = None if self._pod is None else self._execution.rules.take_stop(stop.hold, self._pod)
        if rule is None or self._pod is None:
            # What is armed goes first: the next event of the probe must meet it.
            self._send(self._armed(), {"release": stop.hold})
            return False
        step, key = stop.event.get("step"), stop.event.get("key")
        hold = self._execution.hold(
            CONTROL,
            rule,
            self._pod.uid,
            step=step if isinstance(step, int) else None,
            key=key if isinstance(key, str) else None,
        )
        hold.ended.add_done_callback(lambda _: self._send({"release": stop.hold}))
        self._hold = hold
        return True

    def leave(self) -> None:
        """State that the connection is over."""
        if self._hold is not None:
            self._hold.leave()


class Control:
    """The server of the control channel."""

    def __init__(self, stage: Stage, tell: Callable[[Clocked], None]) -> None:
        """Prepare; `listen` listens.

        Args:
            stage: What is going on.
            tell: Gets the round trips to probes on other clocks.
        """
        self._stage = stage
        self._tell = tell
        self._boot = clock.boot_id()
        self._probes: set[_Probe] = set()
        self._sockets: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self, host: str = "127.0.0.1") -> str:
        """Listen on an ephemeral port of an interface; return the address, `host:port`."""
        self._sockets = await asyncio.start_server(self._serve, host, 0, limit=_LINE_BYTES_MAX)
        host, port = self._sockets.sockets[0].getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and close every connection, which lets every probe go on."""
        if self._sockets is not None:
            self._sockets.close()
        for writer in self._writers:
            writer.close()

    async def push(self) -> None:
        """Tell every connected probe what is armed for it, and wait until that is sent."""
        probes = list(self._probes)
        for probe in probes:
            probe.send_armed()
        await asyncio.gather(*(probe.drain() for probe in probes))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= _CONNECTIONS_MAX:
            writer.close()
            return
        self._writers.add(writer)
        try:
            await self._greet(reader, writer)
        except (OSError, TimeoutError, ValueError, msgspec.MsgspecError):
            # The probe's log says what it did; a broken line has nothing to add.
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await asyncio.wait_for(reader.readline(), _HELLO_S)
        hello = msgspec.json.decode(line, type=_Hello)
        execution = self._stage.execution
        if execution is None:
            return
        pod = execution.find_pod(hello.hello)
        probe = _Probe(execution, pod, writer)
        if pod is not None:
            execution.emit(CONTROL, f"pod/{pod.uid}", ProbeConnected(uid=pod.uid))
        self._probes.add(probe)
        sent_ns = clock.monotonic_ns()
        probe.send_armed()
        try:
            while line := await reader.readline():
                received_ns = clock.monotonic_ns()
                match _read(line):
                    case _Stop() as stop if probe.stop(stop):
                        await self.push()
                    case _Clock(mono_ns, boot) if boot != self._boot:
                        self._note_clock(boot, sent_ns, mono_ns, received_ns)
        finally:
            self._probes.discard(probe)
            probe.leave()

    def _note_clock(self, boot: str, sent_ns: int, stamp_ns: int, received_ns: int) -> None:
        """Tell of a probe's stamp, made after it had read what was sent to it."""
        self._tell(Clocked(boot=boot, sent_ns=sent_ns, stamp_ns=stamp_ns, received_ns=received_ns))
