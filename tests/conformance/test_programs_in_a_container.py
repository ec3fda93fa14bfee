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


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="a process namespace needs root and unshare",
)
@pytest.mark.parametrize("shell", [one for one in ("dash", "bash", "busybox") if shutil.which(one)])
def test_the_script_stops_and_kills_the_child_of_process_1(
    shell: str, tmp_path: pathlib.Path
) -> None:
    """As in a container: a first process, its child with a group of its own, and our shell."""
    script = tmp_path / "script"
    script.write_text(programs._SHELL)
    run = f"{shell} sh" if shell == "busybox" else shell
    first = f"""
import os, subprocess, time
child = subprocess.Popen(["sleep", "60"], process_group=0)
shell = lambda n: subprocess.run(
    "{run} {script} " + n, shell=True, capture_output=True, text=True, start_new_session=True
).stdout.split()
# In a container the shell is no child of process 1.
middle = os.fork()
if middle == 0:
    if os.fork():
        time.sleep(60)
    print(shell("19"), shell("9"), flush=True)
    os._exit(0)
time.sleep(0.5)
print(child.wait(timeout=10), flush=True)
"""
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", first],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "['sent', 'stopped', '1'] ['sent']" in done.stdout, done.stdout + done.stderr
    assert "-9" in done.stdout
