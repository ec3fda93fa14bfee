"""What lint says of shells is what the shells of this machine do.

Argo's executor gives SIGTERM to the process group of the user's command, waits for that command
alone, and ends; the kernel kills whoever is left. The same is done here, with a program that
saves for a while when it is told to end.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from chaosml.document import parse
from chaosml.lint.part import Part
from chaosml.lint.programs import shell_of

PROGRAM = """
import os, pathlib, signal, sys, time

def save(*_):
    time.sleep(0.3)
    pathlib.Path("saved").touch()
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
os.mkfifo("ended")
print("ready", flush=True)
open("ended").read()
"""

SCRIPTS = [
    "python train.py",
    "python train.py; echo done",
    "python train.py && echo done",
    "true && python train.py",
    "set -e\npython train.py",
    "set -e\npython train.py\necho x",
    "exec python train.py",
    "python train.py | cat",
    "python train.py || true",
    "cd .; python train.py",
    "trap : TERM; python train.py",
]


def container(shell, script):
    written = f"command: [{shell}, -c]\nargs:\n  - {script!r}\n".replace("'", '"')
    return Part.whole(parse(written, pathlib.Path("container")))


def saves(shell, script, folder):
    """Tell whether the program has saved when the command that Argo waits for is over."""
    (folder / "train.py").write_text(PROGRAM)
    (folder / "python").symlink_to(sys.executable)
    process = subprocess.Popen(
        [shell, "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        return (folder / "saved").exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_program_saves_exactly_where_lint_finds_no_shell_in_front(shell, script, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    found = shell_of(container(shell, script))
    assert saves(shell, script, tmp_path) == (found.shielded() is None)
