"""The default run in figures: wall time over its executions' own time, strike distance, install.

    python benchmarks/run.py [--install]

`--install` also installs the package into a fresh environment and prints its time and size.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main() -> None:
    """Print every figure of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--scenario", default=str(ROOT / "scenarios/spot.yaml"))
    arguments = parser.parse_args()
    measure_run(arguments.scenario)
    if arguments.install:
        measure_install()


def measure_run(scenario: str) -> None:
    """Run the scenario once and hold its wall time against its executions'."""
    with tempfile.TemporaryDirectory() as reports:
        started = time.monotonic()
        command = [sys.executable, "-m", "chaosml", "run", scenario, "--reports", reports, "-q"]
        code = subprocess.run(command, check=False, timeout=900).returncode
        wall_s = time.monotonic() - started
        histories = sorted(pathlib.Path(reports).glob("*/[0-9]*/*/*/history.jsonl"))
        spans = [span_s(history) for history in histories]
        distances = [distance for history in histories for distance in strike_distances(history)]
    print(f"exit code                      {code}")
    print(f"executions                     {len(spans)}")
    print(f"wall time                      {wall_s:.1f} s (limit 60)")
    print(f"sum of the executions' time    {sum(spans):.1f} s")
    print(f"ratio                          {wall_s / sum(spans):.3f} (limit 1.15)")
    print(f"strike distance, steps         {distances} (limit 0)")


def span_s(history: pathlib.Path) -> float:
    """Return the seconds between the first and the last event of a history."""
    lines = history.read_text(encoding="utf-8").splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    return float(last["latest_ns"] - first["earliest_ns"]) / 1e9


def strike_distances(history: pathlib.Path) -> list[int]:
    """Return planned minus actual step for every armed step trigger that was struck."""
    events = [json.loads(line)["data"] for line in history.read_text().splitlines()]
    planned = {
        event["injection"]: event["step"]
        for event in events
        if event["kind"] == "injection-armed" and event.get("step") is not None
    }
    held = {event["rule"]: event.get("step") for event in events if event["kind"] == "hold-started"}
    return [abs(planned[rule] - step) for rule, step in held.items() if rule in planned]


def measure_install() -> None:
    """Install into a fresh environment from the local package index cache and weigh it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
        started = time.monotonic()
        pip = [f"{folder}/bin/pip", "install", "-q", "--disable-pip-version-check", str(ROOT)]
        subprocess.run(pip, check=True, timeout=600)
        wall_s = time.monotonic() - started
        size = subprocess.run(
            ["du", "-sm", folder], check=True, capture_output=True, text=True, timeout=60
        )
    print(f"install, network included      {wall_s:.1f} s (limit 30 without the network)")
    print(f"installed size                 {size.stdout.split()[0]} MB (limit 300)")


if __name__ == "__main__":
    main()
