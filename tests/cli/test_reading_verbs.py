"""The verbs that only read: `plan`, `validate`, `schema`, and `judge` on what is no run."""

import json
import pathlib

import msgspec
import pytest

from chaosml.cli import main
from chaosml.plan.model import Plan
from chaosml.runner import RunOptions
from chaosml.runner import plan as make_plan
from chaosml.store.directory import INPUTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPOT = ROOT / "scenarios" / "spot.yaml"


@pytest.fixture
def broken(tmp_path):
    """A scenario with a key that does not exist."""
    text = SPOT.read_text().replace("pipelines/", f"{ROOT}/scenarios/pipelines/")
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace("seed: 7", "sead: 7"))
    return path


def test_a_plan_is_shown_without_anything_being_run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["plan", str(SPOT), "--trials", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("spot: resilient.yaml\nseed 7: 2 controls")
    assert "trial/2" in shown
    assert "not shown by any trial:" in shown
    assert list(tmp_path.iterdir()) == []


def test_machines_get_the_plan_as_it_will_be_recorded(capsys):
    assert main(["plan", str(SPOT), "--output", "json", "--seed", "3"]) == 0
    shown = msgspec.json.decode(capsys.readouterr().out, type=Plan)
    _, planned = make_plan(SPOT, RunOptions(seed=3))
    assert shown == planned
    assert shown.seed == 3


def test_sound_files_are_named_with_what_they_are(capsys):
    workflow = ROOT / "scenarios" / "pipelines" / "resilient.yaml"
    assert main(["validate", str(SPOT), str(workflow)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{SPOT}: a scenario of ")
    assert second == f"{workflow}: a workflow that the embedded substrate can run"


def test_problems_are_the_result_of_validate_with_file_line_and_column(capsys, broken):
    assert main(["validate", str(broken), str(SPOT)]) == 2
    shown = capsys.readouterr()
    line = broken.read_text().splitlines().index("sead: 7") + 1
    assert f"{broken}:{line}:1: " in shown.out
    assert f"{SPOT}: a scenario of " in shown.out
    assert shown.err == ""


def test_a_broken_workflow_is_named_too(capsys, tmp_path):
    workflow = tmp_path / "workflow.yaml"
    workflow.write_text("kind: Workflow\nspec:\n  entrypoint: nowhere\n  templates: []\n")
    assert main(["validate", str(workflow)]) == 2
    assert f"{workflow}:3:" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"a: [", b"- 1\n", b"kind: Pod\n"])
def test_what_is_no_document_is_a_problem_and_not_a_crash(capsys, tmp_path, content):
    path = tmp_path / "file.yaml"
    if content is not None:
        path.write_bytes(content)
    assert main(["validate", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{path}:1:") or f"\n{path}:" in f"\n{shown.out}"
    assert "internal error" not in shown.err


def test_planning_a_broken_scenario_tells_its_problems_on_stderr(capsys, broken):
    assert main(["plan", str(broken)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "sead" in shown.err


def test_the_schema_describes_scenarios(capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"faults", "expect", "pipeline"} <= set(schema["properties"])


@pytest.mark.parametrize("named", ["", "nowhere"])
def test_judging_what_is_no_run_says_what_to_name(capsys, tmp_path, named):
    assert main(["judge", str(tmp_path / named)]) == 4
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "reports/spot/latest" in shown.err


def test_a_sweep_that_was_cut_short_before_its_report_is_to_be_resumed(capsys, tmp_path):
    (tmp_path / "recording").mkdir()
    for name in (*INPUTS, "recording/course.json"):
        (tmp_path / name).write_text("{}")
    assert main(["judge", str(tmp_path)]) == 4
    assert "go on with `chaosml sweep SCENARIO --resume`" in capsys.readouterr().err
    (tmp_path / "sweep.json").write_text('{"schema": 1}')
    assert main(["judge", str(tmp_path)]) == 4
    assert "sweep.json: is not what this version writes" in capsys.readouterr().err
