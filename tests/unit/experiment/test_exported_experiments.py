"""A scenario as an experiment: what it calls, what it leaves to the environment."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import yaml

from chaosml.experiment.export import experiment_of, render
from chaosml.runner import RunOptions
from chaosml.runner.life import plan

ROOT = pathlib.Path(__file__).parents[3]
SPOT = ROOT / "scenarios" / "spot.yaml"


def export(path: pathlib.Path = SPOT, **chosen: Any) -> dict[str, Any]:
    options = RunOptions(**chosen)
    return json.loads(render(experiment_of(path, *plan(path, options), options)))


def arguments(experiment: dict[str, Any]) -> dict[str, Any]:
    return experiment["method"][0]["provider"]["arguments"]


def test_the_whole_run_is_one_action_with_the_seed_and_the_options() -> None:
    made = export(
        trials=2,
        seed=5,
        set_values={"controls": "1"},
        on="cluster",
        context="staging",
        namespace="ml",
    )
    given = arguments(made)
    assert given.pop("timeout") > 1000
    assert given == {
        "scenario": "${scenario}",
        "reports": "${reports}",
        "on": "cluster",
        "context": "staging",
        "namespace": "ml",
        "trials": 2,
        "seed": 5,
        "set_values": {"controls": "1"},
    }
    assert made["configuration"]["scenario"]["default"] == str(SPOT)


def test_it_is_asked_after_the_run_only_and_healed_always() -> None:
    made = export()
    assert made["runtime"] == {
        "hypothesis": {"strategy": "after-method-only"},
        "rollbacks": {"strategy": "always"},
    }
    (probe,) = made["steady-state-hypothesis"]["probes"]
    assert (probe["provider"]["func"], probe["tolerance"]) == ("run_status", "PASS")
    assert made["rollbacks"][0]["provider"]["func"] == "recover"


def test_a_scenario_without_secrets_names_none() -> None:
    made = export()
    assert "secrets" not in made
    assert "secrets" not in made["method"][0]["provider"]


def test_secrets_are_named_and_never_inlined(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-value")
    monkeypatch.setenv("KEY", "other-s3cr3t")
    scenario = yaml.safe_load(SPOT.read_text())
    scenario["pipeline"]["workflow"] = str(ROOT / "scenarios" / "pipelines" / "resilient.yaml")
    scenario["embedded"] = {"secrets": {"registry": {"token": "TOKEN"}}}
    fault = {"name": "out", "inject": "external", "target": {"task": "train"}, "when": {"step": 61}}
    fault["with"] = {"command": ["a"], "receipt": ["b"], "environment": ["KEY"]}
    scenario["faults"] = [fault]
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(scenario))
    made = export(path)
    assert made["secrets"] == {
        "chaosml": {name: {"type": "env", "key": name} for name in ("KEY", "TOKEN")}
    }
    assert made["method"][0]["provider"]["secrets"] == ["chaosml"]
    assert "s3cr3t" not in json.dumps(made)
