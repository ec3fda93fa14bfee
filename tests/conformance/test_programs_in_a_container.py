"""The script that signals the program in a container, in a process namespace like a container's."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from chaosml.substrates.kubernetes import programs

pytestmark = pytest.mark.slow

SHELLS = [one for one in ("dash", "bash", "busybox") if shutil.which(one)]
in_a_namespace = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a process namespace needs root and unshare",
)


@in_a_namespace
@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_stops_and_kills_the_child_of_process_1(
    shell: str, tmp_path: pathlib.Path
) -> None:
    said = played(shell, tmp_path, '["sleep", "60"]', 'print(shell("19"), shell("9"))')
    assert "['sent', 'stopped', '1'] ['sent']" in said
    assert "-9" in said


@in_a_namespace
@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_that_starts_one_after_the_other_is_stopped_each_time(
    shell: str, tmp_path: pathlib.Path
) -> None:
    busy = '["sh", "-c", "while :; do /bin/true; done"]'
    turns = 'print([(shell("19")[1], shell("18")[0]) for turn in range(12)]); shell("9")'
    assert str([("stopped", "sent")] * 12) in played(shell, tmp_path, busy, turns)


def played(shell: str, folder: pathlib.Path, program: str, play: str) -> str:
    """Play as in a container: a first process, its child with a group of its own, our shell."""
    script = folder / "script"
    script.write_text(programs._SHELL)
    run = f"{shell} sh" if shell == "busybox" else shell
    first = f"""
import os, subprocess, time
child = subprocess.Popen({program}, process_group=0)
shell = lambda n: subprocess.run(
    "{run} {script} " + n, shell=True, capture_output=True, text=True, start_new_session=True
).stdout.split()
# In a container the shell is no child of process 1.
middle = os.fork()
if middle == 0:
    if os.fork():
        time.sleep(60)
    {play}
    os.sys.stdout.flush()
    os._exit(0)
time.sleep(0.5)
print(child.wait(timeout=40), flush=True)
"""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", first],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr
