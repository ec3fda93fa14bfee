"""What the pytest plugin costs a project that does not use it: `pytest --co` with it over without.

    python benchmarks/plugin.py              the installation at hand
    python benchmarks/plugin.py --install    an environment of its own, with chaosml not editable

Wall times are the least of several runs, taken in turns: whatever else the machine does only
adds. The project is empty; `-p no:chaosml` is the session without the plugin, but for the look at
the entry point, which pytest takes at every installed distribution.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROUNDS = 15
LIMIT_MS = 30
NOTHING_COLLECTED = 5


def main() -> int:
    """Print the figure with its limit; return 1 if it is above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--install", action="store_true")
    wanted = parser.parse_args().install
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        project = place / "project"
        project.mkdir()
        python = installed(place / "environment") if wanted else pathlib.Path(sys.executable)
        without_s, with_s = least_s(python, project)
    added_ms = (with_s - without_s) * 1000
    print(f"pytest --co, empty project   {without_s * 1000:7.1f} ms")
    print(f"with the plugin             +{added_ms:7.1f} ms (limit {LIMIT_MS})")
    return int(added_ms > LIMIT_MS)


def installed(place: pathlib.Path) -> pathlib.Path:
    """Install chaosml with pytest into a new environment; return its interpreter."""
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", f"{ROOT}[pytest]"]
    subprocess.run(command, check=True, timeout=600)
    return python


def least_s(python: pathlib.Path, project: pathlib.Path) -> tuple[float, float]:
    """Return the least wall time without the plugin and with it."""
    timed_s(python, project)  # Byte code is written now.
    rounds = [
        (timed_s(python, project, "-p", "no:chaosml"), timed_s(python, project))
        for _ in range(ROUNDS)
    ]
    without, with_it = zip(*rounds, strict=True)
    return min(without), min(with_it)


def timed_s(python: pathlib.Path, project: pathlib.Path, *arguments: str) -> float:
    """Return the wall time of one session."""
    command = [str(python), "-m", "pytest", "--co", "-q", *arguments]
    started = time.monotonic()
    done = subprocess.run(command, cwd=project, stdout=subprocess.DEVNULL, check=False, timeout=60)
    elapsed = time.monotonic() - started
    if done.returncode != NOTHING_COLLECTED:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return elapsed


if __name__ == "__main__":
    sys.exit(main())
