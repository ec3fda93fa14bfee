"""The shipped workflow documents drive the programs: what they pass is what the programs take."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from reference_pods import LIMIT_S, Pods, serve_store

from chaosml.workflow.load import load
from chaosml.workflow.protocol import CreatePod, Finished, PodCompleted, PodRunning, PodSpec, Tick
from chaosml.workflow.reducer import reduce, start

pytestmark = pytest.mark.slow

PIPELINES = pathlib.Path(__file__).parents[2] / "scenarios" / "pipelines"
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def endpoint():
    with serve_store() as url:
        yield url


def environment_of(spec: PodSpec) -> dict[str, str]:
    fields = {"metadata.uid": f"uid-{spec.pod}"}
    return {
        item.name: fields[item.field] if item.field else item.value or ""
        for item in spec.environment
        if not item.name.startswith("ARGO_")
    }


class Driver:
    """Runs the pods of a workflow one after another, each to its end."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self.exit_codes: dict[str, int] = {}
        self.said = ""

    def execute(self, document: pathlib.Path, parameters: dict[str, str]) -> Finished:
        reduction = start(
            load(document, parameters).model,
            name="digits-1",
            uid="uid-1",
            parameters=parameters,
            at_ns=0,
        )
        waiting = list(reduction.commands)
        for seconds in range(1, 100):
            for command in [item for item in waiting if isinstance(item, Finished)]:
                return command
            created = [item.spec for item in waiting if isinstance(item, CreatePod)]
            waiting = []
            observations = [self.run(spec, seconds) for spec in created]
            for observation in [*(pair for pairs in observations for pair in pairs)] or [
                Tick(seconds * SECOND)
            ]:
                reduction = reduce(reduction.state, observation)
                waiting += reduction.commands
        raise AssertionError("the workflow did not end after 100 rounds")

    def run(self, spec: PodSpec, seconds: int) -> tuple[PodRunning, PodCompleted]:
        folder = self._pods.folder / spec.pod
        folder.mkdir()
        command = [*spec.command, *spec.args]
        for number, file in enumerate(spec.output_files):
            command = [part.replace(file.path, str(folder / str(number))) for part in command]
        assert command[0] == "python"
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={**self._pods.environment, **environment_of(spec)},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        self.exit_codes[spec.task] = done.returncode
        self.said += done.stdout + done.stderr
        outputs = {
            file.name: (folder / str(number)).read_text()
            for number, file in enumerate(spec.output_files)
            if (folder / str(number)).exists()
        }
        at_ns = seconds * SECOND
        return (
            PodRunning(spec.pod, at_ns),
            PodCompleted(spec.pod, at_ns, done.returncode, outputs),
        )


def parameters_of(pods: Pods, document: pathlib.Path) -> dict[str, str]:
    identity = {} if document.name == "adhoc.yaml" else {"run-id": pods.run_id}
    return {"bucket": pods.bucket, "steps": "40", **identity}


@pytest.mark.parametrize("document", sorted(PIPELINES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_workflow_succeeds_when_nothing_happens(endpoint, tmp_path, document):
    pods = Pods(endpoint, tmp_path, "from-the-document")
    driver = Driver(pods)
    finished = driver.execute(document, parameters_of(pods, document))
    assert finished.phase == "Succeeded", driver.said
    assert driver.exit_codes.keys() >= {"validate-data", "preprocess", "train", "register"}
    assert len(pods.keys("registry/")) == 1
    assert pods.document("notifications/digits-1.json")["status"] == "Succeeded"


def test_bad_usage_is_not_retried_and_the_exit_handler_still_runs(endpoint, tmp_path):
    pods = Pods(endpoint, tmp_path, "from-the-document")
    driver = Driver(pods)
    document = PIPELINES / "resilient.yaml"
    parameters = {**parameters_of(pods, document), "steps": "forty"}
    finished = driver.execute(document, parameters)
    assert finished.phase == "Failed"
    assert driver.exit_codes["train"] == 2
    assert len([path for path in os.listdir(tmp_path) if "train" in path]) == 1
    assert pods.document("notifications/digits-1.json")["status"] == "Failed"
