"""`chaosml init -- COMMAND`, then `chaosml run` on what it wrote, with nothing written by hand."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.whole.commands import CHAOSML

TRAINER = pathlib.Path(__file__).with_name("trainers") / "regression.py"


def call(folder, *arguments):
    return subprocess.run(
        [*CHAOSML, *arguments], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )


def init_and_run(folder, *options, run):
    shutil.copy(TRAINER, folder / "train.py")
    command = [sys.executable, "train.py", "--out", "{store}", *options]
    done = call(folder, "init", "--output", "chaos.yaml", "--", *command)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    ended = call(folder, "run", "chaos.yaml", "-q", "--output", "json", *run)
    return done, ended.returncode, json.loads(ended.stdout)


@pytest.mark.slow
def test_a_trainer_that_resumes_passes_without_a_line_written_by_hand(tmp_path):
    done, code, verdict = init_and_run(tmp_path, run=("--trials", "3"))
    assert r"checkpoint  train/ckpt/step-(?P<step>\d+)\.npz  npz" in done.stdout
    assert "written 4 times under 4 keys" in done.stdout
    assert "no probe" in done.stdout
    assert not (tmp_path / "reports" / "train-init").exists()
    assert (code, verdict["status"]) == (0, "PASS")
    again = call(tmp_path, "init", "--output", "chaos.yaml", "--", sys.executable, "train.py")
    assert (again.returncode, "chaos.yaml: is there already" in again.stderr) == (2, True)


@pytest.mark.slow
def test_a_trainer_that_begins_again_from_nothing_fails_for_that_reason(tmp_path):
    run = ("--trials", "2", "--set", "controls=1")
    _, code, verdict = init_and_run(tmp_path, "--forgetful", run=run)
    causes = {one["cause"] for one in verdict["verdicts"] if one["status"] == "FAIL"}
    assert (code, causes) == (1, {"restarted-from-zero"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "options", "words"),
    [
        ("print('epoch 3'); raise SystemExit(3)", (), "failed undisturbed (exit code of train 3)"),
        (
            "import time; open('ckpt.bin', 'w').write('x'); time.sleep(0.7); print('epoch 3')",
            (),
            "it wrote ckpt.bin into its working directory, which dies with its pod",
        ),
        (
            "import time; print('epoch 3', flush=True); time.sleep(60)",
            ("--timeout", "2s"),
            "did not end within 2 s",
        ),
    ],
)
def test_a_command_from_which_nothing_can_be_learned_is_refused_with_its_last_lines(
    tmp_path, program, options, words
):
    done = call(tmp_path, "init", *options, "--", sys.executable, "-c", program)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "  | epoch 3" in done.stderr
    assert list(tmp_path.iterdir()) == []
