"""Faults of execution and what kubelets do by themselves, on a real cluster: seen, and undone.

Cheap: one pod a workflow, one trial a kind.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from one_pod import PIPELINE, WORKFLOW
from own_namespace import own_namespace
from test_safety_on_kind import Run, chaosml

from chaosml.substrates.kubernetes import lease as leases
from chaosml.substrates.kubernetes.api import KubernetesApi, path_of
from chaosml.substrates.kubernetes.machines import KindMachines
from chaosml.substrates.kubernetes.namespace import WORKFLOWS

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

NAMESPACE = "kinds-of-fault"
RUN_S = 800
LOOK = (
    "ls -d /run/chaosml /run/systemd/system/kubelet.service.d 2>/dev/null; "
    "systemctl is-active kubelet"
)
SCENARIO = (
    PIPELINE
    + """\
faults:
  - name: executed-again
    inject: task.rerun
    target: {task: train}
    when: {step: 60}
    views: [gone]
  - name: zombie
    inject: task.zombie
    target: {task: train}
    when: {step: 60, settled: true}
    views: [restarted]
  - name: shut-down
    inject: node.shutdown
    target: {task: train}
    when: {step: 60, settled: true}
    views: [seen]
  - name: short-of-memory
    inject: node.pressure
    target: {task: train}
    when: {step: 60, settled: true}
    with: {lasts: 1s}
  - name: all-taken-and-again
    inject: spot.reclaim
    target: {task: train}
    when: {step: 60, settled: true}
    again: [{event: {event: restore}, settled: true}]
    # So long a notice that no machine ends beside the second strike.
    with: {provider: gcp, notice: 120s, nodes: 2, capacity-returns-after: 0s}
    views: [seen]
controls: 1
trials: 5
seed: 7
deadline: 6m
expect: {outcome: Succeeded, resume: auto, corruption: none}
"""
)
SHOWN = {
    "executed-again": ("exited 0", "went before anybody looked", "train executed again"),
    "zombie": ("cut-off of pod", "writes of the old attempt"),
    "shut-down": ("Failed: Pod was terminated in response to imminent node shutdown.",),
    "short-of-memory": ("Failed: The node was low on resource: memory. Threshold quantity: ",),
    "all-taken-and-again": ("one of 2", "imminent node shutdown", "notice readable"),
}


@pytest.fixture(scope="module")
def api() -> Iterator[KubernetesApi]:
    with own_namespace(NAMESPACE) as api:
        yield api


def assert_as_before(api: KubernetesApi) -> None:
    """Assert that workers are open, with kubelets as they were, and nothing of ours is there."""
    machines = KindMachines("chaosml")
    assert {machines.look(node, LOOK).strip() for node in machines.workers()} == {"active"}
    assert len(machines.workers()) == 2
    for node in api.get(path_of("nodes"))["items"]:
        assert not node["spec"].get("unschedulable"), node["metadata"]["name"]
        assert "chaosml.dev/cordoned-by" not in node["metadata"].get("annotations", {})
    for resource, group in (("workflows", WORKFLOWS), ("pods", "v1")):
        path = path_of(resource, namespace=NAMESPACE, group=group)
        assert api.get(path, labelSelector="chaosml.dev/run")["items"] == [], resource
    held = leases.find(api, NAMESPACE)
    assert held is None or not held.holder


def test_every_kind_has_its_receipt_from_a_real_cluster_and_leaves_nothing(
    api: KubernetesApi, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO)
    command = [sys.executable, "-m", "chaosml", "run", str(file), "--on", "kind"]
    command += ["--namespace", NAMESPACE, "--reports", str(tmp_path / "reports")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    found = list((tmp_path / "reports").glob("*/2*/verdict.json"))
    assert len(found) == 1, done.stderr
    verdict = json.loads(found[0].read_text())
    trials = [one for one in verdict["executions"] if one["execution"].startswith("trial/")]
    assert {one["case"] for one in trials} == set(SHOWN)
    for trial in trials:
        assert len(trial["receipts"]) == (2 if trial["case"] == "all-taken-and-again" else 1)
        for receipt in trial["receipts"]:
            assert receipt["took_effect"], (receipt, done.stderr)
            said = " | ".join(one["says"] for one in receipt["evidence"])
            for words in SHOWN[trial["case"]]:
                assert words in said
        assert trial["phase"] == "Succeeded"
    assert done.returncode == 0, done.stderr
    assert_as_before(api)


def test_a_killed_command_has_its_kubelet_restored_by_recover(
    api: KubernetesApi, tmp_path: pathlib.Path
) -> None:
    only = f"{PIPELINE}faults:\n"
    only += SCENARIO[SCENARIO.index("  - name: short-of-memory") :]
    only = only.partition("  - name: all-taken")[0] + "controls: 1\n"
    only += "trials: 1\nseed: 7\ndeadline: 6m\nexpect: {outcome: Succeeded}\n"
    run = Run(tmp_path, only, WORKFLOW, NAMESPACE)
    machines = KindMachines("chaosml")
    history = "trials/1/history.jsonl"
    run.kill_when(
        "a kubelet that starts anew",
        lambda: run.has(history, '"action":"terminate-pod"'),
        later_s=2.5,
    )
    changed = [node for node in machines.workers() if "/run/chaosml" in machines.look(node, LOOK)]
    assert len(changed) == 1
    done = chaosml("recover", "--reports", str(run.reports))
    assert done.returncode == 0, done.stderr
    assert f"restored the kubelet of node {changed[0]}" in done.stderr
    assert_as_before(api)
