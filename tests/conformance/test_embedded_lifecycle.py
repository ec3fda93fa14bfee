"""What becomes of everything when the runner, the kubelet or capacity goes away."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest
from embedded_bench import Bench, shell

from chaosml import clock
from chaosml.errors import ScenarioError, SubstrateError
from chaosml.event import ClaimPoint, NodeChanged, PodCreated, TaskPhase
from chaosml.history import LoseSource
from chaosml.substrates.embedded import leftovers, procfs
from chaosml.substrates.embedded.controller import ArgoController

pytestmark = pytest.mark.slow

READY = """echo '@chaosml {"v":1,"event":"point","seq":1,"pid":1,"name":"ready"}' >&2;"""
ONE_POD = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: w}
spec:
  entrypoint: main
  templates: [{name: main, container: {image: python:3.11-slim, command: ["true"]}}]
"""
RUNNER = """
    import pathlib, sys
    sys.path.insert(0, {tests!r})
    from embedded_bench import Bench, shell
    from chaosml.event import ClaimPoint
    bench = Bench(pathlib.Path({folder!r}))
    bench.submit(shell("train", {script!r}))
    bench.wait(ClaimPoint)
    print("running", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def marked(run):
    """Return the processes that carry the mark of a run, whoever owns them."""
    found = {
        process.pid: procfs.read_environment(process.pid)
        for process in procfs.processes()
        if not process.ended
    }
    return [pid for pid, environment in found.items() if environment.get("CHAOSML_RUN") == run]


def test_nothing_outlives_a_runner_that_is_killed(tmp_path):
    script = (
        f"setsid sleep 600 & (setsid env -i sleep 600.{os.getpid()} &) ; sleep 0.1; {READY} wait"
    )
    runner = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(RUNNER).format(
                tests=str(pathlib.Path(__file__).parent), folder=str(tmp_path), script=script
            ),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert runner.stdout.readline() == b"running\n"
    run = f"bench-{tmp_path.name}"
    assert len(marked(run)) >= 4
    runner.kill()
    runner.communicate()
    assert clock.wait_until(lambda: not marked(run), clock.Deadline("end of the pods", 10.0))
    hidden = f"sleep\0600.{os.getpid()}\0"
    lines = [pathlib.Path("/proc", name, "cmdline") for name in os.listdir("/proc")]
    assert not [line for line in lines if line.exists() and line.read_text() == hidden]
    assert not [path for path in tmp_path.glob("workspace/k*/*") if path.is_dir()]


def test_a_killed_kubelet_loses_its_sources_then_raises_and_leaves_no_process(bench, tmp_path):
    bench.submit(shell("train", f"setsid sleep 600 & {READY} wait"))
    bench.wait(ClaimPoint)
    kubelet = bench.substrate._link.pid
    os.kill(kubelet, signal.SIGKILL)
    deadline = clock.Deadline("word of the kubelet's end", 10.0)
    while not [entry for entry in bench.entries if isinstance(entry, LoseSource)]:
        bench.pump(deadline)
    assert {entry.source for entry in bench.entries if isinstance(entry, LoseSource)} == {
        "kubelet",
        "log/train-1",
    }
    with pytest.raises(SubstrateError, match="chaosml recover"):
        bench.pump(deadline)
    bench.substrate.finish()
    bench.close()
    run = f"bench-{tmp_path.name}"
    assert clock.wait_until(lambda: not marked(run), clock.Deadline("end of the pods", 10.0))


def test_closing_twice_and_without_a_start_does_no_harm(bench, tmp_path):
    bench.submit(shell("train", f"{READY} sleep 600"))
    bench.wait(ClaimPoint)
    bench.close()
    bench.close()
    assert marked(f"bench-{tmp_path.name}") == []


def test_executions_follow_one_another_on_fresh_nodes_with_fresh_numbers(bench):
    bench.run(shell("train", "exit 0"))
    bench.substrate.add_node(by="one")
    bench.run(shell("train", "exit 0"))
    assert bench.substrate.nodes() == ("node-1", "node-2")
    assert [fact.uid for fact in bench.facts(PodCreated)] == ["train-1"]
    assert bench.emissions(NodeChanged)[0].source_seq == 1


def test_a_refused_workflow_leaves_room_for_the_next(tmp_path):
    bench = Bench(tmp_path, controller=ArgoController())
    document = bench.workspace / "none.yaml"
    document.write_text(ONE_POD.replace("entrypoint: main", "entrypoint: nobody"))
    with pytest.raises(ScenarioError, match="nobody"):
        bench.submit()
    document.write_text(ONE_POD)
    bench.submit()
    bench.close()


def test_a_drained_node_says_so_once_it_is_empty(bench):
    bench.submit(shell("train", f"{READY} sleep 600", grace_s=5.0))
    bench.wait(ClaimPoint)
    bench.entries += bench.substrate.cordon_node("node-1", by="one")
    bench.entries += bench.substrate.evict_pod("train-1", by="one", view="seen")
    bench.finish()
    states = [fact.state for fact in bench.facts(NodeChanged) if fact.node == "node-1"]
    assert states == ["ready", "cordoned", "drained"]


def test_a_pod_without_capacity_waits_and_starts_when_capacity_comes(tmp_path):
    bench = Bench(tmp_path, nodes=1, controller=ArgoController())
    try:
        (bench.workspace / "none.yaml").write_text(WORKFLOW)
        bench.submit()
        bench.wait(ClaimPoint)
        bench.entries += bench.substrate.stop_node("node-1", by="one", view="gone")
        pending = bench.wait(TaskPhase, lambda fact: fact.attempt == 1)
        assert pending.data.phase == "Pending"
        bench.wait(TaskPhase, lambda fact: "0/0 nodes are available" in fact.message)
        bench.entries += bench.substrate.add_node(by="one")
        bench.finish()
        assert [fact.node for fact in bench.facts(PodCreated)] == ["node-1", "node-2"]
    finally:
        bench.close()


def test_recovery_kills_what_a_dead_run_left_and_nothing_of_a_live_one(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    run = f"dead-{tmp_path.name}"
    dead = {
        **os.environ,
        "CHAOSML_RUN": run,
        "CHAOSML_OWNER_PID": str(ended.pid),
        "CHAOSML_OWNER_START": "1",
    }
    alive = {**os.environ, **leftovers.marks(f"alive-{tmp_path.name}")}
    left = subprocess.Popen(["sleep", "600"], env=dead)
    owned = subprocess.Popen(["sleep", "600"], env=alive)
    try:
        assert [found.pid for found in leftovers.leftovers(run)] == [left.pid]
        assert leftovers.leftovers(f"alive-{tmp_path.name}") == []
        assert leftovers.reap(f"alive-{tmp_path.name}") == []
        assert [found.pid for found in leftovers.reap(run)] == [left.pid]
        assert left.wait(5) == -signal.SIGKILL
        assert owned.poll() is None
    finally:
        left.kill()
        owned.kill()
        left.wait()
        owned.wait()


WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: demo}
spec:
  entrypoint: train
  podSpecPatch: '{"terminationGracePeriodSeconds": 5}'
  templates:
    - name: train
      retryStrategy: {limit: "2", retryPolicy: Always}
      container:
        image: demo
        command: [sh, -c]
        args:
          - >-
            echo '@chaosml {"v":1,"event":"point","seq":1,"pid":1,"name":"a"}' >&2;
            test {{retries}} = 1 || exec sleep 600
"""


