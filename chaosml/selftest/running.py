"""Runs of the selftest: one process of `chaosml run` each, several at a time.

A run takes signals and owns its children, so each has a process of its own. Everything it
leaves stays where it is: scenario, workflow, histories, verdict, and what it printed.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from chaosml import clock
from chaosml.selftest import documents
from chaosml.selftest.model import Defect
from chaosml.selftest.scenes import SCENES
from chaosml.verdict import Judgement

__all__ = ["SEED", "Ended", "Job", "healthy_jobs", "job_of", "run_all"]

SEED = 7
"""Of the defects' runs."""
_LIMIT_S = 600.0
"""Four executions of two minutes each, and the start of the services."""
_PRINTED = "output.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run that is to be done."""

    name: str
    scenario: pathlib.Path
    seed: int
    defect: Defect | None
    """None: the healthy pipeline."""

    @property
    def command(self) -> tuple[str, ...]:
        """The words after `chaosml` that run it, and run it again."""
        reports = self.scenario.parent.parent
        return ("run", str(self.scenario), "--seed", str(self.seed), "--reports", str(reports))

    @property
    def replay(self) -> str:
        """The command line that runs it again."""
        return shlex.join(("chaosml", *self.command))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run that is over."""

    job: Job
    judgement: Judgement | None
    """None: it left no verdict."""
    printed: pathlib.Path
    """What the run printed."""
    took_s: float


def job_of(defect: Defect, root: pathlib.Path) -> Job:
    """Write the files of a defect's run and return it."""
    scenario = documents.write(
        root / defect.name,
        name=defect.name,
        what=defect.what,
        scene=defect.scene,
        view=defect.view,
        edits=defect.edits,
    )
    return Job(name=defect.name, scenario=scenario, seed=SEED, defect=defect)


def healthy_jobs(count: int, root: pathlib.Path) -> list[Job]:
    """Write the files of the healthy pipeline's runs: seeds 1 to `count`, scenes in turn."""
    jobs = []
    for seed in range(1, count + 1):
        scene = SCENES[(seed - 1) % len(SCENES)]
        name = f"healthy-{seed}"
        what = "nothing is wrong"
        scenario = documents.write(root / name, name=name, what=what, scene=scene)
        jobs.append(Job(name=name, scenario=scenario, seed=seed, defect=None))
    return jobs


def run_all(jobs: Sequence[Job], *, at_once: int) -> Iterator[Ended]:
    """Run the jobs, `at_once` at a time, and yield each when it is over.

    On Ctrl-C the runs get the signal from the terminal, as this process does; they heal what
    they disturbed, and the wait here ends with them.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=at_once) as pool:
        running = [pool.submit(_run, job) for job in jobs]
        try:
            for done in concurrent.futures.as_completed(running):
                yield done.result()
        finally:
            for left in running:
                left.cancel()


def _run(job: Job) -> Ended:
    begun_ns = clock.monotonic_ns()
    folder = job.scenario.parent
    printed = folder / _PRINTED
    with printed.open("wb") as output:
        try:
            subprocess.run(
                [sys.executable, "-m", "chaosml", *job.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            output.write(f"ended after {_LIMIT_S:g}s\n".encode())
    took_s = (clock.monotonic_ns() - begun_ns) / 1e9
    return Ended(job=job, judgement=_read(folder), printed=printed, took_s=took_s)


def _read(folder: pathlib.Path) -> Judgement | None:
    try:
        content = (folder / "latest" / "verdict.json").read_bytes()
        return msgspec.json.decode(content, type=Judgement)
    except (OSError, msgspec.MsgspecError):
        return None
