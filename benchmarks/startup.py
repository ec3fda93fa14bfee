"""What starting costs: the command line's help, the probe's import, one probed step.

    python benchmarks/startup.py

Wall times are the least of several runs, taken in turns: whatever else the machine does only adds.
They stand beside the bare interpreter, so that they mean something on another machine too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

RUNS = 15
STEPS = 2000

STEP_PROGRAM = f"""
import statistics, sys, time
from chaosml import probe
spent = []
for number in range(1, {STEPS} + 1):
    started = time.perf_counter_ns()
    probe.step(number, batch="0123456789abcdef", loss=0.25)
    spent.append(time.perf_counter_ns() - started)
print(statistics.median(spent) / 1000)
"""


def main() -> None:
    """Print every figure with its limit."""
    bare_s, help_s, probe_s = least_s(
        [["-c", "pass"], ["-m", "chaosml", "--help"], ["-c", "import chaosml.probe"]]
    )
    print(f"python -c pass           {bare_s * 1000:7.1f} ms")
    print(f"chaosml --help           {help_s * 1000:7.1f} ms (limit 250)")
    print(f"import chaosml.probe    +{(probe_s - bare_s) * 1000:7.1f} ms (limit 10)")
    print(f"probe.step, unarmed      {step_us():7.1f} µs (limit 50)")


def least_s(programs: list[list[str]]) -> list[float]:
    """Return the least wall time of the interpreter with each of these arguments."""
    rounds = [[timed_s([sys.executable, *one]) for one in programs] for _ in range(RUNS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def timed_s(command: list[str]) -> float:
    """Return the wall time of one process."""
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return time.monotonic() - started


def step_us() -> float:
    """Return the median time of `probe.step` where nothing is armed, in microseconds."""
    environment = {key: value for key, value in os.environ.items() if "CHAOSML" not in key}
    done = subprocess.run(
        [sys.executable, "-c", STEP_PROGRAM],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        timeout=60,
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
