"""Judges runs of 100,000 and of 1,000,000 events, each in a process of its own.

    python benchmarks/judge.py

A run is a control and a trial that resumes exactly: mostly steps, with a checkpoint
every hundred of them. Printed are time, peak memory, and the ratio of the times, of
the fastest of three; ten times the events may take eleven times the CPU time.
"""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

import msgspec

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = (100_000, 1_000_000)
REPEATS = 3
EVERY = 100
EVENTS_PER_STEP = 1.06
LIMIT_S, LIMIT_MB, LIMIT_RATIO = 5.0, 300.0, 11.0


class File:
    """Takes the events of a recording as lines of a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self._encoder = msgspec.json.Encoder()
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, event: msgspec.Struct) -> None:
        """Write a line."""
        self._file.write(self._encoder.encode(event) + b"\n")
        self._count += 1

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def generate(folder: pathlib.Path, events: int) -> None:
    """Write a control and a trial with `events` events together."""
    from tests.quality import histories

    steps = int(events / 2 / EVENTS_PER_STEP)
    options = {"steps": steps, "every": EVERY}
    for name, record in (
        ("control", histories.control),
        ("trial", lambda **given: histories.resumed(step=steps // 2, **given)),
    ):
        file = File(folder / f"{name}.jsonl")
        record(events=file, **options)
        file.close()


def judge(folder: pathlib.Path) -> None:
    """Judge what `generate` wrote and print the figures as JSON."""
    started = time.monotonic()
    from chaosml import history
    from chaosml.checkers.judge import judge as judge_run
    from chaosml.timeline import build
    from tests.quality import histories

    imported, imported_cpu = time.monotonic(), time.process_time()
    scenario = histories.scenario()
    control = build(history.read(folder / "control.jsonl"), scenario)
    trial = build(history.read(folder / "trial.jsonl"), scenario)
    built = time.monotonic()
    steps = int(control.header.fact.parameters["steps"])
    judgement = judge_run(
        scenario,
        histories.plan(step=steps // 2),
        [control],
        [trial],
        run="benchmark",
        pipeline="pipeline.yaml",
        versions={},
        replay="",
    )
    ended = time.monotonic()
    print(
        json.dumps(
            {
                "events": control.events + trial.events,
                "import_s": imported - started,
                "timelines_s": built - imported,
                "checkers_s": ended - built,
                "total_s": ended - imported,
                "cpu_s": time.process_time() - imported_cpu,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "status": judgement.status.value,
                "verdicts": [
                    f"{one.execution} {one.expectation} {one.cause}: {one.message}"
                    for one in judgement.verdicts
                    if one.status.value != "PASS"
                ],
            }
        )
    )


def _child(*arguments: str) -> str:
    command = [sys.executable, str(pathlib.Path(__file__).resolve()), *arguments]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    return done.stdout


def _measure() -> list[dict[str, Any]]:
    """Return the fastest figures of each size; sizes take turns, to meet the same load."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            (pathlib.Path(folder) / str(size)).mkdir()
            _child("generate", f"{folder}/{size}", str(size))
        rounds = [
            [json.loads(_child("judge", f"{folder}/{size}")) for size in SIZES]
            for _ in range(REPEATS)
        ]
    return [min(found, key=lambda one: one["cpu_s"]) for found in zip(*rounds, strict=True)]


def main() -> int:
    """Measure every size; return 0 where all limits hold."""
    figures = _measure()
    for found in figures:
        print(
            f"{found['events']:>9,} events: {found['total_s']:.2f} s (timelines "
            f"{found['timelines_s']:.2f} s, checkers {found['checkers_s']:.2f} s), peak "
            f"{found['peak_mb']:.0f} MB, {found['status']}"
        )
        for verdict in found["verdicts"]:
            print(f"          {verdict[:200]}")
    small, large = figures
    ratio = large["cpu_s"] / small["cpu_s"]
    print(
        f"{large['events'] / small['events']:.1f} times the events: {ratio:.1f} times the CPU time"
    )
    holds = large["total_s"] <= LIMIT_S and large["peak_mb"] <= LIMIT_MB and ratio <= LIMIT_RATIO
    print(
        f"limits ({LIMIT_S:g} s, {LIMIT_MB:g} MB, ratio {LIMIT_RATIO:g}): "
        f"{'held' if holds else 'broken'}"
    )
    return 0 if holds else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["generate", folder, size]:
            generate(pathlib.Path(folder), int(size))
        case ["judge", folder]:
            judge(pathlib.Path(folder))
        case _:
            sys.exit(main())
