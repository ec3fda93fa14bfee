"""What goes wrong around a run: one message, the right exit code, and nothing is lost."""

from __future__ import annotations

import json
import os
import pathlib
import resource
import signal
import subprocess

import commands
import pytest
from commands import TRAINER, Ended, Running

from chaosml import clock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

_SLOW = ("--set", "pipeline.parameters.pace-ms=500")
_AT_ONCE_S = 15.0
# A limit for recovery beyond the deadline is refused.
_QUICK_RECOVERY = ("--set", "expect.mttr.at-most=3s")


def _habit(name: str) -> tuple[str, str]:
    return ("--set", f"pipeline.parameters.habit={name}")


def _with_train(folder: pathlib.Path, old: str, new: str) -> pathlib.Path:
    """Write the workflow of the trainer with something else in it."""
    text = (TRAINER.parent / "pipelines" / "trainer.yaml").read_text()
    assert text.count(old) == 1, old
    path = folder / "changed.yaml"
    path.write_text(text.replace(old, new))
    return path


def _assert_judged_without_a_pass(ended: Ended) -> None:
    """The run directory stays readable, and what was cut short proves nothing."""
    again = commands.judge(ended.directory, ended.reports)
    assert again.code in {1, 3}, again.err
    assert "Traceback" not in again.err
    assert json.loads(again.out)["status"] != "PASS"


def test_a_trainer_that_hangs_at_its_start_is_unknown_at_the_deadline(tmp_path: pathlib.Path):
    ended = commands.run(TRAINER, tmp_path, *_habit("hang"), "--deadline", "4s", *_QUICK_RECOVERY)
    assert ended.code == 3, ended.err
    assert ended.verdict["status"] == "UNKNOWN"
    assert ended.verdicts(status="FAIL") == []
    (outcome,) = ended.verdicts(checker="outcome", execution="control/1")
    assert outcome["status"] == "UNKNOWN"
    assert "deadline" in outcome["message"]
    assert all(4 <= one["wall_s"] < 10 for one in ended.verdict["executions"])


@pytest.mark.parametrize("habit", ["garbage", "binary", "long-lines"])
def test_a_trainer_that_prints_anything_is_judged_by_what_it_does(
    habit: str, tmp_path: pathlib.Path
):
    ended = commands.run(TRAINER, tmp_path, *_habit(habit))
    assert ended.code == 0, ended.err
    (trial,) = ended.executions()
    assert trial["receipts"][0]["actual_place"] == "step 25"
    assert trial["measures"]["steps"] == 40
    assert commands.judge(ended.directory, tmp_path).out == ended.out


def test_the_log_of_a_pod_keeps_every_byte_that_it_printed(tmp_path: pathlib.Path):
    ended = commands.run(TRAINER, tmp_path, *_habit("binary"))
    for log in ended.directory.glob("*/*/pods/*.log"):
        assert bytes(range(256)) * 400 + b"\n" in log.read_bytes()


def test_a_command_that_does_not_exist_fails_as_under_argo(tmp_path: pathlib.Path):
    workflow = _with_train(tmp_path, "command: [python]", "command: [no-such-program]")
    ended = commands.run(TRAINER, tmp_path / "reports", "--pipeline", str(workflow))
    assert ended.code == 1, ended.err
    outcome = ended.verdicts(checker="outcome", execution="control/1")[0]
    assert outcome["status"] == "FAIL"
    assert "failed to find name in PATH" in outcome["message"]
    assert "(exit code 64)" in outcome["message"]
    assert "no-such-program" in outcome["message"]
    (control,) = ended.executions("control")
    assert control["phase"] == "Failed"
    assert commands.judge(ended.directory, tmp_path).out == ended.out


