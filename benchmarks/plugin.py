"""What the pytest plugin costs a project that does not use it: `pytest --co` with it over without.

    python benchmarks/plugin.py --install    two environments, one of them without chaosml
    python benchmarks/plugin.py              the environment at hand, over `-p no:chaosml`

The project is empty. Sessions are run in turns and the least of each kind counts: whatever else
the machine does only adds. Processor time decides, since a session is one thread that waits for
nothing; wall times of a busy machine stand beside it. Both environments have all dependencies, so
that what they cost is not counted; only with --install the look at chaosml's own files is, which
pytest takes at every distribution that has a plugin.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROUNDS = 20
LIMIT_MS = 30
NOTHING_COLLECTED = 5
# As in any project, byte code is kept.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def main() -> int:
    """Print the figures with their limit; return 1 if it is passed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--install", action="store_true")
    wanted = parser.parse_args().install
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        project = place / "project"
        project.mkdir()
        if wanted:
            with_it, without = installed(place)
        else:
            with_it, without = [sys.executable], [sys.executable, "-p", "no:chaosml"]
        least = least_s([without, with_it], project)
    for name, (bare_s, full_s) in zip(("wall", "processor"), least, strict=True):
        added_ms = (full_s - bare_s) * 1000
        limit = f" (limit {LIMIT_MS})" if name == "processor" else ""
        print(f"{name:<10} {bare_s * 1000:7.1f} ms, the plugin {added_ms:+6.1f} ms{limit}")
    return int(added_ms > LIMIT_MS)


def installed(place: pathlib.Path) -> tuple[list[str], list[str]]:
    """Make an environment with chaosml and one with its dependencies only; return both."""
    full, bare = place / "full", place / "bare"
    venv.create(full, with_pip=True)
    pip(full, "install", f"{ROOT}[pytest]")
    shutil.copytree(full, bare, symlinks=True)
    pip(bare, "uninstall", "--yes", "chaosml")
    return [str(full / "bin" / "python")], [str(bare / "bin" / "python")]


def pip(environment: pathlib.Path, *arguments: str) -> None:
    """Run pip in an environment."""
    command = [str(environment / "bin" / "python"), "-m", "pip", "-q", *arguments]
    subprocess.run(command, check=True, timeout=600)


def least_s(sessions: list[list[str]], project: pathlib.Path) -> list[tuple[float, float]]:
    """Return the least wall time of each session, and its least processor time."""
    for session in sessions:
        timed_s(session, project)  # Byte code is written now.
    rounds = [[timed_s(session, project) for session in sessions] for _ in range(ROUNDS)]
    return [
        (min(one[0][kind] for one in rounds), min(one[1][kind] for one in rounds))
        for kind in (0, 1)
    ]


def timed_s(session: list[str], project: pathlib.Path) -> tuple[float, float]:
    """Return wall and processor time of one session."""
    python, *arguments = session
    command = [python, "-m", "pytest", "--co", "-q", *arguments]
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=project, stdout=subprocess.DEVNULL, env=ENVIRONMENT
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - started
    if process.returncode != NOTHING_COLLECTED:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return elapsed, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
