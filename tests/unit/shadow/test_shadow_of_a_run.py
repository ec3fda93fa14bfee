"""The shadow of a whole run: what it writes, and that a status out of reach ends with exit 4."""

from __future__ import annotations

import json
import pathlib

import pytest

from chaosml import clock
from chaosml.cli import main
from chaosml.errors import ShadowError
from chaosml.runner import RunOptions, conclude, plan, rejudge, shadows
from chaosml.shadow.judging import judge
from chaosml.shadow.recording import RECORDING, Recording, RecordingWriter
from chaosml.store.directory import RunDirectory
from tests.unit.shadow.recordings import document, recorded, with_node

SCENARIO = """
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: shadowed}
pipeline: {workflow: workflow.yaml, training-task: bad, isolate: {bucket: bucket}, artifacts: []}
faults:
  - {name: deletion, inject: pod.delete, target: {task: bad}, when: {after: 1s}}
expect: {outcome: Succeeded}
"""
PARAMETERS = "  arguments: {parameters: [{name: bucket, value: none}]}\n"


def write(path: pathlib.Path, recording: Recording) -> None:
    writer = RecordingWriter(path)
    for line in (recording.header, *recording.statuses, *recording.pods):
        writer.write(line)
    writer.close()


@pytest.fixture
def directory(tmp_path: pathlib.Path) -> RunDirectory:
    """Return the directory of a run of the failing workflow, without executions."""
    text = document("failure").read_text()
    (tmp_path / "workflow.yaml").write_text(text.replace("spec:\n", f"spec:\n{PARAMETERS}", 1))
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    options = RunOptions(on="kind", namespace="shadow", reports=tmp_path / "reports")
    loaded, planned = plan(scenario, options)
    made = RunDirectory.create(options.reports, "shadowed", clock.utc_now())
    conclude.save_inputs(made, loaded, planned, options)
    return made


def record(directory: RunDirectory, kind: str, number: int, recording: Recording) -> pathlib.Path:
    folder = directory.execution(kind, number)
    write(folder / RECORDING, recording)
    return folder


def wrong() -> Recording:
    """Return a recording in which a task ran although it has to be omitted."""
    return with_node(recorded("failure"), "failure.blocked", phase="Succeeded", message="")


def test_a_run_without_recordings_has_no_shadow(directory: RunDirectory) -> None:
    assert rejudge(directory.path).unreachable is None
    assert not (directory.path / "shadow.json").exists()


def test_what_can_be_reached_is_written_down_with_how_much_was_judged(
    directory: RunDirectory,
) -> None:
    record(directory, "control", 1, recorded("failure"))
    record(directory, "trial", 1, recorded("failure"))
    assert rejudge(directory.path).unreachable is None
    written = json.loads((directory.path / "shadow.json").read_text())
    assert written == {
        "schema": 1,
        "executions": {
            "control/1": {"statuses": 4, "reachable": True},
            "trial/1": {"statuses": 4, "reachable": True},
        },
    }
    assert not (directory.path / "shadow").exists()


def test_a_status_out_of_reach_ends_with_exit_4_and_leaves_a_fixture(
    directory: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    record(directory, "control", 1, recorded("failure"))
    record(directory, "trial", 1, wrong())
    assert main(["judge", str(directory.path)]) == 4
    told = capsys.readouterr().err
    fixture = directory.path / "shadow" / "trial-1"
    assert "trial/1: Argo showed failure.blocked as Skipped Succeeded (status 2 of 4)" in told
    assert "cannot reach: phase 'Succeeded', not 'Omitted'" in told
    assert str(fixture) in told
    assert "control/1" not in told
    found = json.loads((fixture / "found.json").read_text())
    assert found["execution"] == "trial/1"
    assert found["outcome"]["unreachable"]["vertex"] == "failure.blocked"
    assert found["versions"]["chaosml"]
    # The fixture alone shows it again.
    again = judge(fixture / "workflow.yaml", fixture / RECORDING)
    assert again.unreachable is not None
    assert again.unreachable.vertex == "failure.blocked"


def test_the_reports_are_written_before_a_shadow_ends_the_run(directory: RunDirectory) -> None:
    record(directory, "trial", 1, wrong())
    with pytest.raises(ShadowError, match="the reports are in"):
        rejudge(directory.path)
    for name in ("verdict.json", "junit.xml", "summary.md", "shadow.json"):
        assert (directory.path / name).is_file(), name


def test_judging_again_says_the_same_in_the_same_bytes(directory: RunDirectory) -> None:
    record(directory, "trial", 1, wrong())
    found = []
    for _ in range(2):
        with pytest.raises(ShadowError) as raised:
            rejudge(directory.path)
        found.append((str(raised.value), (directory.path / "shadow.json").read_bytes()))
    assert found[0] == found[1]


def test_one_execution_can_be_judged_while_the_run_goes_on(directory: RunDirectory) -> None:
    right = record(directory, "control", 1, recorded("failure"))
    folder = record(directory, "trial", 1, wrong())
    assert shadows.judge_execution(directory, "control/1", right) is None
    told = shadows.judge_execution(directory, "trial/1", folder)
    assert told is not None
    assert told.startswith("trial/1: Argo showed failure.blocked as Skipped Succeeded")
    assert not (directory.path / "shadow").exists()
