"""Runner, services, or both are killed at any moment of a run with any kind of fault.

Afterwards `chaosml recover` leaves nothing behind, the history is readable, and what was cut
short never passes. The moments are seeded; a failure names the number of its moment.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import random
import signal
import subprocess
from typing import Any

import pytest
import yaml
from fire import CHAOSML, ROOT, living, recover

from chaosml import clock
from chaosml.faults.catalogue import CATALOGUE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MOMENTS = 50
VICTIMS = ("runner", "services", "both")
STEP = {"step": 40}
READY = {"event": {"event": "ready"}}
STORE = {"service": "store"}
FIRE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "pod.delete": (STEP, {}),
    "pod.evict": (STEP, {}),
    "container.kill": (STEP, {}),
    "container.pause": (STEP, {"for": "2s"}),
    "node.drain": (STEP, {"uncordon-after": "1s"}),
    "node.stop": (STEP, {"node-object": "left", "returns-after": "1s"}),
    "node.shutdown": (STEP, {"returns-after": "1s"}),
    "node.pressure": (STEP, {}),
    "spot.reclaim": (STEP, {"notice": "2s", "capacity-returns-after": "1s"}),
    "task.rerun": (READY, {}),
    "task.zombie": (STEP, {}),
    "storage.latency": (STEP, {"latency": "200ms", "for": "2s"}),
    "storage.bandwidth": (STEP, {"rate": "64KB/s", "for": "3s"}),
    "storage.throttle": (STEP, {"for": "2s"}),
    "storage.reset": (STEP, {"operations": ["UploadPart"], "after": "16KiB", "for": "2s"}),
    "storage.stall": (STEP, {"for": "2s"}),
    "storage.down": (STEP, {"for": "2s"}),
    "storage.lose-answer": (STEP, {"operation": "CompleteMultipartUpload", "within": "9s"}),
    "storage.late-error": (STEP, {"operation": "CompleteMultipartUpload", "within": "9s"}),
    "network.latency": (STEP, STORE | {"latency": "200ms", "for": "2s"}),
    "network.bandwidth": (STEP, STORE | {"rate": "64KB/s", "for": "3s"}),
    "network.reset": (STEP, STORE | {"for": "2s"}),
    "network.partition": (STEP, STORE | {"for": "2s"}),
    "external": (
        STEP,
        {
            "command": ["sh", "-c", "touch injected; tail -f /dev/null & true"],
            "receipt": ["echo", '{"took-effect": true}'],
            "undo": ["rm", "-f", "injected"],
            "for": "1s",
        },
    ),
    "chaostoolkit": (
        STEP,
        {
            "module": "os",
            "func": "mkdir",
            "arguments": {"path": "injected"},
            "receipt": {
                "module": "os.path",
                "func": "exists",
                "arguments": {"path": "injected"},
                "tolerance": True,
            },
            "undo": {
                "module": "shutil",
                "func": "rmtree",
                "arguments": {"path": "injected", "ignore_errors": True},
            },
        },
    ),
}


def burning(kind: str, folder: pathlib.Path) -> pathlib.Path:
    """Write a scenario with one control and one trial of a fault, and return it."""
    scenario = yaml.safe_load((ROOT / "scenarios" / "storage-faults.yaml").read_text())
    when, options = FIRE[kind]
    scenario["pipeline"]["workflow"] = str(ROOT / "scenarios" / "pipelines" / "multipart.yaml")
    fault = {"name": "fire", "inject": kind, "target": {"task": "train"}, "when": when}
    scenario |= {"faults": [{**fault, "with": options}], "controls": 1, "trials": 1}
    file = folder / "fire.yaml"
    file.write_text(yaml.safe_dump(scenario))
    return file


def test_there_is_a_fire_for_every_kind_of_fault():
    assert set(FIRE) == set(CATALOGUE)


@pytest.mark.parametrize("number", range(MOMENTS))
def test_what_is_killed_at_any_moment_leaves_nothing_after_recover_and_never_passes(
    number: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    if importlib.util.find_spec("chaoslib") is None:
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "conformance" / "toolkit" / "stub"))
    kind = sorted(FIRE)[number % len(FIRE)]
    victim = VICTIMS[(number + number // len(FIRE)) % len(VICTIMS)]
    moment_s = random.Random(f"fire/{number}").uniform(0.8, 6.5)
    what = f"moment {number}: {victim} killed {moment_s:.2f} s into a run with {kind}"
    reports, temporary = tmp_path / "reports", tmp_path / "tmp"
    temporary.mkdir()
    process = start(burning(kind, tmp_path), reports, temporary)
    killed = burn(process, victim, moment_s)
    done = recover(reports)
    assert done.returncode == 0, f"{what}: {done.stderr}"
    deadline = clock.Deadline("death of every process of the run", 5.0)
    assert clock.wait_until(lambda: not living(process.pid), deadline), what
    assert not list(temporary.glob("chaosml-*")), what
    assert not (tmp_path / "injected").exists(), what
    for directory in reports.glob("*/[0-9]*"):
        if killed and (directory / "invocation.json").exists():
            assert status_of(directory) in {"UNKNOWN", "INVALID"}, what


def test_what_a_program_has_done_is_taken_back_although_the_runner_was_killed_right_then(
    tmp_path: pathlib.Path,
):
    reports, temporary = tmp_path / "reports", tmp_path / "tmp"
    temporary.mkdir()
    scenario = burning("external", tmp_path)
    # Without a time of its own the fault stays until the end of the execution.
    scenario.write_text(scenario.read_text().replace("for: 1s", "within: 20s"))
    process = start(scenario, reports, temporary)
    injected = tmp_path / "injected"
    deadline = clock.Deadline("the program to have done it", 60.0)
    begun = clock.wait_until(lambda: injected.exists() or process.poll() is not None, deadline)
    process.kill()
    process.wait(timeout=10)
    assert begun
    assert injected.exists(), (tmp_path / "run.txt").read_text()
    done = recover(reports)
    assert "took back the fault of t1.fire" in done.stderr
    assert not injected.exists()
    deadline = clock.Deadline("death of every process of the run", 5.0)
    assert clock.wait_until(lambda: not living(process.pid), deadline)


def start(
    scenario: pathlib.Path, reports: pathlib.Path, temporary: pathlib.Path
) -> subprocess.Popen[bytes]:
    """Start the run in a process of its own, its output in a file."""
    with open(reports.parent / "run.txt", "wb") as output:
        return subprocess.Popen(
            [*CHAOSML, "run", str(scenario), "--reports", str(reports)],
            stdout=output,
            stderr=output,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )


def burn(process: subprocess.Popen[bytes], victim: str, moment_s: float) -> bool:
    """Kill the victims at their moment; return whether the run was cut short by that."""
    try:
        process.wait(timeout=moment_s)
        return False
    except subprocess.TimeoutExpired:
        pass
    services = [] if victim == "runner" else living(process.pid, "chaosml.services.process")
    for pid in services:
        os.kill(pid, signal.SIGKILL)
    if victim != "services":
        process.kill()
    # Without its services a run heals and ends by itself.
    code = process.wait(timeout=60)
    return victim != "services" or bool(services and code)


def status_of(directory: pathlib.Path) -> str:
    """Judge a run directory and return the status, having seen that every line can be read."""
    judged = subprocess.run(
        [*CHAOSML, "judge", str(directory), "--output", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert judged.returncode in {1, 3}, judged.stderr
    return str(json.loads(judged.stdout)["status"])
