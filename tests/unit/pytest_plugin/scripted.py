"""Runs that answer at once with what a file says, in this process and in workers of xdist.

`answers/NAME.json` is the judgement of scenario NAME, `answers/NAME.txt` the error of its
harness; `runs.txt` gets a line for every run.
"""

import fcntl
import functools
import pathlib

import msgspec
import pytest

import chaosml.runner
from chaosml.errors import HarnessError
from chaosml.pytest_plugin import exchange
from chaosml.runner import RunResult
from chaosml.verdict import Judgement

ANSWERS = pathlib.Path("answers")
RUNS = pathlib.Path("runs.txt")

CONFTEST = """
import scripted

def pytest_configure(config):
    scripted.install(config)
"""


def install(config: pytest.Config) -> None:
    """Let runs be scripted until the session ends."""
    patch = pytest.MonkeyPatch()
    patch.setattr(chaosml.runner, "run", functools.partial(run, config))
    config.add_cleanup(patch.undo)


def run(config, path, options, progress):
    """Answer as the script says, and leave the run directory that a real run leaves."""
    chaosml.runner.plan(path, options)
    answer = ANSWERS / path.stem
    progress.notice(f"running {path.stem}")
    with RUNS.open("a") as runs:
        images = [one for one in (options.image, options.toxiproxy_image) if one is not None]
        where = " ".join([f"on={options.on}", *images, *turns_held(config)])
        runs.write(f"{path.stem} seed={options.seed} trials={options.trials} {where}\n")
    broken = answer.with_suffix(".txt")
    if broken.exists():
        raise HarnessError(broken.read_text())
    text = answer.with_suffix(".json").read_bytes()
    judgement = msgspec.json.decode(text, type=Judgement)
    directory = pathlib.Path(options.reports) / path.stem / f"run-{len(RUNS.read_text())}"
    directory.mkdir(parents=True)
    (directory / "verdict.json").write_bytes(text)
    (directory / "junit.xml").write_text(
        f'<testsuites><testsuite name="{path.stem}"><testcase name="verdict [whole run]"/>'
        "</testsuite></testsuites>"
    )
    return RunResult(judgement, directory)


def turns_held(config):
    """Yield a word for every turn on a cluster that somebody has."""
    for lock in exchange.of(config).folder.glob("*.turn"):
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield "turn"
