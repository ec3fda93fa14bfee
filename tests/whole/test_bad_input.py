"""Scenarios and workflows that are wrong: exit 2, every problem at once, each at its place.

`§` in a change stands right before the place where its problem has to be reported.
"""

from __future__ import annotations

import pathlib
import re

import commands
import pytest
from commands import TRAINER

from chaosml.cli import main

pytestmark = pytest.mark.slow

_SCENARIO = TRAINER.read_text()
_WORKFLOW = (TRAINER.parent / "pipelines" / "trainer.yaml").read_text()

_BAD_SCENARIOS = {
    "unknown key": ("seed: 1", "§sead: 1", 'did you mean "seed"'),
    "unknown key below": ("lost-steps:", "§lost-step:", 'did you mean "lost-steps"'),
    "duplicate key": ("seed: 1", "seed: 1\n§seed: 2", "seed"),
    "number without a unit": ("deadline: 60s", "deadline: §60", "unit"),
    "wrong unit": ("deadline: 60s", "deadline: §60 parsecs", "60 parsecs"),
    "unknown fault": ("pod.delete", "§pod.delet", 'did you mean "pod.delete"'),
    "unknown option": ("force: true", "§forse: true", 'did you mean "force"'),
    "unknown target": ("{task: train}", "{task: §trian}", 'did you mean "train"'),
    "unknown view": ("[seen]", "[§seem]", "seem"),
    "illegal view": ("[seen]", "[§wait-failed]", "wait-failed"),
    "illegal trigger": ("{step: 25}", "§{step: 25, after: 2s}", "exactly one of"),
    "step beyond the last": ("{step: 25}", "{step: §41}", "never reached"),
    "no expression": (r"'checkpoints/step-(?P<step>\d+)\.json'", "§'checkpoints/('", "("),
    "marker of a group that is not there": (
        "{role: checkpoint, ",
        "{role: checkpoint, commit: marker-last, marker: §'done/{digest}', ",
        "digest",
    ),
    "missing workflow": ("pipelines/trainer.yaml", "§pipelines/missing.yaml", "missing.yaml"),
    "unknown parameter": ("habit: none", "§habbit: none", 'did you mean "habit"'),
    "rate that too few trials support": (
        "corruption: none",
        "corruption: §{at-most: 2%, confidence: 95%}",
        "149",
    ),
    "deadline below the limit of recovery": (
        "mttr: {at-most: 30s}",
        "mttr: {at-most: §2m}",
        "deadline",
    ),
    "text for a number": ("controls: 1", "controls: §one", "one"),
}

_BAD_WORKFLOWS = {
    "no Workflow": ("kind: Workflow", "kind: §Pod", "Workflow"),
    "unsupported field": (
        "steps: [[{name: train, template: train}]]",
        "steps: [[{name: train, template: train, §inline: {}}]]",
        "inline",
    ),
    "template that is not there": (
        "template: train}",
        "template: §trian}",
        'did you mean "train"',
    ),
    "entrypoint that is not there": (
        "entrypoint: pipeline",
        "entrypoint: §pipelin",
        'did you mean "pipeline"',
    ),
    "broken factor": (
        '{limit: "3", retryPolicy: Always}',
        '{limit: "3", retryPolicy: Always, backoff: {duration: "1", factor: §"1.5"}}',
        "1.5",
    ),
    "factor that is a float": (
        '{limit: "3", retryPolicy: Always}',
        '{limit: "3", retryPolicy: Always, backoff: {duration: "1", factor: §1.5}}',
        "1.5",
    ),
    "unknown policy": ("retryPolicy: Always", "retryPolicy: §Sometimes", "Sometimes"),
    "unknown parameter": (
        '"{{workflow.parameters.habit}}"',
        '§"{{workflow.parameters.habbit}}"',
        'did you mean "habit"',
    ),
    "cycle": (
        "steps: [[{name: train, template: train}]]",
        "dag: {tasks: [§{name: train, template: train, dependencies: [train]}]}",
        "train → train",
    ),
}


