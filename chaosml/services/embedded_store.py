"""The embedded store's process, started and ended by the services process."""

from __future__ import annotations

import asyncio
import os
import sys

from chaosml.errors import ServiceError

__all__ = ["EmbeddedStore"]

_START_S = 15.0
_END_S = 1.0


class EmbeddedStore:
    """A child process with moto in it."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    @classmethod
    async def start(cls) -> EmbeddedStore:
        """Start the process and wait until it listens.

        Raises:
            ServiceError: it ended, or did not listen in time.
        """
        ours, theirs = os.pipe()
        try:
            # -P: nothing in the working directory may take a module's place.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "chaosml.services.store_process"),
                *("--report", str(theirs), "--parent", str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs,),
            )
        except OSError as error:
            os.close(ours)
            raise ServiceError(f"cannot start the embedded store: {error}") from error
        finally:
            os.close(theirs)
        store = cls(process, "")
        try:
            store.url = f"http://127.0.0.1:{await _read_port(ours)}"
        except ServiceError:
            await store.end()
            raise
        return store

    async def wait(self) -> int:
        """Wait until the process has ended; return its exit code."""
        return await self._process.wait()

    async def end(self) -> None:
        """Kill the process; what it stores is in memory and goes with it."""
        if self._process.returncode is None:
            self._process.kill()
            await asyncio.wait_for(self._process.wait(), _END_S)


async def _read_port(pipe: int) -> int:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", buffering=0)
    )
    try:
        line = await asyncio.wait_for(reader.readline(), _START_S)
    except TimeoutError:
        raise ServiceError(f"the embedded store did not listen within {_START_S:.0f} s") from None
    finally:
        transport.close()
    if not line.strip().isdigit():
        raise ServiceError("the embedded store ended before it listened")
    return int(line)
