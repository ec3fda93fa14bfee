"""The log of a pod's main container, from its first line to its last.

    GET …/pods/NAME/log?follow ─► lines with the runtime's stamps ─► file, claims
            │ broke, idle, rotated
            └─► again from the second of the last line; what came before is skipped

Whoever reads again must find the last line that was read: else lines are missing
between, and the source is lost. It is complete once the container has ended and
reading again gives nothing new. A line without a stamp is none of the log's: the kubelet
puts its own words into the stream where the container was removed meanwhile.
"""

from __future__ import annotations

import enum
import pathlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.services.lifeline import AWAY_S
from chaosml.substrates.claims import Claim, ClaimReader
from chaosml.substrates.kubernetes.api import Api, ApiUnreachable, LineStream, path_of
from chaosml.substrates.kubernetes.pods import MAIN, Pod
from chaosml.substrates.kubernetes.refusals import ApiError
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.steplines import StepLines
from chaosml.translation import Clocks

__all__ = ["PIPE_NS", "LineLedger", "LogEnded", "LogLines", "LogTail", "Tails", "runtime_lines"]

_AGAIN_S = 0.3
PIPE_NS = 50_000_000
"""The runtime stamps a line at most so long after it was written: it copies it at once."""
_LOG_BYTES_MAX = 64 << 20
_BAD_REQUEST = 400
_NOT_FOUND = 404
_STAMPED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* ")
_MICROSECOND_NS = 1000
"""Our own wall clock is read no finer."""


@dataclass(frozen=True, slots=True)
class LogLines:
    """Claims that were read."""

    uid: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class LogEnded:
    """Nothing more will be read; `why_lost` is empty where everything was."""

    uid: str
    why_lost: str = ""


class _NoLog(Exception):
    """The kubelet's own words instead of the log."""


class _Main(enum.Enum):
    """How the main container stands."""

    RUNS = "runs"
    ENDED = "ended"
    AWAY = "away"
    """The pod is not there any more."""


class LineLedger:
    """Knows which lines were read, over any number of readings."""

    def __init__(self) -> None:
        self._stamp = ""
        self._at_stamp: list[bytes] = []
        """The lines of the last stamp, in order: several may share one."""
        self._to_skip: list[bytes] = []
        self._resuming = False
        self.has_gap = False

    @property
    def since(self) -> str | None:
        """The stamp to read from; None for the beginning."""
        return self._stamp or None

    @property
    def last_stamp(self) -> str:
        """The runtime's stamp of the last line; empty before the first."""
        return self._stamp

    def begin(self) -> None:
        """Begin a reading, from `since`."""
        self._resuming = bool(self._stamp)
        self._to_skip = list(self._at_stamp)

    def close(self) -> None:
        """End a reading that went to the end of the log."""
        if self._to_skip:
            self.has_gap = True

    def take(self, line: bytes) -> bytes | None:
        """Return the text of a line, None where it was read before."""
        stamp, _, text = line.partition(b" ")
        key = _whole(stamp.decode("ascii", errors="replace"))
        if self._resuming:
            if key < self._stamp:
                return None
            if key == self._stamp and self._to_skip and self._to_skip[0] == text:
                self._to_skip.pop(0)
                return None
            if self._to_skip:
                # What was read last is not there any more, so more may be missing with it.
                self.has_gap = True
            self._resuming = False
        if key != self._stamp:
            self._stamp, self._at_stamp = key, []
        self._at_stamp.append(text)
        return text


def _whole(stamp: str) -> str:
    """Return a stamp with all nine digits, so that stamps compare as texts.

    The runtime drops zeros at the end of a fraction in its file; the kubelet puts them back.
    """
    base, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{base}.{fraction.ljust(9, '0')}Z"


def runtime_lines(raw: Iterable[bytes]) -> Iterator[bytes]:
    """Turn lines of the runtime's own file (`STAMP STREAM F|P TEXT`) into those of the API."""
    partial: dict[bytes, bytes] = {}
    for line in raw:
        parts = line.split(b" ", 3)
        if len(parts) < 4 or not _STAMPED.match(line):
            # A machine that was killed may have torn its last one.
            continue
        stamp, stream, tag, text = parts
        if tag == b"P":
            partial[stream] = partial.get(stream, b"") + text.rstrip(b"\n")
        else:
            yield stamp + b" " + partial.pop(stream, b"") + text


