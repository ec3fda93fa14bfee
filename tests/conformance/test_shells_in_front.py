"""What lint says of shells is what the shells of this machine do.

Argo's executor gives SIGTERM to the process group of the user's command, waits for that command
alone, and ends; the kernel kills whoever is left. The same is done here, with a program that
saves for a while when it is told to end.
"""

import contextlib
import json
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

# Blocked before it says that it is ready, the signal cannot come too early to be waited for.
PROGRAM = """
import pathlib, select, signal, sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
select.select([], [], [], 0.8)
pathlib.Path("saved").touch()
sys.exit(143)
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
    "set -e\npython train.py --a \\\n  --b # last\n",
    "SEED=7 python train.py",
    "python train.py 2>&1",
    "time python train.py",
    "if true; then python train.py; fi",
]


def container(shell, script, *, in_file):
    said = {"command": [shell], "source": script} if in_file else {"command": [shell, "-c", script]}
    return Part.whole(parse(json.dumps(said), pathlib.Path("container")))


def saves(shell, script, folder, *, in_file):
    """Tell whether the program has saved when the command that Argo waits for is over."""
    (folder / "train.py").write_text(PROGRAM)
    (folder / "python").symlink_to(sys.executable)
    (folder / "script").write_text(script)
    process = subprocess.Popen(
        [shell, "script"] if in_file else [shell, "-c", script],
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
@pytest.mark.parametrize("in_file", [False, True])
def test_a_program_saves_exactly_where_lint_finds_no_shell_in_front(
    shell, script, in_file, tmp_path
):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    found = shell_of(container(shell, script, in_file=in_file))
    assert saves(shell, script, tmp_path, in_file=in_file) == (found.shielded() is None)
