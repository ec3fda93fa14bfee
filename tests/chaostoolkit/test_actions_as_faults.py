"""Actions of extensions as faults of a scenario: good ones, and every bad kind."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml
from experiments import CHAOSML, EXTENSION, TRAINER, call

pytestmark = [pytest.mark.chaostoolkit, pytest.mark.timeout(120)]


FAULTS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "kills": ("kills", {"arguments": {"pid": "{pid}"}, "kills": True}, None),
    "raises": ("raises", {}, "command-failed"),
    "hangs": ("hangs", {}, "command-timeout"),
    "vanishes": ("vanishes", {}, "command-nonsense"),
    "nonsense": ("well", {"receipt": {"func": "nonsense"}}, "receipt-failed"),
}


def test_actions_of_extensions_are_faults_and_their_traps_reach_no_verdict(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "extension.py").write_bytes(EXTENSION.read_bytes())
    whole = yaml.safe_load(TRAINER.read_text())
    whole["pipeline"]["workflow"] = str(TRAINER.parent / "pipelines" / "trainer.yaml")
    place = {"inject": "chaostoolkit", "target": {"task": "train"}, "when": {"step": 25}}
    met = {"module": "extension", "func": "value", "arguments": {"of": 3}, "tolerance": [1, 5]}
    whole["faults"] = [
        {
            "name": name,
            **place,
            "with": {
                "module": "extension",
                "func": func,
                "timeout": "3s",
                "within": "1s",
                **more,
                "receipt": {**met, **more.get("receipt", {})},
            },
        }
        for name, (func, more, _) in FAULTS.items()
    ]
    whole["faults"][4]["with"]["receipt"]["arguments"] = {}
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(whole))
    done = call(*CHAOSML, "run", str(path), "-q", "--output", "json", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    trials = [one for one in json.loads(done.stdout)["executions"] if one["case"]]
    found = {one["case"]: one["receipts"][0]["why_invalid"] for one in trials}
    assert found == {name: why for name, (_, _, why) in FAULTS.items()}
