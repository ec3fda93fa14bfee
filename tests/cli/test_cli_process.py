"""The command line as a process: pipes that break, disks that are full, a whole run."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAOSML = [sys.executable, "-m", "chaosml"]


def run(*arguments, **options):
    return subprocess.run(
        [*CHAOSML, *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        timeout=90,
        check=False,
        **options,
    )


def test_a_reader_who_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as closed:
        done = run("schema", stdout=closed)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_result_that_cannot_be_written_is_an_error_without_a_traceback():
    with open("/dev/full", "wb") as full:
        done = run("schema", stdout=full)
    assert done.returncode == 4
    assert done.stderr == b"cannot write the result: No space left on device\n"


def test_a_terminal_without_unicode_gets_question_marks():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("plan", "scenarios/spot.yaml", stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_a_run_can_be_judged_again_with_the_same_bytes(tmp_path):
    # What compute costs beside other work says nothing of the pipeline.
    arguments = ["--set", "expect.compute-waste.at-most=1000%", "--set", "controls=1", "-q"]
    arguments += ["--trials", "1", "--reports", str(tmp_path)]
    done = run("run", "scenarios/spot.yaml", "--output", "json", *arguments, stdout=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    judgement = json.loads(done.stdout)
    assert judgement["status"] == "PASS"
    latest = tmp_path / "spot" / "latest"
    assert (latest / "verdict.json").read_bytes() == done.stdout
    assert not (latest / "owner.json").exists()
    before = {path.name: path.read_bytes() for path in latest.iterdir() if path.is_file()}
    again = run("judge", str(latest), "--output", "json", stdout=subprocess.PIPE)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    after = {path.name: path.read_bytes() for path in latest.iterdir() if path.is_file()}
    assert after == before
    for execution in judgement["executions"]:
        kind, number = execution["execution"].split("/")
        assert (latest / f"{kind}s" / number / "history.jsonl").stat().st_size


def in_shell(*command):
    """Run a shell that finds our command."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_a_real_bash_completes_verbs_scenarios_and_faults():
    program = """
source <(chaosml completion bash)
try() {
    COMP_WORDS=("$@"); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); COMPREPLY=()
    _chaosml_completion chaosml; echo "${COMPREPLY[*]}"
}
try chaosml sel; try chaosml run scenarios/spot; try chaosml doctor --fault spot.
try chaosml faults pod.e
"""
    done = in_shell("bash", "--norc", "-c", program)
    assert done.stdout.split() == [
        "selftest",
        *("scenarios/spot-adhoc.yaml", "scenarios/spot.yaml"),
        "spot.reclaim",
        "pod.evict",
    ], done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_a_real_fish_completes_verbs_scenarios_and_faults():
    program = """
chaosml completion fish | source
for line in "chaosml sel" "chaosml run scenarios/spot." "chaosml faults pod.e"
    complete --do-complete $line
end
"""
    done = in_shell("fish", "--no-config", "-c", program)
    found = [line.partition("\t")[0] for line in done.stdout.splitlines() if line]
    assert found == ["selftest", "scenarios/spot.yaml", "pod.evict"], done.stderr
