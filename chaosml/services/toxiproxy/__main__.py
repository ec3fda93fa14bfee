"""A Toxiproxy of its own: `python -m chaosml.services.toxiproxy --port PORT --seed SEED`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from chaosml.errors import ServiceError
from chaosml.services.toxiproxy.server import Toxiproxy

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal says to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="chaosml.services.toxiproxy", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8474, help="0: any that is free")
    parser.add_argument("--seed", default="0", help="what all draws follow from")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(given.host, given.port, given.seed))
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def _serve(host: str, port: int, seed: str) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask(number: int, frame: object) -> None:
        # A loop's own handlers end with it, and a second signal would kill what is ending.
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    async with Toxiproxy(host, port, seed=seed) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
