"""The services in a pod: the same program, reached through connections that are forwarded to it.

Whoever forwards (a substrate) gives `dial`, which connects to a port on the loopback
interface of the services' pod. The runner's own connection is one of these; the audit
reads the store through a local port that forwards to it.

    attach ─► Ready, what was missed ─► orders, beats ─► (broken, silent) ─► attach …

A connection that breaks loses nothing: what the services say is numbered and kept there
until it was taken, and an order is sent again until it is answered. Their clock may be
another machine's; each beat is a round trip, and what they say is stamped with intervals
of our clock.
"""

from __future__ import annotations

import contextlib
import pathlib
import queue
import secrets
import select
import socket
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chaosml import clock
from chaosml.errors import HarnessError, ServiceError
from chaosml.event import Emission, NoticeVisible
from chaosml.history import Entry
from chaosml.services.client import Endpoints, Lost, Services
from chaosml.services.forward import Dial, PortForward
from chaosml.services.lifeline import AWAY_S, LIFELINE_S
from chaosml.services.messages import (
    Answer,
    Attach,
    Beat,
    Beaten,
    Begin,
    Call,
    Clocked,
    Leave,
    Message,
    Notify,
    Order,
    Ready,
    Said,
)
from chaosml.translation import Clocks

__all__ = ["RUNNER_PORT", "TOXIPROXY_PORT", "RemoteServices"]

RUNNER_PORT = 7070
"""Where the services' program takes its runner's connections."""
TOXIPROXY_PORT = 8474
"""Where Toxiproxy beside them has its API, on the loopback interface alone."""

_READ_BYTES = 1 << 16
_LEAVE_S = 2.0
_SEND_S = 5.0
_POLL_S = 0.3
_BEAT_S = 1.0
_SILENT_S = 8.0
"""A connection that gives no answer to beats for so long is dead, whatever TCP says."""
_ROUND_TRIPS = 8
"""How often a foreign clock is read before the first event needs it."""


