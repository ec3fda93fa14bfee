"""The driver's end of the kubelet: its process, the socket to it and the thread that reads."""

from __future__ import annotations

import pathlib
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.substrates.embedded.wire import Order, Ready, Report

__all__ = ["KubeletLink", "Lost"]

_READ_BYTES = 1 << 18
_CLOSE_S = 10.0
_THREAD_S = 2.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The kubelet's end closed: it ended, or was killed."""


class KubeletLink:
    """Starts a kubelet, sends it orders and queues its reports.

    Must be made in a thread that lives as long as the run: the kubelet ends with it.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        environment: Mapping[str, str],
        wake: Callable[[], None],
    ) -> None:
        """Start the process; it is not ready yet.

        Args:
            folder: Made for it; holds what it prints, which is nothing unless it breaks.
            environment: All of its variables.
            wake: Called by the reading thread when a report has been queued.

        Raises:
            SubstrateError: the process cannot be started.
        """
        self._folder = folder
        self._wake = wake
        self._reports: queue.SimpleQueue[Report | Lost] = queue.SimpleQueue()
        self._encoder = msgspec.json.Encoder()
        self._closed = False
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(None)
        try:
            folder.mkdir(parents=True)
            with open(folder / "kubelet.log", "wb") as log:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "chaosml.substrates.embedded.kubelet",
                        str(theirs.fileno()),
                    ],
                    pass_fds=(theirs.fileno(),),
                    env=dict(environment),
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self._socket.close()
            raise SubstrateError(f"cannot start the kubelet in {folder}: {error}") from error
        finally:
            theirs.close()
        self._reader = threading.Thread(target=self._read, name="kubelet-link", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The kubelet's process id."""
        return self._process.pid

    def wait_ready(self, deadline: clock.Deadline) -> Ready:
        """Wait for the first report.

        Raises:
            SubstrateError: it did not come in time, or the kubelet ended instead.
        """
        report = self.receive(deadline.left_s)
        if isinstance(report, Ready):
            return report
        raise SubstrateError(f"the kubelet did not get ready: {self.explain()}")

    def receive(self, timeout_s: float) -> Report | Lost | None:
        """Return the next report, or None where none comes in time."""
        try:
            if timeout_s <= 0:
                return self._reports.get_nowait()
            return self._reports.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def send(self, order: Order) -> None:
        """Send an order; one to a kubelet that has gone is dropped, `Lost` tells of it.

        Raises:
            SubstrateError: the kubelet takes nothing any more.
        """
        try:
            self._socket.sendall(self._encoder.encode(order) + b"\n")
        except (BrokenPipeError, ConnectionError):
            return
        except OSError as error:
            raise SubstrateError(f"the kubelet takes no orders: {error}") from error

    def explain(self) -> str:
        """Say what is known about the end of the process, with the last line that it printed."""
        code = self._process.poll()
        state = "it still runs" if code is None else f"it ended with {code}"
        try:
            lines = (self._folder / "kubelet.log").read_text(errors="replace").split("\n")
        except OSError:
            lines = []
        last = next((line for line in reversed(lines) if line.strip()), "")
        return f"{state}; its last words: {last[:500]}" if last else state

    def close(self) -> None:
        """End the kubelet and everything below it; a second call does nothing.

        Raises:
            SubstrateError: it did not end in time and was killed.
        """
        if self._closed:
            return
        self._closed = True
        # Its reading end closes, and that is the order to end.
        self._shut()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise SubstrateError(
                f"the kubelet did not end within {_CLOSE_S:.0f} s and was killed; "
                "`chaosml recover` removes what it left"
            ) from None
        finally:
            self._reader.join(_THREAD_S)
            self._socket.close()

    def _shut(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # The other end has gone first.

    def _read(self) -> None:
        decoder = msgspec.json.Decoder(Report)
        rest = b""
        while True:
            try:
                chunk = self._socket.recv(_READ_BYTES)
            except OSError:
                chunk = b""
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._reports.put(decoder.decode(line))
            if lines:
                self._wake()
        self._reports.put(Lost())
        self._wake()
