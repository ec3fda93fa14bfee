"""The scenario and workflow files of one run, so that anybody can run it again by hand."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import yaml

from chaosml.cluster.options import checkout_file
from chaosml.errors import HarnessError
from chaosml.selftest.model import ADHOC, Edit, Scene

__all__ = ["scenario_of", "write"]

_STEPS = "40"
_PARAMETERS = {
    "steps": _STEPS,
    "checkpoint-every": "10",
    "notice-poll-ms": "0",
    "git-commit": "{{git.commit}}",
}
_PARAMETERS_ADHOC = {"steps": _STEPS, "checkpoint-every": "10"}
_RUN = "runs/(?P<run>[^/]+)"
_STEP = r"checkpoints/step-(?P<step>\d+)"
_DIGEST = r"(?P<digest>[0-9a-f]{12})\.npz"
_ARTIFACTS: tuple[dict[str, Any], ...] = (
    {
        "role": "dataset",
        "key": f"datasets/(?P<sha256>[0-9a-f]{{64}})/digits-{_DIGEST}",
        "format": "npz",
        "commit": "marker-last",
        "marker": "datasets/{sha256}/manifest.json",
    },
    {
        "role": "checkpoint",
        "key": f"{_RUN}/{_STEP}/state-{_DIGEST}",
        "format": "npz",
        "commit": "marker-last",
        "marker": "runs/{run}/checkpoints/step-{step}/manifest.json",
    },
    {
        "role": "model",
        "key": f"{_RUN}/models/digits/model-{_DIGEST}",
        "format": "npz",
        "commit": "marker-last",
        "marker": "runs/{run}/models/digits/manifest.json",
        "final-step": "{{parameters.steps}}",
    },
    {"role": "metrics", "key": rf"{_RUN}/metrics/evaluation\.json", "format": "json"},
)
_ARTIFACTS_ADHOC: tuple[dict[str, Any], ...] = (
    {
        "role": "checkpoint",
        "key": r"checkpoints/weights\.npz",
        "format": "npz",
        "commit": "in-place",
        "parts": ["checkpoints/weights.npz", "checkpoints/meta.json"],
    },
    {
        "role": "model",
        "key": r"models/digits/model\.npz",
        "format": "npz",
        "commit": "single-object",
        "final-step": "{{parameters.steps}}",
    },
    {"role": "metrics", "key": r"metrics/latest\.json", "format": "json"},
)
_EXPECT = {
    "outcome": "Succeeded",
    "resume": "auto",
    "corruption": "none",
    "mttr": {"at-most": "30s"},
    "lost-steps": {"at-most": 10},
    "orphan-uploads": {"at-most": 0},
    "lineage": "complete",
}
_EXPECT_ADHOC = {"outcome": "Succeeded", "resume": "auto", "corruption": "none"}
_DEADLINE = "2m"


def write(
    folder: pathlib.Path,
    *,
    name: str,
    what: str,
    scene: Scene,
    view: str | None = None,
    edits: Sequence[Edit] = (),
) -> pathlib.Path:
    """Write `scenario.yaml` and `workflow.yaml` into a folder; return the scenario's path.

    Args:
        folder: Where; it is made if it is not there.
        name: Name of the scenario.
        what: What is wrong with the pipeline, for who reads the file.
        scene: The fault and what must hold.
        view: The only view to run; None: whichever the seed deals.
        edits: What is planted into the scene's workflow.

    Raises:
        UsageError: the shipped workflow is missing from this installation.
        HarnessError: the file system refuses.
    """
    workflow = _read(checkout_file(f"scenarios/pipelines/{scene.pipeline}.yaml"))
    for edit in edits:
        edit(workflow)
    workflow["metadata"] = {"generateName": f"{name}-"}
    scenario = scenario_of(name, what, scene, view)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "workflow.yaml").write_text(_dump(workflow), encoding="utf-8")
        (folder / "scenario.yaml").write_text(_dump(scenario), encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"cannot write into {folder}: {error.strerror}") from error
    return folder / "scenario.yaml"


def scenario_of(name: str, what: str, scene: Scene, view: str | None) -> dict[str, Any]:
    """Return the scenario document of a scene."""
    adhoc = scene.pipeline == ADHOC
    fault: dict[str, Any] = {
        "name": scene.name,
        "inject": scene.inject,
        "target": {"task": scene.task},
        "when": dict(scene.when),
        "with": dict(scene.options),
    }
    if view is not None:
        fault["views"] = [view]
    usual = _EXPECT_ADHOC if adhoc else _EXPECT
    expect = {**usual, **scene.expect}
    isolate = {"bucket": "bucket"} if adhoc else {"bucket": "bucket", "run-id": "run-id"}
    return {
        "apiVersion": "chaosml.dev/v1",
        "kind": "Scenario",
        "metadata": {"name": name, "description": what},
        "pipeline": {
            "workflow": "workflow.yaml",
            "parameters": {**(_PARAMETERS_ADHOC if adhoc else _PARAMETERS), **scene.parameters},
            "isolate": isolate,
            "training-task": "train",
            "artifacts": [*(_ARTIFACTS_ADHOC if adhoc else _ARTIFACTS), *scene.artifacts],
            "registry": r"registry/digits/.+\.json",
            "identity-fields": ["created", "attempt", "pod", "parent"],
        },
        "faults": [fault],
        "trials": 1,
        "controls": 1,
        "deadline": _DEADLINE,
        "expect": {key: value for key, value in expect.items() if value is not None},
    }


def _read(path: pathlib.Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def _dump(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
