"""Hooks of tasks, steps and the workflow, and continueOn."""

from __future__ import annotations

from argo_run import Run

_PODS = """
  - name: pod
    container: {image: i, command: [c]}
  - name: giver
    outputs: {parameters: [{name: y, valueFrom: {path: /y, default: none}}]}
    container: {image: i, command: [c]}
  - name: taker
    inputs: {parameters: [{name: x, default: ""}]}
    container: {image: i, command: ["{{inputs.parameters.x}}"]}
"""


def _dag(*tasks: str, spec: str = "", pods: str = _PODS) -> Run:
    listed = "".join(f"\n        - {{{task}}}" for task in tasks)
    return Run(
        f"{spec}entrypoint: main\ntemplates:\n  - name: main\n    dag:\n      tasks:{listed}{pods}"
    )


def _steps(*groups: str) -> Run:
    listed = "".join(f"\n      - [{group}]" for group in groups)
    return Run(f"entrypoint: main\ntemplates:\n  - name: main\n    steps:{listed}{_PODS}")


def test_an_exit_hook_runs_when_its_task_has_ended_and_what_follows_waits_for_it():
    run = _dag(
        "name: a, template: giver, hooks: {exit: {template: taker, arguments: {parameters: "
        "[{name: x, value: '{{tasks.a.status}} {{tasks.a.outputs.parameters.y}}'}]}}}",
        "name: b, template: pod, dependencies: [a]",
    )
    run.complete("wf.a", outputs={"y": "7"})
    assert run.specs["wf.a.onExit"].command == ("Succeeded 7",)
    assert run.specs["wf.a.onExit"].labels["workflows.argoproj.io/on-exit"] == "true"
    hook = run.vertex("wf.a.onExit")
    assert (hook.display_name, hook.hooked, hook.on_exit) == ("a.onExit", True, True)
    assert "wf.a.onExit" in run.vertex("wf.a").children
    assert not run.has("wf.b")
    run.complete("wf.a.onExit", code=1)
    run.complete("wf.b")
    assert run.finished == ("Succeeded", "")


def test_a_dag_waits_for_the_exit_hooks_of_its_targets():
    run = _dag("name: a, template: pod, hooks: {exit: {template: pod}}")
    run.complete("wf.a", code=1)
    assert run.finished is None
    run.complete("wf.a.onExit")
    assert run.finished == ("Failed", "")


def test_an_exit_hook_can_have_a_condition():
    run = _dag(
        "name: a, template: pod, hooks: {exit: {template: pod, "
        "expression: 'tasks.a.status == \"Failed\"'}}"
    )
    run.complete("wf.a")
    assert run.finished == ("Succeeded", "")
    assert not run.has("wf.a.onExit")


def test_a_hook_runs_beside_its_task_and_only_those_whose_condition_came_true():
    """functional/lifecycle-hook-tmpl-level of Argo's end-to-end tests."""
    run = _dag(
        "name: a, template: pod, hooks: {running: {template: pod, "
        "expression: 'tasks.a.status == \"Running\"'}, failed: {template: pod, "
        'expression: \'tasks["a"].status == "Failed"\'}}',
        "name: b, template: pod, dependencies: [a]",
    )
    assert not run.has("wf.a.hooks.running")
    run.running("wf.a")
    assert run.phase("wf.a.hooks.running") == "Pending"
    assert run.vertex("wf.a.hooks.running").display_name == "a.hooks.running"
    assert not run.vertex("wf.a.hooks.running").on_exit
    assert "workflows.argoproj.io/on-exit" not in run.specs["wf.a.hooks.running"].labels
    run.complete("wf.a")
    assert not run.has("wf.b")
    run.complete("wf.a.hooks.running")
    run.complete("wf.b")
    assert run.finished == ("Succeeded", "")
    assert not run.has("wf.a.hooks.failed")


def test_a_hook_on_failure_delays_the_end_of_its_dag():
    run = _dag(
        "name: a, template: pod, hooks: {failed: {template: pod, "
        "expression: 'tasks.a.status == \"Failed\"'}}"
    )
    run.complete("wf.a", code=1)
    assert run.finished is None
    run.complete("wf.a.hooks.failed")
    assert run.finished == ("Failed", "")


def test_a_wrong_condition_of_a_hook_is_an_error_of_its_task():
    run = _dag(
        "name: a, template: pod, hooks: {bad: {template: pod, expression: 'tasks.a.status + 1'}}"
    )
    assert run.finished is not None
    assert run.finished[0] == "Error"
    assert "both sides must be" in run.finished[1]


