"""A process forked without another program being loaded, with the manners of `Popen`.

For a caller that has loaded already what the process needs. It has to have one thread
alone. The process carries no mark in its environment, which a fork cannot change: it must
end with its parent by itself.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Collection

__all__ = ["ForkedProcess", "close_all_but"]

_FAILED = 70
"""What a program ends with that was brought down by an exception (sysexits.h: EX_SOFTWARE)."""


class ForkedProcess:
    """Runs a function in a session of its own; ends with what the function returns."""

    def __init__(self, run: Callable[[], int], *, output: int, keep: Collection[int]) -> None:
        """Fork.

        Args:
            run: Runs in the process; what it raises is printed.
            output: Descriptor that the process gets as its outputs.
            keep: Descriptors that stay open in it, beside the first three.

        Raises:
            OSError: no process can be had.
        """
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _live(run, output, keep)
        self._end = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Return what it ended with, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                os.close(self._end)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return what it ends with.

        Raises:
            TimeoutExpired: it did not end in so many seconds.
        """
        if self.poll() is None:
            select.select([self._end], (), (), timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code


def _live(run: Callable[[], int], output: int, keep: Collection[int]) -> None:
    """Live the life of the forked process; does not return."""
    code = _FAILED
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        close_all_but(keep)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        code = run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else _FAILED
    finally:
        # The bottom of a process: what brought it down is said here or nowhere. Past
        # `sys.stderr`, which may be anything in the process that was forked.
        if sys.exc_info()[0] is not None:
            # Imported here: hardly ever needed.
            import traceback

            os.write(2, traceback.format_exc().encode(errors="replace"))
        os._exit(code)


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor but the first three and `keep`."""
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in keep:
            # One of them was that of this very listing.
            with contextlib.suppress(OSError):
                os.close(descriptor)
