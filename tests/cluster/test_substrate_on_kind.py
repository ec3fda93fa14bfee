"""The Kubernetes substrate on a real kind cluster: what is seen, what is struck, what is left.

The tests borrow the cluster of the product's default name: one that is there already is
used and stays as it was, one that was made for them goes again.
"""

from __future__ import annotations

import pathlib
import queue
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.event import (
    Basis,
    ClaimPoint,
    Emission,
    NodeChanged,
    PodDeletion,
    PodExited,
    PodGone,
    PodStarted,
    TaskPhase,
)
from chaosml.history import CloseSource, Entry, LoseSource
from chaosml.substrates.protocol import Submission

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("kind") is None, reason="kind is not installed"),
]

PIPELINE = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: sleeper-}
spec:
  entrypoint: sleep
  podSpecPatch: '{"terminationGracePeriodSeconds": 20}'
  podGC: {strategy: OnPodCompletion}
  arguments: {parameters: [{name: seconds, value: "1"}]}
  templates:
    - name: sleep
      retryStrategy: {limit: "3", retryPolicy: Always}
      container:
        image: python:3.11-slim
        command: [python, -u, -c]
        args:
          - |
            import signal, sys, time
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            for number in range(int("{{workflow.parameters.seconds}}")):
                print(f'@chaosml {{"v":1,"event":"point","name":"p","seq":{number + 1},"pid":1}}')
                time.sleep(1)
"""
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "keep"},
    "spec": {
        "minAvailable": 1,
        "selector": {"matchLabels": {"chaosml.dev/execution": "sleeper-budget"}},
    },
}


@pytest.fixture(scope="module")
def place() -> Iterator[Any]:
    from chaosml.cluster.life import borrowed
    from chaosml.cluster.options import ClusterOptions

    with borrowed(ClusterOptions()) as info:
        yield info


class Bench:
    """A prepared substrate and everything that it has said."""

    def __init__(self, place: Any, folder: pathlib.Path) -> None:
        from chaosml.substrates.kubernetes.api import KubernetesApi
        from chaosml.substrates.kubernetes.kind import KindSubstrate
        from chaosml.substrates.kubernetes.machines import KindMachines

        self.folder, self.namespace = folder, place.namespace
        self.run = f"test-{folder.name}"
        self.inbox: queue.SimpleQueue[tuple[object, Any]] = queue.SimpleQueue()
        self.api = KubernetesApi(place.context)
        self.substrate = KindSubstrate(
            self.inbox,
            api=self.api,
            machines=KindMachines(place.name),
            namespace=place.namespace,
            run=self.run,
        )
        self.entries: list[Entry] = []
        self.substrate.prepare()

    def submit(self, name: str, seconds: int) -> None:
        document = self.folder / "workflow.yaml"
        document.write_text(PIPELINE)
        self.entries += self.substrate.submit(
            Submission(
                name=name,
                workflow_file=document,
                parameters={"seconds": str(seconds)},
                overlay=(),
                logs=self.folder / "pods",
            )
        )

    def run_until(self, what: str, done: Callable[[], bool], limit_s: float = 240.0) -> None:
        deadline = clock.Deadline(what, limit_s)
        while not done():
            assert not deadline.passed, f"{what} did not come within {limit_s:g} s"
            try:
                _, message = self.inbox.get(timeout=1.0)
            except queue.Empty:
                message = None
            self.entries += self.substrate.handle(message)
            self.entries += self.substrate.tick(clock.monotonic_ns())

    def run_to_the_end(self) -> None:
        self.run_until("end of the workflow", lambda: self.substrate.finished is not None)
        self.entries += self.substrate.finish()

    def facts(self, kind: type) -> list[Any]:
        return [
            one.data
            for one in self.entries
            if isinstance(one, Emission)
            if isinstance(one.data, kind)
        ]

    def await_running(self, attempt: int = 0) -> str:
        """Wait until Argo shows the attempt running and has settled; return the pod's uid."""
        self.run_until("a running pod", lambda: any(one.running for one in self.substrate.pods()))
        self.run_until(
            "its vertex Running",
            lambda: any(
                one.phase == "Running" and one.attempt == attempt for one in self.facts(TaskPhase)
            ),
        )
        settled = clock.Deadline("Argo's settling", self.substrate.settling_s)
        self.run_until("Argo's settling", lambda: settled.passed)
        return self.substrate.pods()[-1].uid

    def close(self) -> None:
        from chaosml.substrates.kubernetes.api import path_of
        from chaosml.substrates.kubernetes.namespace import WORKFLOWS
        from chaosml.substrates.kubernetes.overlay import label_value

        self.substrate.close()
        ours = f"chaosml.dev/run={label_value(self.run)}"
        workflows = path_of("workflows", namespace=self.namespace, group=WORKFLOWS)
        assert self.api.get(workflows, labelSelector=ours)["items"] == []
        for node in self.api.get("/api/v1/nodes")["items"]:
            assert not node["spec"].get("unschedulable")


