"""What the tests of sudden ends share: who still lives of a run, and how it is recovered."""

from __future__ import annotations

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAOSML = [sys.executable, "-m", "chaosml"]


def living(runner: int, program: str = "") -> list[int]:
    """Return the living processes that carry the mark of a run, which ends in its runner's pid.

    Args:
        runner: The pid of the runner.
        program: Only those whose command line names it.
    """
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        marks = [item for item in environment if item.startswith(b"CHAOSML_RUN=")]
        ours = any(mark.endswith(b"-%d" % runner) for mark in marks)
        if state != "Z" and ours and program in command:
            found.append(int(entry.name))
    return found


def recover(reports: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Recover what dead runs left."""
    return subprocess.run(
        [*CHAOSML, "recover", "--reports", str(reports)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
