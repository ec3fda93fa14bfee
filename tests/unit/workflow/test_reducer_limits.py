"""Parallelism, failFast, timeouts, nodes to avoid, and memoized templates."""

from __future__ import annotations

import datetime

from argo_run import SECOND, Run, parse_workflow

from chaosml.workflow.limits import FAILED_FAST
from chaosml.workflow.protocol import PodCompleted
from chaosml.workflow.reducer import reduce, start

_POD = "\n  - name: pod\n    container: {image: i, command: [c]}"


def _dag(*tasks: str, settings: str = "", spec: str = "", pod: str = _POD, dag: str = "") -> Run:
    listed = "".join(f"\n        - {{{task}}}" for task in tasks)
    return Run(
        f"{spec}entrypoint: main\ntemplates:\n  - name: main{settings}\n    dag:{dag}\n"
        f"      tasks:{listed}{pod}"
    )


def _abc(**more: str) -> Run:
    return _dag(*(f"name: {task}, template: pod" for task in "abc"), **more)


def test_a_workflow_runs_no_more_pods_at_once_than_it_may():
    run = _abc(spec="parallelism: 1\n")
    assert run.created == ["wf.a"]
    run.complete("wf.a")
    assert run.created == ["wf.a", "wf.b"]
    run.complete("wf.b")
    run.complete("wf.c")
    assert run.finished == ("Succeeded", "")


def test_a_dag_runs_no_more_children_at_once_than_it_may():
    run = _abc(settings="\n    parallelism: 2")
    assert run.created == ["wf.a", "wf.b"]
    run.running("wf.a")
    assert len(run.created) == 2
    run.complete("wf.b")
    assert run.created == ["wf.a", "wf.b", "wf.c"]


def test_items_of_a_loop_wait_their_turn_in_order():
    run = _dag("name: a, template: pod, withSequence: {count: 3}", settings="\n    parallelism: 1")
    for index in range(3):
        assert run.created[-1] == f"wf.a({index}:{index})"
        assert run.phase("wf.a") == "Running"
        run.complete(f"wf.a({index}:{index})")
    assert run.finished == ("Succeeded", "")


def test_steps_run_no_more_children_at_once_than_they_may():
    run = Run(
        "entrypoint: main\ntemplates:\n  - name: main\n    parallelism: 1\n    steps:\n"
        f"      - [{{name: a, template: pod}}, {{name: b, template: pod}}]{_POD}"
    )
    assert run.created == ["wf[0].a"]
    run.complete("wf[0].a")
    assert run.phase("wf[0]") == "Running"
    run.complete("wf[0].b")
    assert run.finished == ("Succeeded", "")


def test_a_dag_that_fails_fast_starts_nothing_more_and_lets_the_rest_end():
    """expectedfailures/parallelism-dag-fail-fast of Argo's end-to-end tests."""
    run = _abc(settings="\n    parallelism: 2\n    failFast: true")
    run.complete("wf.a", code=1)
    assert run.created == ["wf.a", "wf.b"]
    assert run.finished is None
    run.complete("wf.b")
    assert run.finished == ("Failed", FAILED_FAST)
    assert not run.has("wf.c")


def test_steps_that_fail_fast_fail_their_group_with_them():
    """expectedfailures/parallelism-step-fail-fast of Argo's end-to-end tests."""
    run = Run(
        "entrypoint: main\ntemplates:\n  - name: main\n    parallelism: 2\n    failFast: true\n"
        "    steps:\n      - [{name: a, template: pod}, {name: b, template: pod}, "
        f"{{name: c, template: pod}}]{_POD}"
    )
    run.complete("wf[0].a", code=1)
    run.complete("wf[0].b")
    assert run.finished == ("Failed", FAILED_FAST)
    assert (run.phase("wf[0]"), run.phase("wf[0].b")) == ("Failed", "Succeeded")
    assert not run.has("wf[0].c")


def test_the_fail_fast_of_a_dag_itself_stops_no_other_branch():
    for setting in ("", "\n      failFast: false"):
        run = _dag(
            "name: a, template: pod",
            "name: b, template: pod",
            "name: c, template: pod, dependencies: [b]",
            dag=setting,
        )
        run.complete("wf.a", code=1)
        run.complete("wf.b")
        assert run.phase("wf.c") == "Pending"
        run.complete("wf.c")
        assert run.finished == ("Failed", "")


_TIMEOUT = "\n  - name: pod\n    timeout: {}\n    container: {{image: i, command: [c]}}"


def test_a_timeout_is_the_deadline_of_the_pod_less_the_second_that_argo_cuts():
    run = _dag("name: a, template: pod", pod=_TIMEOUT.format("10s"))
    assert run.specs["wf.a"].deadline_s == 9
    run = _dag("name: a, template: pod", pod=_TIMEOUT.format("2500ms"))
    assert run.specs["wf.a"].deadline_s == 2


def test_a_pod_that_is_not_started_in_time_fails():
    run = _dag("name: a, template: pod", pod=_TIMEOUT.format("10s"))
    run.pending("wf.a", "0/1 nodes are available")
    assert run.alarms == [10.000000001]
    run.tick(10)
    assert run.phase("wf.a") == "Pending"
    run.tick(1)
    assert run.shown("wf.a")[-1] == ("Failed", "timeout")
    assert run.stopped == [run.pod("wf.a")]
    assert run.finished == ("Failed", "")


