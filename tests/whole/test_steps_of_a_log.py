"""A training that prints its steps and has no probe: what its lines alone decide."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import commands
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

_PRINTER = pathlib.Path(__file__).with_name("printer.yaml")


def _run(folder: pathlib.Path, **parameters: str) -> commands.Ended:
    """Delete the training's pod once step 15 of 24 is saved; saves are five steps apart."""
    document = {
        "apiVersion": "chaosml.dev/v1",
        "kind": "Scenario",
        "metadata": {"name": "printer"},
        "pipeline": {
            "workflow": str(_PRINTER),
            "parameters": parameters,
            "isolate": {"bucket": "bucket"},
            "training-task": "train",
            "progress": {"log": r"step=(?P<step>\d+)"},
            "artifacts": [
                {"role": "checkpoint", "key": r"ckpt/step-(?P<step>\d+)\.json", "format": "json"},
                {"role": "model", "key": r"model\.json", "format": "json", "final-step": "24"},
            ],
        },
        "faults": [
            {
                "name": "deleted",
                "inject": "pod.delete",
                "target": {"task": "train"},
                "when": {"object": {"after": "PutObject", "key": r"step-0015"}},
                "with": {"grace-period": "0s"},
            }
        ],
        "expect": {"mttr": {"at-most": "60s"}, "lost-steps": {"at-most": 10}},
        "controls": 2,
        "trials": 1,
    }
    (folder / "printer.scenario.yaml").write_text(yaml.safe_dump(document))
    return commands.run(folder / "printer.scenario.yaml", folder / "reports")


def _facts(ended: commands.Ended, execution: str) -> list[dict[str, Any]]:
    lines = (ended.directory / execution / "history.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [one for one in events if one["data"]["kind"] == "log-progress"]


def test_a_training_that_prints_its_steps_is_judged_by_them(tmp_path: pathlib.Path) -> None:
    ended = _run(tmp_path)
    (steps,) = ended.verdicts(expectation="lost-steps", execution="trial/1")
    (mttr,) = ended.verdicts(expectation="mttr", execution="trial/1")
    assert (steps["status"], mttr["status"]) == ("PASS", "PASS"), ended.err
    facts = _facts(ended, "trials/1")
    assert {one["basis"] for one in facts} == {"claimed"}
    assert facts[-1]["data"]["step"] == 24


def test_one_that_begins_again_from_nothing_has_lost_them(tmp_path: pathlib.Path) -> None:
    ended = _run(tmp_path, forgetful="yes")
    (steps,) = ended.verdicts(expectation="lost-steps", execution="trial/1")
    assert (steps["status"], steps["cause"]) == ("FAIL", "too-many-steps-lost"), ended.err
    assert "restarted-from-zero" in ended.causes()