def _limit_files(size_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def test_a_history_that_cannot_grow_ends_the_run_and_stays_readable(tmp_path: pathlib.Path):
    ended = commands.run(TRAINER, tmp_path, before=lambda: _limit_files(20_000))
    assert ended.code == 4
    ended.assert_one_message("history.jsonl", "File too large")
    _assert_judged_without_a_pass(ended)


def test_a_log_that_cannot_grow_costs_nothing_but_the_log(tmp_path: pathlib.Path):
    """The history is the evidence; on a full disk it is the history that ends the run."""
    ended = commands.run(
        TRAINER, tmp_path, *_habit("long-lines"), before=lambda: _limit_files(2_000_000)
    )
    assert ended.code == 0, ended.err
    sizes = [log.stat().st_size for log in ended.directory.glob("*/*/pods/*.log")]
    assert sizes
    assert max(sizes) <= 2_000_000


@pytest.fixture
def small_disk(tmp_path: pathlib.Path):
    """A file system of 200 kB for the reports."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    made = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"mounting a small file system is not allowed here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("free", [0, 8_192, 40_960, 102_400])
def test_a_disk_that_fills_up_ends_the_run_with_one_message(free: int, small_disk: pathlib.Path):
    filled = small_disk / "filled"
    usage = os.statvfs(small_disk)
    filled.write_bytes(b"x" * max(0, usage.f_bavail * usage.f_frsize - free))
    ended = commands.run(TRAINER, small_disk / "reports")
    assert ended.code == 4
    ended.assert_one_message("No space left on device")
    assert len(ended.err.splitlines()) <= 3, ended.err
    filled.unlink()
    begun = list(small_disk.glob("reports/trainer/[0-9]*"))
    for directory in begun:
        again = commands.judge(directory, small_disk)
        assert again.code in {1, 3, 4}, again.err
        assert again.code != 4 or "invocation.json" in again.err
        assert "Traceback" not in again.err


def test_reports_that_cannot_be_written_are_an_error_before_anything_starts(
    tmp_path: pathlib.Path,
):
    file = tmp_path / "file"
    file.write_text("no folder")
    ended = commands.run(TRAINER, file / "reports")
    assert ended.code == 4
    ended.assert_one_message(str(file), "Not a directory")
    assert len(ended.err.splitlines()) == 1


def test_a_temporary_folder_that_cannot_be_used_is_named(tmp_path: pathlib.Path):
    missing = tmp_path / "missing"
    ended = commands.run(TRAINER, tmp_path / "reports", environment={"TMPDIR": str(missing)})
    assert ended.code == 4
    ended.assert_one_message(str(missing), "TMPDIR")
    assert len(ended.err.splitlines()) == 1


def test_an_interpreter_that_is_not_there_is_a_problem_of_the_scenario(tmp_path: pathlib.Path):
    images = "embedded={images: {'trainer*': {python: nowhere/bin/python}}}"
    ended = commands.run(TRAINER, tmp_path, "--set", images)
    assert ended.code == 2
    ended.assert_one_message("nowhere/bin/python", "trainer.yaml:")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("chaosml.services.process", ["the services ended", "services.log"]),
        ("chaosml.services.store_process", ["the embedded store ended", "was it killed?"]),
        ("chaosml.substrates.embedded.kubelet", ["the kubelet process", "was it killed"]),
    ],
)
def test_a_process_of_ours_that_is_killed_ends_the_run_at_once_and_proves_nothing(
    module: str, words: list[str], tmp_path: pathlib.Path
):
    with Running(TRAINER, tmp_path, *_SLOW) as running:
        running.await_line('"kind":"step"')
        (victim, *_) = running.processes(module)
        os.kill(victim, signal.SIGKILL)
        ended = running.end(_AT_ONCE_S)
        assert ended.code == 4, ended.err
        ended.assert_one_message(*words)
        assert "\nalso: " not in ended.err
        deadline = clock.Deadline("death of every process of the run", 5.0)
        assert clock.wait_until(lambda: not running.processes(), deadline)
        assert running.temporary == []
        _assert_judged_without_a_pass(ended)