def _changed(text: str, old: str, new: str) -> tuple[str, int, int]:
    """Return a text with a change in it, and line and column of its sign."""
    assert text.count(old) == 1, old
    changed = text.replace(old, new)
    before = changed[: changed.index("§")]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return changed.replace("§", ""), line, column


def _write(folder: pathlib.Path, scenario: str, workflow: str = _WORKFLOW) -> pathlib.Path:
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "trainer.yaml").write_text(workflow)
    path = folder / "bad.yaml"
    path.write_text(scenario)
    return path


def _refused(folder: pathlib.Path, path: pathlib.Path, capsys) -> list[str]:
    """Run a scenario that has to be refused; return its problems."""
    assert main(["run", str(path), "--reports", str(folder / "reports")]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert not (folder / "reports").exists()
    problems = shown.err.splitlines()
    assert problems
    for problem in problems:
        assert re.match(r"[^:]+\.yaml:\d+:\d+: \S", problem), problem
    return problems


@pytest.mark.parametrize("what", _BAD_SCENARIOS)
def test_what_is_wrong_in_a_scenario_is_told_at_its_place(what, tmp_path, capsys):
    old, new, words = _BAD_SCENARIOS[what]
    text, line, column = _changed(_SCENARIO, old, new)
    path = _write(tmp_path, text)
    (problem,) = _refused(tmp_path, path, capsys)
    assert problem.startswith(f"{path}:{line}:{column}: ")
    assert words in problem


@pytest.mark.parametrize("what", _BAD_WORKFLOWS)
def test_what_is_wrong_in_a_workflow_is_told_at_its_place(what, tmp_path, capsys):
    old, new, words = _BAD_WORKFLOWS[what]
    workflow, line, column = _changed(_WORKFLOW, old, new)
    path = _write(tmp_path, _SCENARIO, workflow)
    problems = _refused(tmp_path, path, capsys)
    file = tmp_path / "pipelines" / "trainer.yaml"
    (problem,) = [one for one in problems if one.startswith(f"{file}:{line}:{column}: ")]
    assert words in problem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"\xff\xfe\x00\x01",
        b"a: [1, 2",
        b"a: b: c",
        b"- a list\n",
        b"just a text\n",
        b"a: &x [*x]\n",
        b"\t- tabs\n",
        b"!!python/object/apply:os.system ['true']\n",
        b"a: 1\n---\nb: 2\n",
    ],
)
def test_what_is_no_scenario_at_all_is_one_problem(content, tmp_path, capsys):
    path = _write(tmp_path, "")
    path.write_bytes(content)
    problems = _refused(tmp_path, path, capsys)
    assert problems[0].startswith(f"{path}:")


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    path = tmp_path / "none.yaml"
    (problem,) = _refused(tmp_path, path, capsys)
    assert str(path) in problem


def test_all_problems_of_both_files_are_told_at_once(tmp_path: pathlib.Path):
    scenario, places = _SCENARIO, []
    independent = ["unknown key", "unknown fault", "wrong unit", "unknown parameter"]
    for old, new, _ in (_BAD_SCENARIOS[what] for what in independent):
        scenario = scenario.replace(old, new)
    workflow, line, column = _changed(_WORKFLOW, *_BAD_WORKFLOWS["unknown policy"][:2])
    for number, text in enumerate(scenario.split("\n"), start=1):
        places += [(number, at.start() + 1) for at in re.finditer("§", text)]
    path = _write(tmp_path, scenario.replace("§", ""), workflow)
    ended = commands.run(path, tmp_path / "reports")
    assert ended.code == 2
    expected = [f"{path}:{at[0]}:{at[1]}: " for at in places]
    expected.append(f"{tmp_path / 'pipelines' / 'trainer.yaml'}:{line}:{column}: ")
    problems = ended.err.splitlines()
    for place in expected:
        assert [one for one in problems if one.startswith(place)], (place, problems)
    assert len(problems) == len(expected), problems
    assert (ended.out, ended.reports.exists()) == ("", False)
