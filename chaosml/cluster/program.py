"""Calls of other people's programs, with a limit, their output line by line."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaosml.clock import Deadline, wait_until
from chaosml.errors import SubstrateError

__all__ = ["Outcome", "Tell", "call"]

Tell = Callable[[str], None]
"""Takes one line of progress."""

_TERM_S = 5.0
_TAIL_LINES = 8
_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The last lines that it wrote, in one line."""
        lines = (self.stderr or self.stdout).split("\n")
        told = [line.strip() for line in lines if line.strip()]
        return "; ".join(told[-_TAIL_LINES:]) or f"exit code {self.code}, without a word"

    def expect(self, what: str) -> str:
        """Return what it wrote to stdout.

        Raises:
            SubstrateError: it failed.
        """
        if self.code != 0:
            raise SubstrateError(f"{what} failed: {self.complaint}")
        return self.stdout


def _ignore(line: str) -> None:
    """Tell nobody."""


def call(
    arguments: Sequence[str],
    *,
    what: str,
    limit_s: float,
    each_line: Tell = _ignore,
) -> Outcome:
    """Run a program to its end.

    Args:
        arguments: The program and its arguments.
        what: What it is to do, for messages.
        limit_s: How long it may take; then it is ended.
        each_line: Called with every line of its output as it comes.

    Raises:
        SubstrateError: it is not installed, or it took longer than the limit.
    """
    deadline = Deadline(what, limit_s)
    try:
        # A session of its own: Ctrl-C reaches us alone, and we end what it has started too.
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise SubstrateError(f"cannot call {arguments[0]}: {error.strerror}") from error
    with child:
        try:
            stdout, stderr = _read(child, deadline, each_line)
            child.wait(max(deadline.left_s, _TERM_S))
        except (subprocess.TimeoutExpired, TimeoutError):
            raise SubstrateError(
                f"{what} has not ended within {limit_s:g} s ({' '.join(arguments[:3])} …)"
            ) from None
        finally:
            _end(child)
    return Outcome(child.returncode, stdout, stderr)


def _read(child: subprocess.Popen[bytes], deadline: Deadline, each_line: Tell) -> tuple[str, str]:
    assert child.stdout is not None
    assert child.stderr is not None
    texts = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    told = dict.fromkeys(texts, 0)
    with selectors.DefaultSelector() as selector:
        for descriptor in texts:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline.left_s)
            if not ready and deadline.passed:
                raise TimeoutError
            for key, _ in ready:
                data = os.read(key.fd, _READ_BYTES)
                text = texts[key.fd]
                text += data
                if not data:
                    selector.unregister(key.fd)
                end = len(text) if not data else text.rfind(b"\n") + 1
                for line in text[told[key.fd] : end].decode(errors="replace").splitlines():
                    each_line(line)
                told[key.fd] = max(told[key.fd], end)
    stdout, stderr = (bytes(text).decode(errors="replace") for text in texts.values())
    return stdout, stderr


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a program that still runs, and whatever it has started."""
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    wait_until(lambda: _has_exited(child.pid), Deadline("a program's end", _TERM_S))
    # The group has its number for as long as the program is not reaped.
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(_TERM_S)


def _has_exited(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
