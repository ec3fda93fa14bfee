"""How the programs of the reference pipelines begin and end.

The exit codes are the contract with the retry strategy of the workflow:

    0    the work of this step is done, now or by an earlier attempt
    1    something failed that may work next time, such as the store
    2    trying again cannot help: bad data, wrong usage, a conflict
    143  the attempt was asked to end, and what could be saved is saved
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from chaosml.reference.identity import Identity

__all__ = [
    "TERMINATED",
    "DamagedError",
    "EndedError",
    "PermanentError",
    "conclude",
    "identify",
    "parser",
    "write_output",
]

_TRANSIENT = 1
_PERMANENT = 2
TERMINATED = 143


class EndedError(Exception):
    """The attempt ends early because it was asked to."""

    def __init__(self, why: str, exit_code: int = TERMINATED) -> None:
        super().__init__(why)
        self.exit_code = exit_code


class PermanentError(Exception):
    """Trying again cannot help."""


class DamagedError(PermanentError):
    """What is stored is not what its manifest says; since nothing is overwritten, it stays so."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every step is told; identity comes from the environment."""
    told = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    told.add_argument("--bucket", required=True, help="where artifacts are kept")
    told.add_argument("--run-id", default=os.environ.get("RUN_ID"), help="default: $RUN_ID")
    told.add_argument(
        "--git-commit",
        default=os.environ.get("GIT_COMMIT", "unversioned"),
        help="default: $GIT_COMMIT",
    )
    return told


def identify(arguments: argparse.Namespace, *, dataset_sha256: str) -> Identity:
    """Return the identity that every artifact of this step carries.

    Raises:
        PermanentError: no run id was given.
    """
    if not arguments.run_id:
        raise PermanentError("there is no run id: give --run-id or set RUN_ID")
    return Identity.of_this_pod(
        run_id=arguments.run_id, git_commit=arguments.git_commit, dataset_sha256=dataset_sha256
    )


def write_output(path: str, value: str) -> None:
    """Write an output parameter to the file from which the orchestrator reads it."""
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value, encoding="utf-8")


def conclude(work: Callable[[], None]) -> None:
    """Do the work of a step and end the process with the exit code that says how it went.

    Client libraries do not retry here: the orchestrator does, and it alone. Retries on
    several levels multiply when the store is in trouble.
    """
    try:
        work()
    except EndedError as ended:
        print(f"ending early: {ended}", file=sys.stderr)
        sys.exit(ended.exit_code)
    except PermanentError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(_PERMANENT)
    except (BotoCoreError, ClientError) as error:
        print(f"error: {error}; another attempt may succeed", file=sys.stderr)
        sys.exit(_TRANSIENT)
