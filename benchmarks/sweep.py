"""States a minute of a sweep, what bounds it, and ckpt-chaos on the same trainer in the same run.

    python benchmarks/sweep.py [--scenario FILE] [--workers N] [--ckpt-chaos PYTHON]

`--ckpt-chaos` names an interpreter of an environment with `ckpt-chaos==0.1.8`, numpy and
botocore; it runs the reference trainer with local files (temporary file, then rename) and is
given as many jobs as the sweep has workers.

Only states are timed: a first sweep records and tests one point, a second one takes it up and
tests the rest. Processor seconds are of everything that the second one started, so that
figures of a machine that others use too can be read: `alone` is what they would allow if
nobody else used the processors. Where nearly all processors are busy, the processors bound it:
most of a state's time is its pods' own, which train and talk to the store.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS = "240"
FILES_TRAINER = """
import argparse, os, pathlib, sys
sys.path.insert(0, {root!r})
import numpy
from chaosml.reference import dataset
from chaosml.reference.trainer import Trainer

told = argparse.ArgumentParser()
told.add_argument("--out", required=True)
out = pathlib.Path(told.parse_args().out)
out.mkdir(parents=True, exist_ok=True)
raw, _ = dataset.read_raw(dataset.SOURCE)
data = dataset.prepare(dataset.validate(raw))
trainer = Trainer(data["train/images"], data["train/labels"], batch_size=32, seed=7)
saved = sorted(out.glob("step-*.npz"))
if saved:
    with numpy.load(saved[-1]) as file:
        trainer.load(dict(file), step=int(saved[-1].stem.removeprefix("step-")))
print(f"resumed from step {{trainer.step}}")


def save(name, arrays):
    with open(out / f"{{name}}.tmp", "wb") as file:
        numpy.savez(file, **arrays)
    os.replace(out / f"{{name}}.tmp", out / f"{{name}}.npz")


while trainer.step < {steps}:
    trainer.advance()
    if trainer.step % 20 == 0:
        save(f"step-{{trainer.step:06d}}", trainer.state())
save("final", {{n: a for n, a in trainer.state().items() if n.startswith("model/")}})
"""


@dataclass(frozen=True)
class Rate:
    """So many tests in so much time."""

    name: str
    count: int
    wall_s: float
    processor_s: float

    @property
    def a_minute(self) -> float:
        """As it was."""
        return 60 * self.count / self.wall_s

    @property
    def alone(self) -> float:
        """As processor time would allow it."""
        return 60 * self.count * len(os.sched_getaffinity(0)) / self.processor_s

    def show(self, limit: str = "") -> None:
        """Print it."""
        each_ms = 1000 * self.processor_s / self.count
        busy = f"{self.processor_s / self.wall_s:.1f} of {len(os.sched_getaffinity(0))}"
        print(
            f"{self.name:<28} {self.a_minute:6.0f} a minute{limit}, alone {self.alone:.0f}; "
            f"{self.count} in {self.wall_s:.1f} s, {each_ms:.0f} ms of a processor each, "
            f"{busy} processors busy"
        )


def main() -> None:
    """Print every figure of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default=str(ROOT / "scenarios/spot.yaml"))
    processors = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=processors + processors // 2)
    parser.add_argument("--ckpt-chaos", metavar="PYTHON")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{given.workers} workers; load before the start {load:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        whole = measure_sweep("whole workflow", pathlib.Path(given.scenario), place, given.workers)
        whole.show(" (limit 150)")
        alone = train_alone(pathlib.Path(given.scenario), place)
        train = measure_sweep("train task alone", alone, place, given.workers, task="train")
        train.show(" (limit 300)")
        if given.ckpt_chaos:
            other = measure_ckpt_chaos(given.ckpt_chaos, place, given.workers)
            other.show()
            ratio, fair = train.a_minute / other.a_minute, train.alone / other.alone
            print(f"train task over ckpt-chaos   {ratio:.2f} by the clock, {fair:.2f} by processor")


def train_alone(scenario: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Write the scenario with a workflow that ends with the training."""
    workflow = (scenario.parent / "pipelines/resilient.yaml").read_text()
    for line in (
        "          - {name: evaluate, template: evaluate, dependencies: [train], "
        "arguments: *dataset}\n",
        "          - {name: register, template: register, dependencies: [evaluate], "
        "arguments: *dataset}\n",
        "  onExit: notify\n",
    ):
        assert line in workflow, line
        workflow = workflow.replace(line, "")
    (folder / "train.yaml").write_text(workflow)
    text = scenario.read_text().replace("pipelines/resilient.yaml", "train.yaml")
    # Nothing is registered, so there is no whole lineage.
    text = re.sub(r"\n  lineage: complete\n", "\n", text)
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path


def measure_sweep(
    name: str, scenario: pathlib.Path, folder: pathlib.Path, workers: int, *, task: str = ""
) -> Rate:
    """Record, then time what is left to test; with `task` only the states of its crashes count."""
    reports = folder / name.replace(" ", "-")
    command = [sys.executable, "-m", "chaosml", "sweep", str(scenario), "-q", "--output", "json"]
    command += ["--reports", str(reports), "--set", "pipeline.parameters.pace-ms=0"]
    command += ["--workers", str(workers)]
    call([*command, "--point", "1"])
    (run,) = reports.glob("*/[0-9]*")
    before = processor_s()
    report = call([*command, "--resume", str(run)])
    assert report["status"] == "PASS", report["failures"]
    results = report["results"]
    if task:
        wanted = {
            state
            for point in report["points"]
            if point["task"] == task
            for state in point["states"]
        }
        results = [one for one in results if one["state"] in wanted]
        # What states before the training cost is not the training's.
        share = sum(one["wall_s"] for one in results) / sum(
            one["wall_s"] for one in report["results"][1:]
        )
    else:
        results, share = results[1:], 1.0
    spent = processor_s() - before
    return Rate(name, len(results), report["wall_s"] * share, spent * share)


def measure_ckpt_chaos(python: str, folder: pathlib.Path, workers: int) -> Rate:
    """Let ckpt-chaos kill and resume the same trainer at every file event."""
    script = folder / "train_files.py"
    script.write_text(FILES_TRAINER.format(root=str(ROOT), steps=STEPS))
    command = [python, "-m", "ckpt_chaos", "run", "--jobs", str(workers), "--max-points", "40"]
    command += ["--step-regex", r"resumed from step (\d+)", "--result-file", "{out}/final.npz"]
    command += ["--", python, str(script), "--out", "{out}"]
    before, begun = processor_s(), time.monotonic()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=1200, check=False
    )
    wall_s, spent = time.monotonic() - begun, processor_s() - before
    found = sorted(folder.glob("ckpt-chaos-runs/*/*/result.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert found, done.stdout
    return Rate("ckpt-chaos 0.1.8", len(found), wall_s, spent)


def call(command: list[str]) -> dict:
    """Run a command that prints JSON."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def processor_s() -> float:
    """Return the processor time of everything that was started and has ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()
