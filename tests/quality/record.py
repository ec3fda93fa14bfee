"""Recording of real runs as fixtures: `python -m tests.quality.record`.

Each folder below `recorded/` is a run directory as `chaosml run` wrote it, without pod logs and
with packed histories. Record anew when the wire format of events or the inputs change.
"""

import gzip
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORDED = pathlib.Path(__file__).parent / "recorded"
RUNS = {
    "spot": ["scenarios/spot.yaml"],
    "spot-adhoc": ["scenarios/spot-adhoc.yaml"],
    "no-rng": ["scenarios/pod-deletion.yaml", "--pipeline", "scenarios/pipelines/no-rng.yaml"],
    "exit-zero": [
        "scenarios/pod-deletion.yaml",
        "--pipeline",
        "scenarios/pipelines/resilient-exit-zero.yaml",
    ],
}


def main() -> None:
    """Run everything once and pack what it left."""
    for name, arguments in RUNS.items():
        with tempfile.TemporaryDirectory() as reports:
            command = [sys.executable, "-m", "chaosml", "run", *arguments, "--reports", reports]
            subprocess.run(command, cwd=ROOT, check=False, timeout=600, stdout=subprocess.DEVNULL)
            (latest,) = pathlib.Path(reports).glob("*/latest")
            pack(latest.resolve(), RECORDED / name)


def pack(run: pathlib.Path, target: pathlib.Path) -> None:
    """Copy what judging needs, and the verdict."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in ("scenario.yaml", "workflow.yaml", "plan.json", "invocation.json", "verdict.json"):
        shutil.copy(run / file, target / file)
    for history in sorted(run.glob("*/*/history.jsonl")):
        folder = target / history.parent.relative_to(run)
        folder.mkdir(parents=True)
        packed = gzip.compress(history.read_bytes(), mtime=0)
        (folder / "history.jsonl.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