@pytest.fixture
def bench(place: Any, tmp_path: pathlib.Path) -> Iterator[Bench]:
    bench = Bench(place, tmp_path)
    try:
        yield bench
    finally:
        bench.close()


def test_an_undisturbed_workflow_is_seen_from_its_first_line_to_its_last(bench: Bench) -> None:
    bench.submit("sleeper-calm", 4)
    bench.run_to_the_end()
    assert bench.substrate.finished is None
    assert [one.exit_code for one in bench.facts(PodExited)] == [0]
    assert [one.view for one in bench.facts(PodGone)] == ["seen"]
    claims = [
        one for one in bench.entries if isinstance(one, Emission) if one.basis is Basis.CLAIMED
    ]
    assert [one.source_seq for one in claims] == [1, 2, 3, 4]
    (uid,) = [one.uid for one in bench.facts(PodStarted)]
    closed = {one.source: one.last for one in bench.entries if isinstance(one, CloseSource)}
    assert closed[f"log/{uid}"] == 4
    assert {"argo", "kubelet"} <= set(closed)
    assert not [one for one in bench.entries if isinstance(one, LoseSource)]


def test_an_api_server_that_dies_and_comes_back_costs_no_word_and_doubles_none(
    bench: Bench, place: Any
) -> None:
    bench.submit("sleeper-away", 40)
    bench.run_until("the first word", lambda: bool(bench.facts(ClaimPoint)))
    kill = ["docker", "exec", f"{place.name}-control-plane", "sh", "-c"]
    subprocess.run([*kill, "kill -9 $(pidof kube-apiserver)"], check=True, timeout=30)
    bench.run_to_the_end()
    claims = [
        one for one in bench.entries if isinstance(one, Emission) if one.basis is Basis.CLAIMED
    ]
    assert [one.source_seq for one in claims] == list(range(1, 41))
    assert [one.exit_code for one in bench.facts(PodExited)] == [0]
    assert [one.view for one in bench.facts(PodGone)] == ["seen"]
    assert len(bench.facts(PodStarted)) == 1
    assert not [one for one in bench.entries if isinstance(one, LoseSource)]


def test_two_runs_cannot_use_the_namespace_at_once(bench: Bench, place: Any) -> None:
    with pytest.raises(SubstrateError, match="in use by the run test-"):
        Bench(place, bench.folder / "other")


def test_a_budget_that_refuses_an_eviction_is_named_and_a_deletion_goes_through(
    bench: Bench,
) -> None:
    budgets = f"/apis/policy/v1/namespaces/{bench.namespace}/poddisruptionbudgets"
    bench.api.create(budgets, BUDGET)
    try:
        bench.submit("sleeper-budget", 60)
        uid = bench.await_running()
        with pytest.raises(SubstrateError, match="refused by a PodDisruptionBudget"):
            bench.substrate.evict_pod(uid, by="i1", view="gone")
        bench.entries += bench.substrate.delete_pod(uid, by="i1", view="gone")
        bench.run_until("its end", lambda: bool(bench.facts(PodExited)))
    finally:
        bench.api.delete(f"{budgets}/keep")
    assert bench.facts(PodDeletion) == [PodDeletion(uid=uid, how="delete", grace_s=20.0, by="i1")]
    assert [one.exit_code for one in bench.facts(PodExited)] == [143]
    bench.run_until("what Argo makes of it", lambda: bool(bench.facts(PodGone)))
    assert [(one.uid, one.view) for one in bench.facts(PodGone)] in (
        [(uid, "gone")],
        [(uid, "seen")],
    )
    # The workflow goes on: the end has to stop it.
    bench.entries += bench.substrate.finish()
    assert {one.by for one in bench.facts(PodDeletion)} <= {"i1", "harness"}


def test_a_killed_node_takes_its_pod_with_it_and_returns(bench: Bench) -> None:
    bench.submit("sleeper-node", 45)
    uid = bench.await_running()
    node = bench.substrate.pods()[-1].node
    bench.entries += bench.substrate.stop_node(node, by="i1", view="restarted")
    bench.entries += bench.substrate.add_node(by="i1")
    (death,) = [
        one
        for one in bench.entries
        if isinstance(one, Emission) and isinstance(one.data, PodExited)
    ]
    assert (death.data.uid, death.basis) == (uid, Basis.INFERRED)  # type: ignore[union-attr]
    bench.run_to_the_end()
    states = [(one.state, one.by) for one in bench.facts(NodeChanged) if one.node == node]
    assert states == [("ready", "harness"), ("stopped", "i1"), ("removed", "i1"), ("ready", "i1")]
    assert [one.view for one in bench.facts(PodGone) if one.uid == uid] in (
        ["restarted"],
        ["gone"],
    )
    assert [one.exit_code for one in bench.facts(PodExited)][-1] == 0
