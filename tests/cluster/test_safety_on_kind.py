"""Safety on a cluster: what a killed command leaves is healed, what is shown is what is done.

Moments are seeded; a failure names the moment. The namespace is the tests' own.
"""

from __future__ import annotations

import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from own_namespace import own_namespace

from chaosml import clock
from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes.api import KubernetesApi, path_of
from chaosml.substrates.kubernetes.calls import DOCKER, Call
from chaosml.substrates.kubernetes.namespace import WORKFLOWS
from chaosml.substrates.kubernetes.refusals import ApiError

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

CHAOSML = [sys.executable, "-m", "chaosml"]
NAMESPACE = "safety"
ON = ["--on", "kind", "--namespace", NAMESPACE]
SECRET = "a-token-that-nobody-may-see-73519"

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: guarded-}
spec:
  entrypoint: train
  arguments: {parameters: [{name: bucket, value: b}]}
  templates:
    - name: train
      retryStrategy: {limit: "2", retryPolicy: Always}
      container:
        image: ghcr.io/chaosml/reference:0.1
        command: [python, -u, -c]
        args: ["import os, time; print(len(os.environ['TOKEN'])); time.sleep(6)"]
        env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: users, key: token}}}]
"""
SCENARIO = """
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: guarded}
pipeline:
  workflow: workflow.yaml
  isolate: {bucket: bucket}
embedded:
  secrets: {users: {token: CHAOSML_TEST_TOKEN}}
faults:
  - name: struck
    inject: spot.reclaim
    target: {task: train}
    when: {after: 1s}
    with: {notice: 300s, reaction: drain}
controls: 1
trials: 1
deadline: 150s
expect: {outcome: Succeeded}
"""


class Place:
    """The tests' namespace, with a Secret of a user."""

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "users", "namespace": NAMESPACE},
            "stringData": {"token": SECRET},
        }
        try:
            self.api.create(path_of("secrets", namespace=NAMESPACE), body)
        except ApiError as error:
            if error.status != 409:
                raise

    def left(self) -> list[str]:
        """Return what a run has left here: objects, marks, a Lease that somebody holds."""
        found = []
        for resource, group in (("workflows", WORKFLOWS), ("pods", "v1")):
            path = path_of(resource, namespace=NAMESPACE, group=group)
            items = self.api.get(path, labelSelector="chaosml.dev/run")["items"]
            found += [f"{resource}/{one['metadata']['name']}" for one in items]
        for node in self.api.get(path_of("nodes"))["items"]:
            mark = (node["metadata"].get("annotations") or {}).get("chaosml.dev/cordoned-by", "")
            if mark.startswith(f"{NAMESPACE}/"):
                found.append(f"a closed node: {node['metadata']['name']}")
        held = leases.find(self.api, NAMESPACE)
        if held is not None and held.holder:
            found.append(f"the Lease of {held.holder}")
        return found


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with own_namespace(NAMESPACE) as api:
        place = Place(api)
        try:
            yield place
        finally:
            api.delete(path_of("secrets", namespace=NAMESPACE, name="users"))


class Run:
    """A `chaosml run` in a process of its own."""

    def __init__(
        self,
        folder: pathlib.Path,
        fault: str = SCENARIO,
        workflow: str = WORKFLOW,
        namespace: str = NAMESPACE,
    ) -> None:
        self.reports = folder / "reports"
        self.scenario = folder / "scenario.yaml"
        self.scenario.write_text(fault)
        (folder / "workflow.yaml").write_text(workflow)
        self._output = folder / "output.txt"
        command = [*CHAOSML, "run", str(self.scenario), "--on", "kind", "--namespace", namespace]
        command += ["--reports", str(self.reports), "-v"]
        with open(self._output, "wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment()
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def directory(self) -> pathlib.Path:
        return (self.reports / "guarded" / "latest").resolve()

    def has(self, file: str, words: str) -> bool:
        path = self.directory / file
        return path.is_file() and words in path.read_text()

    def kill_when(self, what: str, reached: Callable[[], bool], later_s: float) -> None:
        """Kill the command `later_s` after a moment."""

        def look() -> bool:
            assert self.process.poll() is None, f"{what} never came: {self.output}"
            return reached()

        assert clock.wait_until(look, clock.Deadline(what, 240.0), 0.05), self.output
        with pytest.raises(subprocess.TimeoutExpired):
            self.process.wait(timeout=later_s)
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(timeout=10) == -signal.SIGKILL


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "CHAOSML_TEST_TOKEN": SECRET}


def chaosml(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHAOSML, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=environment(),
    )


