"""How fast files are linted, on one core.

    python benchmarks/lint.py [--files 1000]

The files are the pipelines of `scenarios/` and the bad and good example of every rule, each of
them again and again under another name. Wall time and processor time of the whole process, start
included, since that is what a hook before a commit costs.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from chaosml.lint.rules import rules

PIPELINES = pathlib.Path(__file__).resolve().parents[1] / "scenarios" / "pipelines"
LIMIT_S = 10.0


def main() -> None:
    """Write the files, lint them once, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as folder:
        size = write_files(pathlib.Path(folder), count)
        wall_s, processor_s, found = lint(folder)
    print(f"files       {count}, {size / 1024:.0f} KiB")
    print(f"processor   {processor_s:6.2f} s (limit {LIMIT_S:.0f} for 1,000 files)")
    print(f"wall        {wall_s:6.2f} s, which whatever else the machine does makes longer")
    print(f"a file      {processor_s / count * 1000:6.2f} ms")
    print(found)


def write_files(folder: pathlib.Path, count: int) -> int:
    """Write so many files and return their size in bytes."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(PIPELINES.glob("*.yaml"))]
    texts += [text for rule in rules().values() for text in (rule.bad, rule.good)]
    size = 0
    for number in range(count):
        # A quarter is as long as real pipelines are, the rest as short as examples.
        text = texts[number // 4 % 9 if number % 4 == 0 else 9 + number % (len(texts) - 9)]
        size += (folder / f"workflow-{number}.yaml").write_text(text, encoding="utf-8")
    return size


def lint(folder: str) -> tuple[float, float, str]:
    """Lint a folder in a process on one core: wall time, processor time, and what it said last."""
    core = min(os.sched_getaffinity(0))
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "chaosml", "lint", folder],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        check=False,
        timeout=600,
    )
    wall_s = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, used.ru_utime + used.ru_stime, done.stdout.decode().splitlines()[-1]


if __name__ == "__main__":
    main()
