"""The runner's end of the services: starts their process, gives orders, hands on what they say."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml.errors import ServiceError
from chaosml.history import Entry, LoseSource
from chaosml.services.forked import ForkedProcess
from chaosml.services.lifeline import OWNER_MARK, RUN_MARK
from chaosml.services.messages import Answer, Call, Message, Order, Ready, Said
from chaosml.services.sources import SOURCES

__all__ = ["Endpoints", "Lost", "Services"]

_END_S = 3.0
_KILL_S = 2.0
_LOG_LINES = 20
_READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where pods and the audit find the services."""

    gate_url: str
    control: str
    """`host:port`."""
    metadata_url: str
    store_url: str
    toxiproxy_url: str | None = None
    """The API of Toxiproxy, where one was asked for."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What the services have still to say of this execution is not known."""

    why: str


class Services:
    """The services process of a run.

    Its reader thread puts `(services, message)` into the inbox, in the order in which the
    process spoke; an answer reaches `call` only after what was said before it is there.
    """

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        run: str,
        directory: pathlib.Path,
        store_url: str | None = None,
        toxiproxy: bool = False,
        seed: int = 0,
        start_s: float = 20.0,
        store_inside: bool = False,
        forked: bool = False,
    ) -> None:
        """Prepare; `start` starts.

        Args:
            inbox: Gets what the services say.
            run: Name of the run; marks the processes.
            directory: Where `services.log` is written.
            store_url: An S3 endpoint; without it an embedded store is started.
            toxiproxy: Whether an embedded Toxiproxy is started, too.
            seed: What the embedded Toxiproxy's draws follow from.
            start_s: How long the start may take.
            store_inside: Whether an embedded store is in the services' own process: less work,
                but whatever it does they wait for.
            forked: Whether the process is a fork of this one, which has a single thread until
                then and has loaded what is needed.
        """
        self._inbox = inbox
        self._run = run
        self._log = directory / "services.log"
        self._store_url = store_url
        self._toxiproxy = toxiproxy
        self._seed = seed
        self._start_s = start_s
        self._store_inside = store_inside
        self._forked = forked
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._socket: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._endpoints: Endpoints | None = None
        self._greeting: queue.SimpleQueue[Ready | None] = queue.SimpleQueue()
        self._pending: dict[int, queue.SimpleQueue[Answer | None]] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._broken = False
        self._closing = False

    def start(self) -> None:
        """Start the process and wait until everything listens.

        Raises:
            ServiceError: it ended or did not listen in time.
        """
        self.begin()
        self.wait_ready()

    def begin(self) -> None:
        """Start the process; `wait_ready` must follow.

        Raises:
            ServiceError: it cannot be started.
        """
        self._socket = self._connect()

    def wait_ready(self) -> None:
        """Wait until everything listens.

        Raises:
            ServiceError: the process ended or did not listen in time.
        """
        self._reader = threading.Thread(target=self._read, name="services", daemon=True)
        self._reader.start()
        try:
            ready = self._greeting.get(timeout=self._start_s)
        except queue.Empty:
            self.close()
            raise ServiceError(
                f"the services did not start within {self._start_s:.0f} s{self._log_tail()}"
            ) from None
        if ready is None:
            self.close()
            raise ServiceError(f"the services ended while they started{self._log_tail()}")
        self._endpoints = self._locate(ready)

    def _locate(self, ready: Ready) -> Endpoints:
        """Return where the services are for pods and the audit."""
        return Endpoints(
            ready.gate_url,
            ready.control,
            ready.metadata_url,
            ready.store_url,
            ready.toxiproxy_url,
        )

    def _connect(self) -> socket.socket:
        """Start the process and return the runner's end of the connection to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._socket = ours
            self._process = self._spawn(theirs.fileno())
        return ours

    def _spawn(self, connection: int) -> subprocess.Popen[bytes] | ForkedProcess:
        try:
            with open(self._log, "ab") as log:
                if self._forked:
                    return self._fork(connection, log.fileno())
                return self._start_program(connection, log.fileno())
        except OSError as error:
            self._drop_socket()
            raise ServiceError(f"cannot start the services: {error}") from error

    def _arguments(self, connection: int) -> list[str]:
        arguments = ["--socket", str(connection), "--parent", str(os.getpid())]
        if self._store_url is not None:
            arguments += ["--store", self._store_url]
        if self._store_inside:
            arguments += ["--inside"]
        if self._toxiproxy:
            arguments += ["--toxiproxy", f"--seed={self._seed}"]
        return arguments

    def _start_program(self, connection: int, log: int) -> subprocess.Popen[bytes]:
        marks = {RUN_MARK: self._run, OWNER_MARK: str(os.getpid())}
        # -P: nothing in the working directory may take a module's place.
        command = [sys.executable, "-P", "-m", "chaosml.services.process"]
        return subprocess.Popen(
            [*command, *self._arguments(connection)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(connection,),
            env=os.environ | marks,
            # Ctrl-C is for the runner, which heals before it closes the services.
            start_new_session=True,
        )

    def _fork(self, connection: int, log: int) -> ForkedProcess:
        # Imported here: only who forks it has it loaded.
        from chaosml.services import process

        arguments = self._arguments(connection)
        return ForkedProcess(lambda: process.main(arguments), output=log, keep=(connection,))

    @property
    def endpoints(self) -> Endpoints:
        """Where the services listen.

        Raises:
            ServiceError: they were not started.
        """
        if self._endpoints is None:
            raise ServiceError("the services were not started")
        return self._endpoints

    @property
    def pid(self) -> int | None:
        """The process, where it was started."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs and its connection is whole."""
        return self._process is not None and self._process.poll() is None and not self._broken

    def check(self) -> None:
        """Raise if the services have ended.

        Raises:
            ServiceError: they have, and what their log says last.
        """
        if not self.alive:
            raise ServiceError(f"the services ended unasked{self._exit_code()}{self._log_tail()}")

    def _exit_code(self) -> str:
        """Return how the process ended, in words; its connection breaks a moment before that."""
        if self._process is None:
            return ""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return ""
        return f" (exit code {code}{', killed' if code < 0 else ''})"

    def call(self, order: Order, timeout_s: float = 10.0) -> Answer:
        """Give an order and wait for its answer.

        Raises:
            ServiceError: the order failed, the process ended, or there was no answer in time.
        """
        name = type(order).__name__
        answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        number = next(self._numbers)
        self._pending[number] = answers
        try:
            self._send(Call(id=number, order=order), name)
            answer = self._await(answers, timeout_s)
        except queue.Empty:
            raise ServiceError(
                f"the services did not answer {name} within {timeout_s:g} s{self._log_tail()}"
            ) from None
        finally:
            self._pending.pop(number, None)
        if answer is None:
            raise ServiceError(f"the services ended before they answered {name}{self._log_tail()}")
        if answer.error is not None:
            raise ServiceError(f"the services refused {name}: {answer.error}")
        return answer

    def _await(self, answers: queue.SimpleQueue[Answer | None], timeout_s: float) -> Answer | None:
        """Return the answer that comes, None where the services end before.

        Raises:
            queue.Empty: neither happened in time.
        """
        return answers.get(timeout=timeout_s)

    def _send(self, call: Call, name: str) -> None:
        if self._socket is None or self._broken:
            raise ServiceError(f"the services are not running; {name} was not sent")
        line = msgspec.json.encode(call) + b"\n"
        try:
            with self._lock:
                self._socket.sendall(line)
        except OSError as error:
            raise ServiceError(
                f"the services cannot be reached for {name}: {error}{self._log_tail()}"
            ) from error

    def handle(self, message: object) -> Sequence[Entry]:
        """Return what a message from the inbox means for the history."""
        match message:
            case Said(emission=emission):
                return [emission]
            case Lost(why):
                return [LoseSource(source, why) for source in SOURCES]
        raise TypeError(f"not a message of the services: {message!r}")

    def _read(self) -> None:
        """Take messages until the connection closes; runs in the reader thread."""
        decoder = msgspec.json.Decoder(Message)
        connection = self._socket
        rest = b""
        while connection is not None:
            try:
                chunk = connection.recv(_READ_BYTES)
            except OSError:
                break
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._dispatch(decoder.decode(line))
        self._end_reading()

    def _dispatch(self, message: Message) -> None:
        match message:
            case Said():
                self._inbox.put((self, message))
            case Ready():
                self._greeting.put(message)
            case Answer():
                answers = self._pending.get(message.id)
                if answers is not None:
                    answers.put(message)

    def _end_reading(self) -> None:
        self._broken = True
        self._greeting.put(None)
        for answers in list(self._pending.values()):
            answers.put(None)
        if not self._closing and self._endpoints is not None:
            self._inbox.put((self, Lost(self._why_lost)))

    @property
    def _why_lost(self) -> str:
        return f"the services process ended; see {self._log}"

    def _log_tail(self) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        tail = "\n  ".join(lines[-_LOG_LINES:])
        return f"; the end of {self._log}:\n  {tail}" if tail else f"; {self._log} says nothing"

    def close(self) -> None:
        """End the process and its children; safe to call twice and after a failure."""
        self._closing = True
        self._drop_socket()
        if self._process is not None:
            self._end_process(self._process)
        if self._reader is not None:
            self._reader.join(_END_S)

    def _drop_socket(self) -> None:
        if self._socket is None:
            return
        # The reader thread's recv holds the descriptor, so closing alone would not be seen;
        # the other end may have gone already.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    @staticmethod
    def _end_process(process: subprocess.Popen[bytes] | ForkedProcess) -> None:
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            # It leads a session of its own, in which the store's process is too.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_KILL_S)
