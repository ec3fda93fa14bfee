"""A service that is no store and no HTTP, for pipelines that talk to one."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest


class _Tracking(socketserver.StreamRequestHandler):
    """A service of one line each way, which is no HTTP."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(b"noted " + line)


@pytest.fixture
def tracking() -> Iterator[str]:
    """Return the address of the running service."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tracking) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