def test_steps_fail_with_the_word_timeout_and_an_entrypoint_with_more_of_them():
    run = Run(
        "entrypoint: main\ntemplates:\n  - name: main\n    steps:\n"
        f"      - [{{name: a, template: pod}}]{_TIMEOUT.format('10s')}"
    )
    run.tick(11)
    assert run.finished == ("Failed", "timeout")
    alone = Run(f"entrypoint: pod\ntemplates:{_TIMEOUT.format('10s')}")
    alone.tick(11)
    assert alone.finished == ("Error", "error in entry template execution: timeout")


def test_a_timeout_ends_no_pod_that_runs_and_leaves_that_to_the_deadline():
    run = _dag("name: a, template: pod", pod=_TIMEOUT.format("10s"))
    run.running("wf.a")
    run.tick(60)
    assert run.phase("wf.a") == "Running"


def test_a_pod_that_is_made_again_has_what_is_left_of_the_timeout():
    run = _dag("name: a, template: pod", pod=_TIMEOUT.format("10s"))
    run.vanish("wf.a", after=4)
    assert run.specs["wf.a"].deadline_s == 6
    run.vanish("wf.a", after=5)
    assert run.shown("wf.a")[-1] == ("Error", "wf.a exceeded its deadline")


def test_a_timeout_that_is_too_short_or_none_is_an_error():
    short = _dag("name: a, template: pod", pod=_TIMEOUT.format("2s"))
    assert short.vertex("wf.a").message == "task 'wf.a' errored: wf.a exceeded its deadline"
    wrong = _dag("name: a, template: pod", pod=_TIMEOUT.format("'{{workflow.name}}'"))
    assert "invalid timeout format. " in wrong.vertex("wf.a").message


_AVOIDING = """
  - name: pod
    retryStrategy: {limit: 3, retryPolicy: Always, affinity: {nodeAntiAffinity: {}}}
    container: {image: i, command: [c]}
"""


def test_attempts_avoid_the_nodes_on_which_others_failed():
    run = _dag("name: a, template: pod", pod=_AVOIDING)
    assert run.specs["wf.a(0)"].avoid_nodes == ()
    run.delete("wf.a(0)")
    assert run.specs["wf.a(1)"].avoid_nodes == ("node-1",)
    run.complete("wf.a(1)", code=1)
    assert run.specs["wf.a(2)"].avoid_nodes == ("node-1",)


def test_pods_of_a_retried_dag_avoid_the_nodes_of_its_other_attempts():
    run = Run(
        """
        entrypoint: main
        templates:
          - name: main
            retryStrategy: {limit: 1, retryPolicy: Always, affinity: {nodeAntiAffinity: {}}}
            dag: {tasks: [{name: a, template: pod}]}
          - {name: pod, container: {image: i, command: [c]}}
        """
    )
    run.running("wf(0).a")
    run.complete("wf(0).a", code=1)
    assert run.specs["wf(1).a"].avoid_nodes == ("node-1",)


_MEMO = """
entrypoint: main
templates:
  - name: main
    dag:
      tasks:
        - {name: a, template: pod}
        - {name: b, template: taker, dependencies: [a],
           arguments: {parameters: [{name: x, value: "{{tasks.a.outputs.parameters.y}}"}]}}
  - name: pod
    memoize: {key: k-1, maxAge: AGE, cache: {configMap: {name: cache}}}
    outputs: {parameters: [{name: y, valueFrom: {path: /y}}]}
    container: {image: i, command: [c]}
  - name: taker
    inputs: {parameters: [{name: x}]}
    container: {image: i, command: ["{{inputs.parameters.x}}"]}
"""


def _start(memo, age="10s", seconds=0):
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)
    workflow = parse_workflow(_MEMO.replace("AGE", age))
    return start(
        workflow, name="wf", uid="u", parameters={}, at_ns=SECOND, created_at=at, memo=memo
    ).state


def _after_success(state):
    pod = state.vertices["wf.a"].pod
    seen = PodCompleted(pod=pod, at_ns=2 * SECOND, exit_code=0, outputs={"y": "7"})
    return reduce(state, seen).state


def test_memoize_is_ignored_unless_a_cache_is_given():
    state = _after_success(_start(None))
    assert state.memo is None
    assert state.vertices["wf.a"].pod is not None


def test_what_a_memoized_template_gave_is_given_again_without_a_pod():
    memo = _after_success(_start({})).memo
    assert memo is not None
    assert memo[("cache", "k-1")].outputs == {"y": "7"}
    state = _start(memo, seconds=5)
    again = state.vertices["wf.a"]
    assert (again.type, again.phase, again.pod, again.memoized) == ("Pod", "Succeeded", None, True)
    assert again.outputs == {"y": "7"}
    assert [spec.command for spec in state.specs.values()] == [("7",)]
    assert "wf.b" in again.children


def test_what_is_too_old_is_made_again_and_what_failed_is_not_kept():
    memo = _after_success(_start({})).memo
    assert _start(memo, seconds=60).vertices["wf.a"].phase == "Pending"
    assert _start(memo, age="1h", seconds=60).vertices["wf.a"].phase == "Succeeded"
    state = _start({})
    failed = PodCompleted(
        pod=state.vertices["wf.a"].pod, at_ns=2 * SECOND, exit_code=1, outputs={"y": "7"}
    )
    assert reduce(state, failed).state.memo == {}
