"""What a pod prints: its log file, the claims in it, and the result of a script."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from chaosml.substrates.claims import Claim, ClaimReader
from chaosml.substrates.redaction import RedactedStream
from chaosml.substrates.steplines import StepLines

__all__ = ["STDERR", "STDOUT", "PodOutput", "read_output_file"]

STDOUT = 1
STDERR = 2
_LOG_BYTES_MAX = 64 << 20
_RESULT_BYTES_MAX = 256 << 10
_OUTPUT_FILE_BYTES_MAX = 1 << 20


class PodOutput:
    """Takes the bytes of both streams of one pod as they are read; never blocks, never raises.

    A log that cannot be written (a full disk) is given up: the pipeline goes on, and so do
    its claims. The history, which is on the same disk, says what is wrong.
    """

    def __init__(
        self,
        log: str,
        *,
        boot: str,
        start_ns: int,
        capture_result: bool,
        secrets: Sequence[str] = (),
        step_pattern: str | None = None,
        log_bytes_max: int = _LOG_BYTES_MAX,
    ) -> None:
        self._readers = {
            stream: ClaimReader(boot=boot, start_ns=start_ns) for stream in (STDOUT, STDERR)
        }
        self._steps = None if step_pattern is None else StepLines(step_pattern, start_ns)
        self._redacted = {stream: RedactedStream(secrets) for stream in (STDOUT, STDERR)}
        self._tail = bytearray() if capture_result else None
        self._left = log_bytes_max
        self._bytes_max = log_bytes_max
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(log, flags, 0o644)
        except OSError:
            self._file = -1

    def take(self, stream: int, chunk: bytes, read_ns: int) -> list[Claim]:
        """Store a chunk and return the claims that end in it."""
        if self._tail is not None and stream == STDOUT:
            self._tail += chunk
            del self._tail[:-_RESULT_BYTES_MAX]
        shown = self._redacted[stream].take(chunk)
        self._write(shown)
        claims = self._readers[stream].take(shown, read_ns)
        if self._steps is not None:
            claims += self._steps.take(shown, read_ns, stream=stream)
        return claims

    def end(self, stream: int, read_ns: int) -> list[Claim]:
        """Return the claim of a last line without an end, if there is one."""
        rest = self._redacted[stream].end()
        self._write(rest)
        reader = self._readers[stream]
        claims = [*reader.take(rest, read_ns), *reader.end(read_ns)]
        if self._steps is not None:
            claims += [*self._steps.take(rest, read_ns, stream=stream), *self._steps.end()]
        return claims

    def say(self, text: str) -> None:
        """Add a line of ours to the log."""
        self._write(text.encode() + b"\n")

    @property
    def result(self) -> str | None:
        """The end of standard output without its last newline, where it was to be captured."""
        return None if self._tail is None else _as_value(bytes(self._tail))

    def close(self) -> None:
        """Close the log; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, chunk: bytes) -> None:
        if self._file < 0 or self._left < 0:
            return
        if len(chunk) > self._left:
            marker = f"\n[chaosml: log cut at {self._bytes_max} bytes]\n"
            chunk = chunk[: self._left] + marker.encode()
            self._left = -1
        else:
            self._left -= len(chunk)
        try:
            while chunk:
                chunk = chunk[os.write(self._file, chunk) :]
        except OSError:
            self.close()


def read_output_file(path: str) -> str | None:
    """Return the value of an output parameter, or None where no file is at the path.

    Opened without blocking: a program may have left a pipe of any kind there.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        content = b""
        while len(content) < _OUTPUT_FILE_BYTES_MAX and (chunk := os.read(file, 1 << 16)):
            content += chunk
        return _as_value(content)
    except OSError:
        return None
    finally:
        os.close(file)


def _as_value(content: bytes) -> str:
    """Decode a value as Argo takes it: one newline at the end is dropped."""
    return content.decode("utf-8", errors="replace").removesuffix("\n")
