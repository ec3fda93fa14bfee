"""What the embedded substrate needs of this machine, each need tried out and not guessed."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Need", "needs"]

_FREE_BYTES = 512 << 20
_LIBRARIES = ("aiohttp", "boto3", "flask", "moto", "numpy")
_TRY_S = 20.0
_SUBREAPER = (
    "from chaosml.substrates.embedded import procfs\n"
    "procfs.become_subreaper()\n"
    "assert list(procfs.processes())"
)


@dataclass(frozen=True, slots=True)
class Need:
    """One need, and what was found."""

    subject: str
    found: str
    remedy: str | None = None
    """What to do about it; None where the need is met."""


def needs() -> Iterator[Need]:
    """Yield every need; where the system itself is the wrong one, nothing else is tried."""
    if sys.platform != "linux":
        remedy = "run it in a Linux container or virtual machine, or use --on kind"
        yield Need("system", f"{sys.platform}: no embedded runs", remedy)
        return
    yield Need("system", "Linux")
    for look in (_libraries, _processes, _loopback, _folder):
        yield look()


def _libraries() -> Need:
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        return Need("libraries", f"not installed: {', '.join(missing)}", "pip install chaosml")
    return Need("libraries", f"all there, for Python {sys.version.split()[0]}")


def _processes() -> Need:
    return _try(
        "processes",
        "orphans can be adopted, /proc can be read",
        _adopt_orphans,
        "allow prctl and mount /proc, as container runtimes do by default",
    )


def _adopt_orphans() -> None:
    command = [sys.executable, "-c", _SUBREAPER]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_TRY_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise OSError(done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}")


def _loopback() -> Need:
    def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=_TRY_S).close()

    return _try(
        "loopback", "127.0.0.1 takes connections", connect, "bring up `lo`: ip link set lo up"
    )


def _folder() -> Need:
    folder = pathlib.Path(tempfile.gettempdir())
    remedy = "free some space, or name another folder: TMPDIR=/where"

    def write() -> None:
        with tempfile.NamedTemporaryFile(prefix="chaosml-doctor-") as file:
            file.write(os.urandom(1024))
        free = shutil.disk_usage(folder).free
        if free < _FREE_BYTES:
            raise OSError(
                f"{free >> 20} MiB are free in {folder}, a run may need {_FREE_BYTES >> 20}"
            )

    return _try("temporary files", f"{folder} can be written", write, remedy)


def _try(subject: str, good: str, attempt: Callable[[], None], remedy: str) -> Need:
    try:
        attempt()
    except (OSError, subprocess.TimeoutExpired) as error:
        return Need(subject, str(error), remedy)
    return Need(subject, good)
