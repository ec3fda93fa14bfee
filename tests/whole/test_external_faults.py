"""Programs of the user's as faults, run as a user does it: good ones, and every bad kind."""

from __future__ import annotations

import pathlib
from typing import Any

import commands
import pytest
import yaml
from commands import TRAINER, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

GIVEN = ["echo", '{"took-effect": true, "pod": "{pod}"}']
FAULTS: dict[str, dict[str, Any]] = {
    "kills": {"command": ["sh", "-c", "kill -9 {pid}"], "receipt": GIVEN, "kills": True},
    "stays": {
        "command": ["sh", "-c", "echo $TOKEN > stays; tail -f /dev/null & true"],
        "receipt": ["sh", "-c", 'test -e stays && echo {\\"on\\": 1, \\"by\\": \\"$TOKEN\\"}'],
        "expect": {"on": 1},
        "undo": ["mv", "stays", "undone"],
        "environment": ["TOKEN"],
    },
    "fails": {"command": ["false"], "receipt": GIVEN, "undo": ["touch", "undone-too"]},
    "hangs": {"command": ["tail", "-f", "/dev/null"], "receipt": GIVEN, "timeout": "1s"},
    "babbles": {"command": ["true"], "receipt": ["echo", "well"], "within": "500ms"},
    "denies": {
        "command": ["true"],
        "receipt": ["echo", '{"took-effect": false}'],
        "within": "500ms",
    },
}
INVALID = {
    "kills": None,
    "stays": None,
    "fails": "command-failed",
    "hangs": "command-timeout",
    "babbles": "receipt-nonsense",
    "denies": "receipt-no-effect",
}


def scenario(folder: pathlib.Path, faults: dict[str, dict[str, Any]]) -> pathlib.Path:
    """Write a scenario with these external faults."""
    whole = yaml.safe_load(TRAINER.read_text())
    whole["pipeline"]["workflow"] = str(TRAINER.parent / "pipelines" / "trainer.yaml")
    place = {"inject": "external", "target": {"task": "train"}, "when": {"step": 25}}
    whole["faults"] = [{"name": name, **place, "with": given} for name, given in faults.items()]
    path = folder / "outside.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def ended(folder: pathlib.Path) -> Ended:
    return commands.run(
        scenario(folder, FAULTS), folder / "reports", environment={"TOKEN": "s3cr3t-value"}
    )


def test_each_program_that_does_not_do_it_is_invalid_by_name_and_nothing_passes(
    ended: Ended,
) -> None:
    assert ended.code == 3, ended.err
    found = {one["case"]: one["receipts"][0]["why_invalid"] for one in ended.executions()}
    assert {name: found.get(name) for name in FAULTS} == {name: INVALID[name] for name in FAULTS}
    assert ended.verdict["status"] == "UNKNOWN"


def test_a_death_by_a_program_has_a_recovery_of_its_own(ended: Ended) -> None:
    (killed,) = [one for one in ended.executions() if one["case"] == "kills"]
    assert killed["receipts"][0]["observed_view"] == "seen"
    assert killed["measures"]["mttr_s"] > 0


def test_everything_was_taken_back(ended: Ended, folder: pathlib.Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "outside.yaml",
        "reports",
        "undone",
        "undone-too",
    }


def test_no_value_of_a_secret_is_kept(ended: Ended) -> None:
    for path in ended.reports.rglob("*"):
        if path.is_file() and "pods" not in path.parts:
            assert b"s3cr3t-value" not in path.read_bytes(), path


def test_judging_again_says_the_same(ended: Ended) -> None:
    before = ended.documents()
    commands.judge(ended.directory, ended.reports)
    assert ended.documents() == before


def test_without_a_receipt_nothing_is_run(tmp_path: pathlib.Path) -> None:
    path = scenario(tmp_path, {"kills": {"command": ["true"]}})
    line = path.read_text().splitlines().index("  with:") + 1
    done = commands.run(path, tmp_path / "reports")
    assert done.code == 2
    done.assert_one_message(f"outside.yaml:{line}:", "receipt")
    assert not (tmp_path / "reports").exists()


def test_a_variable_that_is_not_set_is_named(tmp_path: pathlib.Path) -> None:
    given = {"command": ["true"], "receipt": GIVEN, "environment": ["NO_SUCH_TOKEN"]}
    done = commands.run(scenario(tmp_path, {"kills": given}), tmp_path / "reports")
    assert done.code == 2
    done.assert_one_message("NO_SUCH_TOKEN", "export it")
