"""Whole sessions of pytest: real runs, workers of xdist, a user who interrupts."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import pytest
from commands import ROOT, SCENARIOS, TRAINER, call

from chaosml import clock

pytestmark = pytest.mark.slow

_LIMIT_S = 300.0
_HEAVY = ("aiohttp", "boto3", "kubernetes", "msgspec", "numpy", "pydantic", "rich", "typer", "yaml")
_SCRIPTED = ROOT / "tests" / "unit" / "pytest_plugin"
_ITEMS = 9
"""Of spot.yaml: seven stated expectations, `effect` and `verdict`."""


@dataclass(frozen=True)
class Session:
    """A session that has ended."""

    code: int
    out: str
    folder: pathlib.Path

    @property
    def cases(self) -> dict[str, list[str]]:
        """What became of each test case, by `file::name`, as `j.xml` says."""
        return {
            f"{case.get('classname')}::{case.get('name')}": [
                child.tag for child in case if child.tag in ("failure", "error", "skipped")
            ]
            for case in ElementTree.parse(self.folder / "j.xml").iter("testcase")
        }

    def became(self, name: str) -> list[str]:
        """What became of the one case of this name."""
        (found,) = [became for case, became in self.cases.items() if case.endswith(f"::{name}")]
        return found

    @property
    def runs(self) -> list[pathlib.Path]:
        """The run directories that were made."""
        return sorted((self.folder / "reports").glob("*/[0-9]*"))


def _command(folder: pathlib.Path, *arguments: str) -> list[str]:
    options = [f"--rootdir={folder}", "--junitxml=j.xml", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", *options, *arguments]


def _environment() -> dict[str, str]:
    ours = ("PYTEST_", "CHAOSML_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {**kept, "PYTHONPATH": str(_SCRIPTED), "COLUMNS": "160"}


def session(folder: pathlib.Path, *arguments: str) -> Session:
    """Run pytest in a folder."""
    done = subprocess.run(
        _command(folder, *arguments),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT_S,
        check=False,
        env=_environment(),
    )
    return Session(done.returncode, done.stdout, folder)


def _has_pods(folder: pathlib.Path) -> bool:
    histories = (folder / "reports").glob("*/[0-9]*/*/*/history.jsonl")
    return any("pod-started" in path.read_text() for path in histories)


@pytest.fixture
def project(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project whose scenarios are ours."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "scenarios").symlink_to(SCENARIOS)
    return tmp_path


@pytest.fixture
def scripted(tmp_path: pathlib.Path) -> pathlib.Path:
    """Two scenarios whose runs answer at once."""
    sys.path.insert(0, str(_SCRIPTED))
    try:
        import project as projects
        import scripted
    finally:
        sys.path.remove(str(_SCRIPTED))
    folder = projects.fill(tmp_path)
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name in ("a", "b"):
        projects.add(folder, name, projects.judged())
    (folder / "conftest.py").write_text(scripted.CONFTEST)
    return folder


@pytest.mark.timeout(400)
def test_a_pipeline_that_survives_passes_item_by_item(project):
    ended = session(
        project, "--chaosml", "scenarios/spot.yaml", "--chaosml-trials=1", "--chaosml-seed=3"
    )
    assert ended.code == 0, ended.out
    assert list(ended.cases.values()) == [[]] * _ITEMS
    (run,) = ended.runs
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["seed"] == 3
    assert [one["execution"] for one in verdict["executions"]][-1] == "trial/1"
    # Every verdict is of an expectation that has an item.
    items = {case.rpartition("::")[2] for case in ended.cases}
    assert {one["expectation"] for one in verdict["verdicts"]} < items
    assert "PASS" in ended.out.partition("= chaosml =")[2]


def test_a_fault_that_missed_its_target_makes_errors_and_no_failures(project):
    text = TRAINER.read_text()
    missed = text.replace("when: {step: 25}", "when: {event: {event: point, name: never}}")
    assert missed != text
    (project / "missed.yaml").write_text(missed)
    (project / "pipelines").symlink_to(TRAINER.parent / "pipelines")
    ended = session(project, "--chaosml", "missed.yaml")
    assert ended.code == 1, ended.out
    assert set(map(tuple, ended.cases.values())) == {("error",)}
    assert "INVALID effect: target-finished" in ended.out
    assert "replay    chaosml run missed.yaml --seed 1" in ended.out


def test_an_assert_on_a_run_explains_itself_and_the_replay_command_is_true(project):
    limit = {"expect.mttr": "{at-most: 1ms}"}
    (project / "test_trainer.py").write_text(
        "def test_it(chaosml):\n"
        f"    result = chaosml.run({str(TRAINER)!r}, set_values={limit!r})\n"
        "    assert result['outcome']\n"
        "    assert result.causes == {'recovery-too-slow'}\n"
        "    assert result.mttr_s < 0.001\n"
    )
    ended = session(project, "test_trainer.py")
    assert ended.became("test_it") == ["failure"], ended.out
    assert "mttr_s is the worst of: trial/1 " in ended.out
    assert "FAIL mttr: recovery-too-slow" in ended.out
    (line,) = {one for one in ended.out.splitlines() if one.startswith("  replay    ")}
    words = shlex.split(line.partition("replay")[2])
    assert words[:2] == ["chaosml", "run"]
    again = call(*words[1:], "--reports", str(project / "again"), "-q", reports=project / "again")
    assert again.code == 1, again.err
    assert "recovery-too-slow" in again.out


@pytest.mark.timeout(400)
def test_an_interrupt_heals_and_ends_the_session(project):
    process = subprocess.Popen(
        _command(project, "--chaosml", "scenarios/spot.yaml", "-s"),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=_environment(),
    )
    try:
        found = clock.wait_until(lambda: _has_pods(project), clock.Deadline("a pod", 60.0))
        assert found, "no pod"
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60.0)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, out
    assert "KeyboardInterrupt: faults are healed" in out
    (run,) = (project / "reports" / "spot").glob("[0-9]*")
    assert not (run / "owner.json").exists()
    assert json.loads((run / "verdict.json").read_text())["interrupted"] is True


@pytest.mark.parametrize("dist", ["load", "loadfile", "loadgroup", "worksteal", "each"])
def test_workers_run_each_scenario_once_however_its_items_are_dealt(scripted, dist):
    (scripted / "test_plain.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_plain(n): pass\n"
    )
    ended = session(scripted, "--chaosml", "-n2", f"--dist={dist}", "-v", ".")
    copies = 2 if dist == "each" else 1
    assert ended.code == 0, ended.out
    assert f"{(2 * _ITEMS + 8) * copies} passed" in ended.out
    ran = sorted(line.split()[0] for line in (scripted / "runs.txt").read_text().splitlines())
    assert ran == ["a", "b"]
    passed = re.compile(r"^\[(gw\d)\].* PASSED scenarios/(a|b)\.yaml::", re.MULTILINE)
    dealt = set(passed.findall(ended.out))
    if dist in ("load", "loadfile"):
        assert sorted(name for _, name in dealt) == ["a", "b"], "a worker waits for another's run"
    summary = ended.out.partition("= chaosml =")[2]
    assert "2 scenarios: 2 pass, 0 fail, 0 unproved" in summary
    reports = [line.split()[1] for line in summary.splitlines() if line.startswith("report ")]
    assert [pathlib.Path(report).parts[1] for report in reports] == ["a", "b"]


def test_a_worker_that_dies_with_its_run_makes_errors_and_no_second_run(scripted):
    with (scripted / "conftest.py").open("a") as file:
        file.write(
            "import os, chaosml.runner\n"
            "def pytest_collection_finish(session):\n"
            "    inner = chaosml.runner.run\n"
            "    def run(path, *rest):\n"
            "        return inner(path, *rest) and os._exit(9) if path.stem == 'a' else "
            "inner(path, *rest)\n"
            "    chaosml.runner.run = run\n"
        )
    ended = session(scripted, "--chaosml", "-n2", "scenarios")
    assert ended.code == 1, ended.out
    ran = sorted(line.split()[0] for line in (scripted / "runs.txt").read_text().splitlines())
    assert ran == ["a", "b"]
    assert "its run broke off in this session" in ended.out
    of_a = [became for case, became in ended.cases.items() if case.startswith("scenarios.a.")]
    assert all(of_a), ended.out


def test_a_project_that_does_not_use_the_plugin_gets_nothing_of_it(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    with open('modules.txt', 'w') as file: file.write(' '.join(sys.modules))\n"
    )
    (tmp_path / "test_it.py").write_text("def test_it(): assert True\n")
    ended = session(tmp_path)
    assert ended.code == 0
    assert "chaosml" not in ended.out.partition("collected")[2]
    loaded = (tmp_path / "modules.txt").read_text().split()
    ours = {name for name in loaded if name.split(".")[0] == "chaosml"}
    assert ours == {"chaosml", "chaosml.pytest_plugin"}
    assert not {name.split(".")[0] for name in loaded} & set(_HEAVY)
