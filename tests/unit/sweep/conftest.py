"""A scenario and its contract, as small as they can be."""

import pytest

from chaosml.artifacts.contract import Contract
from chaosml.scenario.model import Scenario

from .crashes import Recorder

SCENARIO = {
    "apiVersion": "chaosml.dev/v1",
    "kind": "Scenario",
    "metadata": {"name": "small"},
    "pipeline": {
        "workflow": "w.yaml",
        "isolate": {"bucket": "bucket"},
        "training-task": "train",
        "artifacts": [{"role": "checkpoint", "key": r"c/(?P<step>\d+)", "format": "json"}],
    },
    "faults": [
        {"name": "f", "inject": "pod.delete", "target": {"task": "train"}, "when": {"step": 1}}
    ],
}


@pytest.fixture
def scenario() -> Scenario:
    return Scenario.model_validate(SCENARIO)


@pytest.fixture
def contract(scenario) -> Contract:
    return Contract.compile(scenario, {})


@pytest.fixture
def recorder(scenario) -> Recorder:
    return Recorder(scenario)
