"""What holds for every workflow and every order of observations."""

import copy

from argo_run import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosml.workflow.state import is_fulfilled

WORKFLOW = """
entrypoint: main
onExit: bye
activeDeadlineSeconds: 500
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: POLICY}
    - {name: b, template: group, depends: a || a.Failed}
    - {name: c, template: out, depends: "a.Errored || b.Failed"}
    - {name: d, template: reader, depends: b, when: "{{tasks.a.outputs.result}} == heads",
       arguments: {parameters: [{name: x, value: "{{tasks.a.outputs.parameters.o}}"}]}}
- name: group
  retryStrategy: {limit: 1, retryPolicy: Always}
  steps:
  - [{name: one, template: out}, {name: two, template: always}]
  - [{name: three, template: failures}]
- name: out
  outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
  container: {image: i, command: [c]}
- name: reader
  inputs: {parameters: [{name: x}]}
  container: {image: i, command: [c, "{{inputs.parameters.x}}"]}
- name: always
  retryStrategy:
    {limit: 2, retryPolicy: Always, backoff: {duration: 2s, factor: 2, maxDuration: 60s}}
  outputs: {parameters: [{name: o, valueFrom: {path: /o, default: none}}]}
  container: {image: i, command: [c, "{{retries}}"]}
- name: failures
  retryStrategy: {limit: 1}
  container: {image: i, command: [c]}
- name: errors
  retryStrategy: {limit: 1, expression: "lastRetry.exitCode == '-1'"}
  outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
  container: {image: i, command: [c]}
- name: bye
  container: {image: i, command: [c, "{{workflow.status}}"]}
"""

LOOPS = """
entrypoint: main
parallelism: 3
hooks:
  exit: {template: out}
  failed: {template: out, expression: "workflow.status == 'Failed'"}
templates:
- name: main
  parallelism: 2
  dag:
    tasks:
    - {name: a, template: always, withItems: [1, {k: v}, x], hooks: {exit: {template: out}}}
    - {name: b, template: group, depends: a.AnySucceeded}
    - {name: c, template: out, depends: "a.AllFailed || b.Failed"}
    - {name: d, template: out, depends: a,
       withParam: "{{tasks.a.outputs.parameters.o}}", hooks:
         {running: {template: out, expression: "tasks.d.status == 'Running'"}}}
- name: group
  failFast: true
  steps:
  - [{name: one, template: out, withSequence: {count: 2}, continueOn: {failed: true}},
     {name: two, template: always, hooks: {exit: {template: out}}}]
  - [{name: three, template: out}]
- name: out
  timeout: 100s
  outputs: {parameters: [{name: o, valueFrom: {path: /o, default: none}}]}
  container: {image: i, command: [c]}
- name: always
  memoize: {key: k, cache: {configMap: {name: m}}}
  retryStrategy: {limit: 1, retryPolicy: Always, affinity: {nodeAntiAffinity: {}}}
  outputs: {parameters: [{name: o, valueFrom: {path: /o, default: none}}]}
  container: {image: i, command: [c, "{{retries}}"]}
"""

MOVES = (
    *("pending", "running", "success", "success", "no output", "failure", "killed"),
    *("vanished", "graceless", "tick", "alarm", "stop", "terminate"),
)


def move(run: Run, kind: str, choice: int) -> None:
    """Let the controller observe something that can happen now."""
    waiting = [v.name for v in run.state.vertices.values() if v.pod and not is_fulfilled(v)]
    if kind in ("tick", "alarm") or not waiting:
        ahead = [at - run.seconds for at in run.alarms if at > run.seconds]
        run.tick(min(ahead) if kind == "alarm" and ahead else 1)
        return
    vertex = waiting[choice % len(waiting)]
    {
        "pending": lambda: run.pending(vertex, "Unschedulable: full"),
        "running": lambda: run.running(vertex),
        "success": lambda: run.complete(vertex, outputs={"o": "x"}, result="heads"),
        "no output": lambda: run.complete(vertex),
        "failure": lambda: run.complete(vertex, 1),
        "killed": lambda: run.complete(vertex, 137, pod_message="evicted"),
        "vanished": lambda: run.vanish(vertex),
        "graceless": lambda: run.vanish(vertex, graceless=True),
        "stop": lambda: run.stop("Stop"),
        "terminate": lambda: run.stop("Terminate"),
    }[kind]()


moves = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 5)), max_size=40)


@settings(deadline=None, max_examples=150)
@given(moves, st.sampled_from(("out", "always", "errors")))
def test_every_workflow_ends_whatever_is_observed(sequence, template):
    run = Run(WORKFLOW.replace("POLICY", template))
    for kind, choice in sequence:
        move(run, kind, choice)
    for _ in range(60):
        move(run, "success", 0)
    assert run.finished is not None
    assert run.finished[0] in ("Succeeded", "Failed", "Error")
    assert run.state.is_finished


@settings(deadline=None, max_examples=100)
@given(moves)
def test_loops_hooks_and_limits_end_whatever_is_observed(sequence):
    run = Run(LOOPS)
    for kind, choice in sequence:
        move(run, kind, choice)
        active = [v for v in run.state.vertices.values() if v.type == "Pod" and v.pod]
        assert sum(v.phase in ("Pending", "Running") for v in active) <= 3
    for _ in range(60):
        move(run, "success", 0)
    assert run.finished is not None


@settings(deadline=None, max_examples=50)
@given(moves, st.sampled_from((WORKFLOW.replace("POLICY", "always"), LOOPS)))
def test_the_status_stays_sound_and_old_states_stay_as_they_were(sequence, spec):
    run = Run(spec)
    for kind, choice in sequence:
        before, kept = run.state, copy.deepcopy(run.state.vertices)
        move(run, kind, choice)
        assert before.vertices == kept
        check_vertices(run)


def check_vertices(run: Run) -> None:
    for vertex in run.state.vertices.values():
        assert all(child in run.state.vertices for child in vertex.children)
        assert is_fulfilled(vertex) is (vertex.finished_ns is not None)
        if vertex.finished_ns is not None and vertex.started_ns is not None:
            assert vertex.finished_ns >= vertex.started_ns
        if vertex.type == "Pod":
            assert (vertex.pod in run.state.specs) is (vertex.name in run.created)
