"""The runner dies or is interrupted at any moment: nothing of it stays behind.

The moments are seeded; a failure names the seed and the moment.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import subprocess

import pytest
from fire import CHAOSML, ROOT, living, recover

from chaosml import clock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SCENARIO = ROOT / "scenarios" / "spot.yaml"
QUICK = ["--trials", "1", "--set", "controls=1", "--seed", "3"]
QUICK += ["--set", "expect.compute-waste.at-most=1000%"]


class Run:
    """A `chaosml run` in a process of its own, its output in a file."""

    def __init__(self, reports: pathlib.Path, temporary: pathlib.Path, name: str = "run") -> None:
        self._reports = reports
        self._output = reports.parent / f"{name}.txt"
        with open(self._output, "wb") as output:
            self.process = subprocess.Popen(
                [*CHAOSML, "run", str(SCENARIO), "--reports", str(reports), *QUICK],
                stdout=output,
                stderr=output,
                env={**os.environ, "TMPDIR": str(temporary)},
                start_new_session=True,
            )

    def reaches(self, seconds: float) -> bool:
        """Wait for a moment; False if the run was over before it."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def begins(self) -> bool:
        """Wait until its first execution has left something; False if it ended before."""

        def begun() -> bool:
            found = self._reports.glob("spot/*/*/*/history.jsonl")
            return any(path.stat().st_size for path in found) or self.process.poll() is not None

        deadline = clock.Deadline("the first execution", 60.0)
        return clock.wait_until(begun, deadline) and self.process.poll() is None

    def end(self, seconds: float) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(timeout=seconds)

    @property
    def output(self) -> str:
        return self._output.read_text()


@pytest.mark.parametrize("number", range(6))
def test_a_killed_runner_leaves_nothing_after_recover_and_never_a_pass(
    number: int, tmp_path: pathlib.Path
):
    moment_s = random.Random(f"kill/{number}").uniform(0.8, 7.0)
    reports, temporary = tmp_path / "reports", tmp_path / "tmp"
    temporary.mkdir()
    run = Run(reports, temporary)
    if run.reaches(moment_s):
        run.process.kill()
        run.end(10)
    done = recover(reports)
    assert done.returncode == 0, done.stderr
    deadline = clock.Deadline("death of every process of the run", 5.0)
    assert clock.wait_until(lambda: not living(run.process.pid), deadline), (
        f"kill at {moment_s:.2f}s"
    )
    assert not list(temporary.glob("chaosml-*")), f"kill at {moment_s:.2f}s"
    for directory in (reports / "spot").glob("[0-9]*") if reports.exists() else []:
        if not (directory / "invocation.json").exists():
            continue
        judged = subprocess.run(
            [*CHAOSML, "judge", str(directory), "--output", "json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert judged.returncode in {1, 3}, judged.stderr
        assert json.loads(judged.stdout)["status"] != "PASS"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_heals_first_and_ends_with_130(
    number: signal.Signals, tmp_path: pathlib.Path
):
    reports, temporary = tmp_path / "reports", tmp_path / "tmp"
    temporary.mkdir()
    run = Run(reports, temporary)
    assert run.begins(), run.output
    run.process.send_signal(number)
    assert run.end(30) == 130, run.output
    assert living(run.process.pid) == []
    assert not list(temporary.glob("chaosml-*"))
    (directory,) = (reports / "spot").glob("[0-9]*")
    assert json.loads((directory / "verdict.json").read_text())["interrupted"] is True


def test_recover_leaves_a_living_run_alone(tmp_path: pathlib.Path):
    reports, temporary = tmp_path / "reports", tmp_path / "tmp"
    temporary.mkdir()
    run = Run(reports, temporary)
    assert run.begins(), run.output
    assert recover(reports).returncode == 0
    assert run.end(120) == 0, run.output


def test_two_runs_at_once_do_not_disturb_one_another(tmp_path: pathlib.Path):
    reports = tmp_path / "reports"
    pair = [Run(reports, tmp_path, name) for name in ("one", "two")]
    for run in pair:
        assert run.end(180) == 0, run.output
    assert len(list((reports / "spot").glob("[0-9]*"))) == 2