def test_hooks_of_steps_hold_their_group_open():
    run = _steps(
        "{name: a, template: giver, hooks: {exit: {template: taker, arguments: {parameters: "
        "[{name: x, value: '{{steps.a.outputs.parameters.y}}'}]}}, running: {template: pod, "
        "expression: 'steps.a.status == \"Running\"'}}}",
        "{name: b, template: pod}",
    )
    run.running("wf[0].a")
    run.complete("wf[0].a", outputs={"y": "7"})
    run.complete("wf[0].a.hooks.running")
    assert run.specs["wf[0].a.onExit"].command == ("7",)
    assert run.phase("wf[0]") == "Running"
    run.complete("wf[0].a.onExit")
    assert run.phase("wf[0]") == "Succeeded"
    run.complete("wf[1].b")
    assert run.finished == ("Succeeded", "")


def test_every_item_of_a_loop_and_the_loop_itself_have_the_exit_hook():
    """smoke/with-items-with-hooks of Argo's end-to-end tests."""
    run = _dag("name: a, template: pod, withItems: [p, q], hooks: {exit: {template: pod}}")
    run.complete("wf.a(0:p)")
    run.complete("wf.a(1:q)")
    assert run.phase("wf.a") == "Running"
    run.complete("wf.a(0:p).onExit")
    run.complete("wf.a(1:q).onExit")
    assert run.phase("wf.a") == "Succeeded"
    assert run.finished is None
    run.complete("wf.a.onExit")
    assert run.finished == ("Succeeded", "")


def test_exit_hooks_survive_a_stop_and_no_hook_survives_a_termination():
    stopped = _dag("name: a, template: pod, hooks: {exit: {template: pod}}")
    stopped.running("wf.a")
    stopped.stop("Stop")
    assert stopped.phase("wf.a.onExit") == "Pending"
    assert stopped.finished is None
    stopped.complete("wf.a.onExit")
    assert stopped.finished == ("Failed", "Stopped with strategy 'Stop'")
    ended = _dag("name: a, template: pod, hooks: {exit: {template: pod}}")
    ended.running("wf.a")
    ended.stop("Terminate")
    assert ended.finished == ("Failed", "Stopped with strategy 'Terminate'")
    assert not ended.has("wf.a.onExit")


def test_a_hook_of_the_workflow_runs_beside_it_and_delays_its_end():
    """functional/lifecycle-hook of Argo's end-to-end tests."""
    run = _dag(
        "name: a, template: pod",
        spec="hooks:\n  running: {template: pod, expression: 'workflow.status == \"Running\"'}\n"
        "  failed: {template: pod, expression: 'workflow.status == \"Failed\"'}\n",
    )
    assert run.phase("wf.hooks.running") == "Pending"
    run.complete("wf.a")
    assert run.finished is None
    run.complete("wf.hooks.running")
    assert run.finished == ("Succeeded", "")
    assert not run.has("wf.hooks.failed")


def test_the_exit_hook_of_a_workflow_is_its_exit_handler():
    run = _dag(
        "name: a, template: pod",
        spec="hooks:\n  exit: {template: taker, arguments: {parameters: [{name: x, "
        "value: '{{workflow.status}}'}]}}\n",
    )
    run.complete("wf.a", code=3)
    assert run.specs["wf.onExit"].command == ("Failed",)
    run.complete("wf.onExit")
    assert run.finished is not None
    assert run.finished[0] == "Failed"


def test_a_dag_goes_on_after_a_failure_that_it_accepts():
    """functional TestContinueOnFailDag of Argo's end-to-end tests."""
    run = _dag(
        "name: f, template: pod, continueOn: {failed: true}",
        "name: p, template: pod, dependencies: [f]",
        "name: q, template: pod, dependencies: [g]",
        "name: g, template: pod, continueOn: {error: true}",
    )
    run.complete("wf.f", code=1)
    run.delete("wf.g")
    assert (run.phase("wf.p"), run.phase("wf.q")) == ("Pending", "Pending")
    run.complete("wf.p")
    run.complete("wf.q")
    assert run.finished == ("Succeeded", "")


def test_a_failure_is_accepted_only_in_its_own_phase():
    run = _dag("name: a, template: pod, continueOn: {failed: true}")
    run.delete("wf.a")
    assert run.finished == ("Error", "")


def test_a_target_may_fail_where_the_dag_goes_on():
    run = _dag("name: a, template: pod, continueOn: {failed: true}", "name: b, template: pod")
    run.complete("wf.a", code=1)
    run.complete("wf.b")
    assert run.finished == ("Succeeded", "")


def test_steps_go_on_after_a_failure_that_they_accept():
    run = _steps(
        "{name: a, template: pod, continueOn: {failed: true}, withItems: [p, q]}",
        "{name: b, template: pod}",
    )
    run.complete("wf[0].a(0:p)", code=1)
    run.complete("wf[0].a(1:q)")
    assert run.phase("wf[0]") == "Succeeded"
    run.complete("wf[1].b")
    assert run.finished == ("Succeeded", "")
    refused = _steps("{name: a, template: pod, continueOn: {failed: true}}")
    refused.delete("wf[0].a")
    assert refused.finished is not None
    assert refused.finished[0] == "Failed"