def test_argos_controller_retries_a_pod_that_was_deleted_under_the_view_gone(tmp_path):
    bench = Bench(tmp_path, controller=ArgoController())
    try:
        workflow = bench.workspace / "none.yaml"
        workflow.write_text(WORKFLOW)
        bench.submit()
        bench.wait(ClaimPoint)
        [target] = bench.substrate.pods()
        bench.entries += bench.substrate.delete_pod(target.uid, by="one", view="gone")
        bench.finish()
        phases = [
            (fact.attempt, fact.phase, fact.message)
            for fact in bench.facts(TaskPhase)
            if fact.type == "Pod"
        ]
        assert (0, "Error", "pod deleted") in phases
        assert phases[-1] == (1, "Succeeded", "")
    finally:
        bench.close()


LOOPS = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: bench}
spec:
  entrypoint: main
  templates:
    - name: main
      parallelism: 2
      dag:
        tasks:
          - name: make
            template: echo
            withSequence: {count: 3, format: "n%02d"}
            arguments: {parameters: [{name: x, value: "{{item}}"}]}
          - name: sum
            dependencies: [make]
            templateRef: {name: library, template: check}
            arguments:
              parameters: [{name: x, value: "{{tasks.make.outputs.parameters.out}}"}]
            hooks: {exit: {template: echo, arguments: {parameters: [{name: x, value: bye}]}}}
    - name: echo
      inputs: {parameters: [{name: x}]}
      outputs: {parameters: [{name: out, valueFrom: {path: /tmp/out}}]}
      container:
        image: x
        command: [sh, -c, "printf %s {{inputs.parameters.x}} > /tmp/out"]
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: library}
spec:
  templates:
    - name: check
      retryStrategy: {limit: 1, affinity: {nodeAntiAffinity: {}}}
      inputs: {parameters: [{name: x}]}
      container:
        image: x
        command:
          - sh
          - -c
          - >-
            test {{retries}} = 1 &&
            test '{{inputs.parameters.x}}' = '["n00","n01","n02"]'
"""


def test_loops_hooks_limits_and_references_work_with_real_pods(tmp_path):
    bench = Bench(tmp_path, controller=ArgoController())
    try:
        (bench.workspace / "none.yaml").write_text(LOOPS)
        bench.submit()
        bench.finish()
        last = {fact.vertex: fact.phase for fact in bench.facts(TaskPhase)}
        assert last["bench.make(2:n02)"] == "Succeeded"
        assert last["bench.sum"] == "Succeeded"
        assert last["bench.sum.onExit"] == "Succeeded"
        assert last["bench"] == "Succeeded"
        nodes = [fact.node for fact in bench.facts(PodCreated) if fact.task == "sum"]
        assert len(nodes) == 2
        assert nodes[0] != nodes[1]
    finally:
        bench.close()