class RemoteServices(Services):
    """The services of a run in a pod that somebody else has started and will remove."""

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        run: str,
        directory: pathlib.Path,
        dial: Dial,
        toxiproxy: bool = False,
        start_s: float = 60.0,
        away_s: float = AWAY_S,
        clocks: Clocks | None = None,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            inbox: Gets what the services say.
            run: Name of the run.
            directory: Where `services.log` would be written.
            dial: Connects to a port of the services' pod.
            toxiproxy: Whether Toxiproxy runs beside them.
            start_s: How long the program may take to listen.
            away_s: How long it may be out of reach later.
            clocks: Learns how the clocks there stand to ours.
        """
        super().__init__(inbox, run=run, directory=directory, toxiproxy=toxiproxy, start_s=start_s)
        self._dial = dial
        self._away_s = away_s
        self._clocks = Clocks(clock.boot_id()) if clocks is None else clocks
        self._forwards: list[PortForward] = []
        self._token = secrets.token_hex(16)
        self._begun_ns = clock.monotonic_ns()
        self._taken = 0
        """Number of the last message that came."""
        self._boot = ""
        """Of the services' clock."""
        self._round_trips = 0
        self._attached = threading.Event()
        self._unanswered: dict[int, bytes] = {}
        self._deadlines: dict[str, int] = {}
        """Of notices, on our clock; the services know it on theirs."""
        self._is_mute = False
        """Whether what the services say belongs to an execution of which some is lost."""
        self._why = "their connection was not made yet"

    @property
    def alive(self) -> bool:
        """Whether the connection is whole, or may be again."""
        return self._socket is not None and not self._broken

    def check(self) -> None:
        """Raise if the services are out of reach for good.

        Raises:
            ServiceError: they are, and why.
        """
        if not self.alive:
            raise ServiceError(self._why_lost)

    def call(self, order: Order, timeout_s: float = 10.0) -> Answer:
        """Give an order and wait for its answer; time without a connection does not count.

        Raises:
            ServiceError: the order failed, the services are out of reach for good, or there was
                no answer in time.
        """
        if isinstance(order, Begin):
            self._is_mute = False
        return super().call(order, timeout_s)

    def handle(self, message: object) -> Sequence[Entry]:
        """Return what a message from the inbox means for the history."""
        if self._is_mute:
            return []
        self._is_mute = isinstance(message, Lost)
        return super().handle(message)

    def close(self) -> None:
        """Leave the services, which then end; safe to call twice and after a failure."""
        while self._forwards:
            self._forwards.pop().close()
        self._closing = True
        if self._attached.is_set() and self._reader is not None:
            self._write(Leave())
            # They close the connection once they have read it.
            self._reader.join(_LEAVE_S)
        super().close()

    # --- the connection ---

    def _connect(self) -> socket.socket:
        """Attach for the first time, once the program listens.

        Raises:
            ServiceError: it does not in time.
        """
        try:
            return self._attach(clock.Deadline("the services' port", self._start_s))
        except HarnessError as error:
            raise ServiceError(
                f"the services' pod took no connection within {self._start_s:.0f} s: {error}"
            ) from error

    def _attach(self, deadline: clock.Deadline) -> socket.socket:
        """Dial until the program greets; a connection that ends unread came too early.

        Raises:
            HarnessError: it did not in time, or will not any more.
        """
        while True:
            problem: HarnessError = ServiceError("it closed every connection at once")
            try:
                connection = self._dial(RUNNER_PORT)
                if self._is_greeted(connection, deadline):
                    return connection
            except ServiceError:
                raise
            except HarnessError as error:
                problem = error
            if deadline.passed or self._closing:
                raise problem
            clock.pause(_POLL_S)

    def _is_greeted(self, connection: socket.socket, deadline: clock.Deadline) -> bool:
        """Say who we are; return whether an answer begins."""
        connection.settimeout(max(0.1, min(_SILENT_S, deadline.left_s)))
        attach = Attach(token=self._token, taken=self._taken)
        try:
            connection.sendall(msgspec.json.encode(attach) + b"\n")
            if connection.recv(1, socket.MSG_PEEK):
                connection.settimeout(_SEND_S)
                return True
        except (TimeoutError, OSError):
            pass
        connection.close()
        return False

    def _read(self) -> None:
        """Take messages, over any number of connections; runs in the reader thread."""
        while self._socket is not None:
            self._converse(self._socket)
            self._attached.clear()
            if self._closing or not self._reattach():
                break
        self._end_reading()

    def _reattach(self) -> bool:
        """Make a new connection; return whether that worked."""
        begun_ns = clock.monotonic_ns()
        self._drop_socket()
        try:
            self._socket = self._attach(clock.Deadline("the services", self._away_s))
        except HarnessError as error:
            away_s = (clock.monotonic_ns() - begun_ns) / 1e9
            self._why = f"after {away_s:.0f} s without a connection: {error}"
            return False
        return True

    def _converse(self, connection: socket.socket) -> None:
        """Take messages until the connection ends or is silent, and beat."""
        decoder = msgspec.json.Decoder(Message)
        rest = b""
        heard_ns = beaten_ns = clock.monotonic_ns()
        while (now_ns := clock.monotonic_ns()) - heard_ns < _SILENT_S * 1e9:
            if self._attached.is_set() and now_ns - beaten_ns >= _BEAT_S * 1e9:
                self._beat()
                beaten_ns = now_ns
            chunk = _receive(connection)
            if chunk is None:
                continue
            if not chunk:
                return
            heard_ns = clock.monotonic_ns()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(decoder.decode(line), heard_ns)

    def _take(self, message: Message, heard_ns: int) -> None:
        """Take a message that had come by `heard_ns`."""
        match message:
            case Ready():
                self._greet(message)
            case Beaten(sent_ns=sent_ns, stamp_ns=stamp_ns):
                self._clocks.note_exchange(
                    self._boot, sent_ns=sent_ns, stamp_ns=stamp_ns, received_ns=heard_ns
                )
                self._round_trips += 1
            case Clocked():
                self._taken += 1
                self._note_probe(message)
            case Said(emission=emission):
                self._taken += 1
                self._dispatch(Said(emission=self._place(emission, heard_ns)))
            case Answer():
                self._taken += 1
                with self._lock:
                    self._unanswered.pop(message.id, None)
                self._dispatch(message)

    def _greet(self, ready: Ready) -> None:
        """Go on where the connection before ended; the first one begins."""
        missed = ready.first - self._taken - 1
        if missed > 0:
            self._taken = ready.first - 1
            why = f"the services could not keep {missed} messages until they were reached again"
            self._inbox.put((self, Lost(why)))
        if not self._boot:
            self._boot = ready.boot
            self._dispatch(ready)
        # From now on orders are written at once; one that is written twice does no harm.
        self._attached.set()
        with self._lock:
            lines = b"".join(self._unanswered.values())
        self._write_line(lines)

    def _beat(self) -> None:
        self._write(Beat(sent_ns=clock.monotonic_ns(), taken=self._taken))

    # --- orders ---

    def _send(self, call: Call, name: str) -> None:
        if self._socket is None or self._broken:
            raise ServiceError(f"the services are not running; {name} was not sent")
        call = self._stamp_order(call)
        with self._lock:
            self._unanswered[call.id] = msgspec.json.encode(call) + b"\n"
        # Without a connection it goes with the next one; one that comes twice is known by its id.
        if self._attached.is_set():
            self._write(call)

    def _await(self, answers: queue.SimpleQueue[Answer | None], timeout_s: float) -> Answer | None:
        """Wait; the reader ends the wait where there is no connection for too long."""
        left_s = timeout_s
        while True:
            begun_ns = clock.monotonic_ns()
            try:
                return answers.get(timeout=max(0.0, min(left_s, _BEAT_S)))
            except queue.Empty:
                if self._attached.is_set():
                    left_s -= (clock.monotonic_ns() - begun_ns) / 1e9
                if left_s <= 0:
                    raise

    def _write(self, message: Beat | Call | Leave) -> None:
        self._write_line(msgspec.json.encode(message) + b"\n")

    def _write_line(self, line: bytes) -> None:
        """Write to the connection; the reader notices where it is broken, and makes another."""
        connection = self._socket
        try:
            with self._lock:
                if connection is not None:
                    connection.sendall(line)
        except OSError:
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    # --- clocks ---

    def _place(self, emission: Emission, heard_ns: int) -> Emission:
        """Stamp on our clock what the services stamped on theirs."""
        fact = emission.data
        if isinstance(fact, NoticeVisible):
            deadline_ns = self._deadlines.get(fact.notice, fact.deadline_ns)
            fact = msgspec.structs.replace(fact, deadline_ns=deadline_ns)
        earliest_ns, _ = self._clocks.place(self._boot, emission.earliest_ns)
        _, latest_ns = self._clocks.place(self._boot, emission.latest_ns)
        latest_ns = heard_ns if latest_ns is None else min(latest_ns, heard_ns)
        earliest_ns = self._begun_ns if earliest_ns is None else earliest_ns
        return msgspec.structs.replace(
            emission, earliest_ns=min(earliest_ns, latest_ns), latest_ns=latest_ns, data=fact
        )

    def _stamp_order(self, call: Call) -> Call:
        """State on the services' clock what an order states on ours."""
        order = call.order
        if not isinstance(order, Notify):
            return call
        self._deadlines[order.notice] = order.deadline_ns
        try:
            deadline_ns = self._clocks.stamp_of(self._boot, order.deadline_ns)
        except ValueError as error:
            raise ServiceError(f"no notice can have a deadline there: {error}") from error
        order = msgspec.structs.replace(order, deadline_ns=deadline_ns)
        return msgspec.structs.replace(call, order=order)

    def _note_probe(self, message: Clocked) -> None:
        """Learn of a probe's clock from its round trip to the services."""
        sent_ns, _ = self._clocks.place(self._boot, message.sent_ns)
        _, received_ns = self._clocks.place(self._boot, message.received_ns)
        if sent_ns is not None:
            self._clocks.note_after(message.boot, message.stamp_ns, sent_ns)
        if received_ns is not None:
            self._clocks.note_before(message.boot, message.stamp_ns, received_ns)

    def _read_their_clock(self) -> None:
        """Make round trips before anything is stamped.

        Raises:
            ServiceError: there was no answer.
        """
        deadline = clock.Deadline("answers to beats", _SILENT_S)
        for number in range(1, _ROUND_TRIPS + 1):
            self._beat()
            if not clock.wait_until(partial(self._has_made, number), deadline, 0.001):
                raise ServiceError(
                    f"the services' clock could not be read within {_SILENT_S:.0f} s: "
                    "they answer no beat"
                )

    def _has_made(self, round_trips: int) -> bool:
        return self._round_trips >= round_trips or self._broken

    # --- the run ---

    def _locate(self, ready: Ready) -> Endpoints:
        """Return where the services are; the store through a local port.

        Raises:
            ServiceError: their clock could not be read.
        """
        if not self._clocks.is_ours(ready.boot):
            self._read_their_clock()
        store = urlsplit(ready.store_url)
        store_url = ready.store_url
        if store.hostname == "127.0.0.1" and store.port is not None:
            store_url = self._forward(store.port)
        toxiproxy_url = self._forward(TOXIPROXY_PORT) if self._toxiproxy else None
        return Endpoints(
            ready.gate_url, ready.control, ready.metadata_url, store_url, toxiproxy_url
        )

    def _forward(self, port: int) -> str:
        """Return the URL of a local port that forwards to one on the pod's loopback interface."""
        forward = PortForward(self._dial, port, away_s=self._away_s)
        self._forwards.append(forward)
        return f"http://127.0.0.1:{forward.port}"

    @property
    def _why_lost(self) -> str:
        return (
            f"the services cannot be reached any more ({self._why}); "
            f"they end by themselves {LIFELINE_S:.0f} s after their runner was there last"
        )

    def _log_tail(self) -> str:
        """Say nothing: their log is the pod's."""
        return ""


def _receive(connection: socket.socket) -> bytes | None:
    """Return what came, empty at the end; None where nothing comes until the next beat."""
    try:
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        if not poller.poll(_BEAT_S * 1000):
            return None
        return connection.recv(_READ_BYTES)
    except (OSError, ValueError):
        return b""