class LogTail:
    """Follows one log in a thread of its own."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        pod: str,
        uid: str,
        file: pathlib.Path,
        boot: str,
        start_ns: int,
        deliver: Callable[[LogLines | LogEnded], None],
        clocks: Clocks | None = None,
        wall: WallClock | None = None,
        step_pattern: str | None = None,
        away_s: float = AWAY_S,
    ) -> None:
        """Begin to follow.

        Args:
            api: Where the log is.
            namespace: Of the pod.
            pod: Its name.
            uid: Its uid.
            file: Gets the text.
            boot: Boot id of our clock, for the probe's stamps.
            start_ns: When the main container started at the earliest.
            deliver: Gets claims and, once, the end; in the thread.
            clocks: Places the stamps of probes on other machines.
            wall: Places the stamps of the runtime, for lines without any of their own.
            step_pattern: Finds the step in what the program prints.
            away_s: How long the API server may be away.
        """
        self._api = api
        self._path = path_of("pods/log", namespace=namespace, name=pod)
        self._pod_path = path_of("pods", namespace=namespace, name=pod)
        self._uid = uid
        self._file = file
        self._written = 0
        self._reader = ClaimReader(boot=boot, start_ns=start_ns, clocks=clocks)
        self._steps = None if step_pattern is None else StepLines(step_pattern, start_ns)
        self._start_ns = start_ns
        self._wall = wall
        self._ledger = LineLedger()
        self._deliver = deliver
        self._away_s = away_s
        self._away = clock.Deadline("answer of the API server", away_s)
        self._stopped = threading.Event()
        self._why_stopped = "it was given up before its end"
        self._has_last_word = True
        self._stream: LineStream | None = None
        self._thread = threading.Thread(target=self._run, name=f"log {pod}", daemon=True)
        self._thread.start()

    def stop(self, why: str) -> None:
        """Give the log up: it is lost because of `why`, unless it has ended."""
        self._why_stopped = why
        self._stopped.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def leave(self) -> None:
        """End the thread without a last word: `finish_from` has it."""
        self._has_last_word = False
        self.stop("it was left")

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def finish_from(self, raw: Iterable[bytes], ended_ns: int) -> tuple[LogLines, LogEnded]:
        """Read the rest from the runtime's own file, once the thread has ended.

        Args:
            raw: The file's lines from its beginning.
            ended_ns: When the machine died.
        """
        claims: list[Claim] = []
        with self._open() as file:
            self._ledger.begin()
            for line in runtime_lines(raw):
                claims += self._take(line, file)
            self._ledger.close()
        claims += self._end(ended_ns)
        why = "lines are missing in it" if self._ledger.has_gap else ""
        return LogLines(self._uid, tuple(claims)), LogEnded(self._uid, why)

    @property
    def last_stamp(self) -> str:
        """The runtime's stamp of the last line; empty before the first."""
        return self._ledger.last_stamp

    def _run(self) -> None:
        try:
            why = self._follow()
        except SubstrateError as error:
            why = str(error)
        except OSError as error:
            why = f"{self._file} cannot be written: {error.strerror}"
        if self._stopped.is_set() and why:
            why = self._why_stopped
        elif not why and self._ledger.has_gap:
            why = "the log was rotated away before it was read"
        if self._has_last_word:
            self._deliver(LogEnded(self._uid, why))

    def _open(self) -> BinaryIO:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        return open(self._file, "ab", buffering=0)

    def _follow(self) -> str:
        """Read until the end; return why it is lost, or nothing."""
        drained, state = False, _Main.RUNS
        with self._open() as file:
            while not self._stopped.is_set():
                try:
                    state = self._ask_state()
                    if state is _Main.AWAY:
                        self._say(self._end(clock.monotonic_ns()))
                        # The kubelet ends a stream in order only after the container's end.
                        return "" if drained else "the pod was removed before its log was read"
                    self._read(file, follow=state is _Main.RUNS)
                    drained = True
                    if state is _Main.ENDED:
                        self._ledger.close()
                        self._say(self._end(clock.monotonic_ns()))
                        return ""
                except ApiError as error:
                    if error.status not in (_BAD_REQUEST, _NOT_FOUND) and self._away.passed:
                        raise
                except _NoLog as words:
                    if drained or state is _Main.ENDED:
                        self._say(self._end(clock.monotonic_ns()))
                        return "" if drained else f"the kubelet does not have it any more: {words}"
                except ApiUnreachable:
                    drained = False
                    if self._away.passed:
                        raise
                self._stopped.wait(_AGAIN_S)
        return self._why_stopped

    def _ask_state(self) -> _Main:
        """Ask how the container stands, before a reading: after its end it is the last one."""
        try:
            pod = self._api.get(self._pod_path)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return _Main.AWAY
            raise
        if pod["metadata"]["uid"] != self._uid:
            return _Main.AWAY
        return _Main.ENDED if _is_terminated(pod) else _Main.RUNS

    def _read(self, file: BinaryIO, *, follow: bool) -> None:
        self._ledger.begin()
        query = {"container": MAIN, "timestamps": "true", "follow": "true" if follow else "false"}
        if self._ledger.since is not None:
            query["sinceTime"] = self._ledger.since.partition(".")[0].rstrip("Z") + "Z"
        self._stream = self._api.stream(self._path, **query)
        self._away = clock.Deadline("answer of the API server", self._away_s)
        try:
            for line in self._stream:
                if self._stopped.is_set():
                    return
                if not _STAMPED.match(line):
                    raise _NoLog(line.decode(errors="replace").strip())
                self._say(self._take(line, file))
        finally:
            self._stream = None

    def _take(self, line: bytes, file: BinaryIO) -> list[Claim]:
        text = self._ledger.take(line)
        if text is None:
            return []
        if self._written < _LOG_BYTES_MAX:
            self._written += len(text)
            file.write(text)
        since_ns, read_ns = self._bound(clock.monotonic_ns())
        claims = self._reader.take(text, read_ns, since_ns)
        if self._steps is not None:
            claims += self._steps.take(text, read_ns, since_ns)
        return claims

    def _end(self, read_ns: int) -> list[Claim]:
        """Return what the last lines say, once there are no more."""
        claims = self._reader.end(read_ns)
        return claims if self._steps is None else [*claims, *self._steps.end()]

    def _bound(self, read_ns: int) -> tuple[int, int]:
        """Return when the last line was written, by the runtime's stamp.

        Lines are read in bursts after a break, so that one was read before another says little.
        """
        if self._wall is None or not self._ledger.last_stamp:
            return self._start_ns, read_ns
        stamp_ns, skew_ns = self._wall.monotonic_ns(self._ledger.last_stamp), self._wall.skew_ns
        earliest_ns = max(self._start_ns, stamp_ns - skew_ns - PIPE_NS)
        latest_ns = min(read_ns, stamp_ns + skew_ns + _MICROSECOND_NS)
        return (self._start_ns, read_ns) if earliest_ns > latest_ns else (earliest_ns, latest_ns)

    def _say(self, claims: list[Claim]) -> None:
        if claims:
            self._deliver(LogLines(self._uid, tuple(claims)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tails:
    """Begins to follow the logs of one execution's pods."""

    api: Api
    namespace: str
    folder: pathlib.Path
    deliver: Callable[[LogLines | LogEnded], None]
    clocks: Clocks
    wall: WallClock
    step_pattern_of: Callable[[str], str | None]
    """By task."""

    def follow(self, pod: Pod, start_ns: int) -> LogTail:
        """Follow the log of a pod that started at the earliest then."""
        return LogTail(
            self.api,
            namespace=self.namespace,
            pod=pod.name,
            uid=pod.uid,
            file=self.folder / f"{pod.uid}.log",
            boot=clock.boot_id(),
            start_ns=start_ns,
            deliver=self.deliver,
            clocks=self.clocks,
            wall=self.wall,
            step_pattern=self.step_pattern_of(pod.task),
        )


def _is_terminated(pod: dict[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    states = [one.get("state") or {} for one in statuses if one["name"] == MAIN]
    return any("terminated" in state for state in states)
