"""Whose lines are read for steps."""

from __future__ import annotations

import pathlib

from chaosml.runner import foresight, life
from chaosml.runner.options import RunOptions

SCENARIOS = pathlib.Path(__file__).resolve().parents[3] / "scenarios"


def test_only_the_lines_of_the_training_are_read_and_only_where_that_is_asked(
    tmp_path: pathlib.Path,
) -> None:
    text = (SCENARIOS / "spot.yaml").read_text()
    text = text.replace("workflow: pipelines/", f"workflow: {SCENARIOS}/pipelines/")
    asked = text.replace(
        "training-task: train", "training-task: train\n  progress: {log: 's(?P<step>[0-9])'}"
    )
    found = []
    for name, document in (("silent", text), ("asked", asked)):
        path = tmp_path / f"{name}.yaml"
        path.write_text(document)
        loaded, planned = life.plan(path, RunOptions(set_values={"controls": "1"}))
        composer = foresight.compose(loaded, "embedded")
        submission = next(iter(foresight.setups(composer, planned, tmp_path))).submission
        found.append([submission.step_pattern_of(task) for task in ("train", "evaluate")])
    assert found == [[None, None], ["s(?P<step>[0-9])", None]]
