"""The embedded store: moto's S3 server, alone in its process.

It lives in memory and dies with the services process, which starts it with
`python -m chaosml.services.store_process --report FD --parent PID` and reads
the port that the kernel gave from the pipe FD.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys

from chaosml.services.lifeline import end_with_parent
from chaosml.services.store_inside import application

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Serve until killed; return an exit code only where that was impossible."""
    parser = argparse.ArgumentParser(prog="chaosml.services.store_process")
    parser.add_argument("--report", type=int, required=True, metavar="FD")
    parser.add_argument("--parent", type=int, required=True, metavar="PID")
    given = parser.parse_args(arguments)
    if not end_with_parent(given.parent, signal.SIGKILL):
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(given.report)
    return 0


def _serve(report: int) -> None:
    # Imported here: moto takes a quarter of a second, and the parent must be watched before.
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    # A line per request would tell nothing that the gate does not say.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(
        "127.0.0.1",
        0,
        application(),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    with os.fdopen(report, "w", encoding="ascii") as pipe:
        pipe.write(f"{server.server_port}\n")
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
