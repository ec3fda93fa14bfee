"""Experiments of the Chaos Toolkit on the command line: written, and their journals judged."""

from __future__ import annotations

import hashlib
import json
import pathlib

import pytest

from chaosml import cli

SPOT = str(pathlib.Path(__file__).parents[2] / "scenarios" / "spot.yaml")


def test_an_experiment_goes_to_stdout_or_into_a_file(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", "--chaostoolkit", SPOT]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["title"] == "chaosml: spot"
    path = tmp_path / "spot.json"
    assert cli.main(["export", "--chaostoolkit", SPOT, "--output", str(path)]) == 0
    assert path.read_text() == shown
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ([SPOT], 2, "say what for: --chaostoolkit"),
        (["--chaostoolkit", "none.yaml"], 2, "none.yaml:1:1:"),
        (["--chaostoolkit", SPOT, "--on", "moon"], 2, "unknown substrate 'moon'"),
        (["--chaostoolkit", SPOT, "--on", "cluster"], 2, "name the context"),
        (["--chaostoolkit", SPOT, "--set", "nothing"], 2, "nothing"),
        (["--chaostoolkit", SPOT, "--output", "/proc/none/x.json"], 4, "cannot write"),
    ],
)
def test_what_cannot_be_written_is_said(
    words: list[str], code: int, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", *words]) == code
    said = capsys.readouterr()
    assert (said.out, why in said.err) == ("", True), said.err


@pytest.fixture
def journal(tmp_path: pathlib.Path):
    """Return what writes a journal of a run that passed."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "scenario.yaml").write_bytes(b"")

    def write(**changes: object) -> str:
        provider = {"module": "chaosml.chaostoolkit.actions", "func": "run_scenario"}
        output = {"run": str(run), "scenario_sha256": hashlib.sha256(b"").hexdigest()}
        entry = {"activity": {"provider": provider}, "status": "succeeded", "output": output}
        document = {"experiment": {"title": "spot"}, "status": "completed", "run": [entry]}
        path = tmp_path / "journal.json"
        path.write_text(json.dumps({**document, **changes}))
        return str(path)

    return write


def test_a_journal_that_is_in_doubt_is_unknown_unless_that_is_tolerated(
    journal, capsys: pytest.CaptureFixture[str]
) -> None:
    path = journal(run=[], status="interrupted")
    assert cli.main(["judge", path]) == 3
    shown = capsys.readouterr().out
    assert shown.startswith("UNKNOWN  journal")
    assert "experiment-not-completed" in shown
    assert "nothing-run" in shown
    assert cli.main(["judge", path, "--unknown", "warn"]) == 0
    capsys.readouterr()
    assert cli.main(["judge", path, "--output", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["runs"] == []


def test_a_journal_that_was_cut_off_is_an_error_of_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal.json"
    path.write_text('{"experiment": {"title": "spo')
    assert cli.main(["judge", str(path)]) == 4
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "is no JSON document" in said.err