def assert_never_a_pass(run: Run) -> None:
    judged = chaosml("judge", str(run.directory), "--output", "json")
    assert judged.returncode in {1, 3}, judged.stderr
    assert json.loads(judged.stdout)["status"] != "PASS"


@pytest.mark.parametrize(
    ("moment", "file", "words"),
    [
        ("prepare", "calls.jsonl", "chaosml-services-"),
        ("the control's pod", "controls/1/history.jsonl", "pod-started"),
        ("the strike", "trials/1/history.jsonl", "injection-applied"),
        ("the end of the trial", "trials/1/history.jsonl", '"workflow-phase","phase":"Succeeded"'),
    ],
)
def test_a_killed_command_is_healed_at_once_by_recover(
    moment: str, file: str, words: str, place: Place, tmp_path: pathlib.Path
) -> None:
    later_s = random.Random(moment).uniform(0.05, 1.0)
    run = Run(tmp_path)
    run.kill_when(moment, lambda: run.has(file, words), later_s)
    assert place.left(), f"{moment}: nothing to heal"
    done = chaosml("recover", "--reports", str(run.reports))
    assert done.returncode == 0, f"{moment}: {done.stderr}"
    assert "freed the namespace" in done.stderr
    assert place.left() == [], f"{moment} + {later_s:.2f} s"
    assert not (run.directory / "owner.json").exists()
    if (run.directory / "controls").is_dir():
        assert_never_a_pass(run)
    assert chaosml("recover", "--reports", str(run.reports)).stdout == "nothing was left over\n"


def test_a_killed_command_that_nobody_recovers_is_healed_by_the_janitor(
    place: Place, tmp_path: pathlib.Path
) -> None:
    run = Run(tmp_path)
    run.kill_when(
        "a closed node", lambda: run.has("trials/1/history.jsonl", '"cordoned"'), later_s=0.3
    )
    assert [one for one in place.left() if one.startswith("a closed node")]
    deadline = clock.Deadline("the janitor's healing", leases.DURATION_S + 45.0)
    assert clock.wait_until(lambda: not place.left(), deadline, 1.0), place.left()
    held = leases.find(place.api, NAMESPACE)
    assert held is not None
    assert held.healed is not None
    # The node may have been opened by a run elsewhere that came first: its owner is dead.
    assert "deleted workflow guarded-t1" in held.healed.what
    assert_never_a_pass(run)
    done = chaosml("recover", *ON, "--reports", str(run.reports))
    assert done.returncode == 0, done.stderr
    assert "the janitor, after guarded-" in done.stderr
    assert leases.find(place.api, NAMESPACE) is None


def shape(call: Call) -> tuple[str, ...]:
    """Return what of a call does not depend on times, numbers and what the cluster chooses."""
    name = str(call.name or "")
    for workflow in ("guarded-c1", "guarded-t1"):
        if call.resource.startswith("pods") and name.startswith(workflow):
            name = f"a pod of {workflow}"
    for part in ("services", "janitor"):
        if name.startswith(f"chaosml-{part}-"):
            name = part
    if call.resource in ("nodes", "containers"):
        name = "a node"
    place = "" if call.namespace is None else call.namespace
    return (call.verb, call.group, call.resource, place, name, str(call.selector or ""))


def calls_of(run: Run) -> list[Call]:
    lines = (run.directory / "calls.jsonl").read_bytes().splitlines()
    return [msgspec.convert(msgspec.json.decode(line)["call"], Call) for line in lines]


def test_a_dry_run_shows_the_calls_of_the_run_and_no_secret_is_in_what_that_leaves(
    place: Place, tmp_path: pathlib.Path
) -> None:
    fault = SCENARIO.replace("notice: 300s, reaction: drain", "notice: 0s")
    run = Run(tmp_path, fault)
    assert run.process.wait(timeout=300) in {0, 1, 3}, run.output
    assert place.left() == []
    done = chaosml("run", str(run.scenario), *ON, "--dry-run", "--output", "json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert place.left() == []
    shown = json.loads(done.stdout)
    assert shown["refused"] == []
    foreseen = [msgspec.convert(one, Call) for phase in shown["phases"] for one in phase["calls"]]
    made = calls_of(run)
    assert {shape(call) for call in made} == {shape(call) for call in foreseen}
    for call in made:
        if call.changes and call.namespace != NAMESPACE:
            assert call.resource == "nodes" or call.group == DOCKER
    texts: list[Any] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) > 10
    for path in texts:
        assert SECRET.encode() not in path.read_bytes(), path
