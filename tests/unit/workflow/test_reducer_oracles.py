"""Workflows of Argo's own end-to-end tests, with the phases, messages and names they assert.

The documents are shortened; where Argo's tests leave a pod's end to chance it is given here.
"""

from __future__ import annotations

from argo_run import Run

_ECHO = """
  - name: echo
    inputs: {parameters: [{name: x, default: ""}]}
    outputs: {parameters: [{name: y, valueFrom: {path: /y, default: none}}]}
    container: {image: i, command: ["{{inputs.parameters.x}}"]}
"""


def _run(templates: str, spec: str = "") -> Run:
    return Run(f"{spec}entrypoint: main\ntemplates:{templates}{_ECHO}")


def test_continue_on_fail_of_a_nested_dag():
    run = _run(
        """
  - name: main
    failFast: false
    dag:
      failFast: false
      tasks:
        - {name: A, template: echo}
        - {name: B, template: boom, continueOn: {failed: true}, dependencies: [A]}
        - {name: C, template: echo, dependencies: [A]}
        - {name: D, template: echo, dependencies: [B, C]}
  - name: boom
    dag: {tasks: [{name: B-1, template: echo}]}""",
        spec="parallelism: 2\n",
    )
    run.complete("wf.A")
    run.complete("wf.B.B-1", code=1)
    assert run.phase("wf.B") == "Failed"
    assert run.vertex("wf.B").children == ("wf.B.B-1",)
    run.complete("wf.C")
    assert "wf.D" in run.vertex("wf.B.B-1").children
    run.complete("wf.D")
    assert run.finished == ("Succeeded", "")


def test_dag_depends():
    run = _run(
        """
  - name: main
    dag:
      tasks:
        - {name: A, template: echo}
        - {name: B, depends: A, template: echo}
        - {name: C, depends: A, template: echo}
        - {name: should-execute-1, depends: "A && (C.Succeeded || C.Failed)", template: echo}
        - {name: should-execute-2, depends: B || C, template: echo}
        - {name: should-not-execute, depends: B && C, template: echo}
        - name: should-execute-3
          depends: should-execute-2.Succeeded || should-not-execute
          template: echo"""
    )
    run.complete("wf.A")
    run.complete("wf.B")
    run.complete("wf.C", code=1)
    run.complete("wf.should-execute-1")
    run.complete("wf.should-execute-2")
    assert run.phase("wf.should-not-execute") == "Omitted"
    run.complete("wf.should-execute-3")
    assert run.finished == ("Succeeded", "")


def test_missing_steps_has_every_level_in_its_names():
    run = _run(
        """
  - name: main
    steps: [[{name: step1, template: inner}]]
  - name: inner
    retryStrategy: {limit: 1}
    steps: [[{name: execute-script, template: echo}]]"""
    )
    assert run.created == ["wf[0].step1(0)[0].execute-script"]
    assert run.vertex("wf[0].step1(0)[0].execute-script").display_name == "execute-script"
    run.complete("wf[0].step1(0)[0].execute-script")
    assert run.finished == ("Succeeded", "")


def test_steps_when_expr_filter():
    run = _run(
        """
  - name: main
    steps:
      - - name: fst
          template: echo
          when: "{{= item.type == '' }}"
          withItems: [{name: first, type: ""}, {name: second, type: x}]
          arguments: {parameters: [{name: x, value: "{{= sprig.upper(item.name) }}"}]}"""
    )
    assert run.specs["wf[0].fst(0:name:first,type:)"].command == ("FIRST",)
    skipped = run.vertex("wf[0].fst(1:name:second,type:x)")
    assert (skipped.phase, skipped.message) == ("Skipped", "when 'false' evaluated false")


def test_param_aggregation_from_outputs():
    run = _run(
        """
  - name: main
    dag:
      tasks:
        - {name: task1, template: echo, withItems: [1, 2]}
        - name: task3
          template: echo
          dependencies: [task1]
          withParam: "{{tasks.task1.outputs.parameters.y}}"
          arguments: {parameters: [{name: x, value: "{{item.key1}}"}]}"""
    )
    run.complete("wf.task1(0:1)", outputs={"y": '{"key1":"value1"}'})
    run.complete("wf.task1(1:2)", outputs={"y": '{"key1":"value2"}'})
    assert run.specs["wf.task3(0:key1:value1)"].command == ("value1",)
    assert run.has("wf.task3(1:key1:value2)")


def test_stop_while_a_runs_and_terminate_in_the_exit_handler():
    templates = """
  - name: main
    steps: [[{name: A, template: echo}], [{name: B, template: echo}]]"""
    stopped = _run(templates)
    stopped.running("wf[0].A")
    stopped.stop()
    assert stopped.finished == ("Failed", "Stopped with strategy 'Stop'")
    assert stopped.phase("wf[0].A") == "Failed"
    assert not stopped.has("wf[1].B")
    exiting = _run(templates, spec="hooks: {exit: {template: echo}}\n")
    exiting.complete("wf[0].A")
    exiting.complete("wf[1].B")
    exiting.stop("Terminate")
    assert exiting.phase("wf.onExit") == "Failed"
    assert exiting.finished == ("Failed", "workflow shutdown with strategy:  Terminate")


def test_a_retried_loop_item_fails_its_group_with_the_phase_of_the_item():
    run = _run(
        """
  - name: main
    dag:
      tasks:
        - {name: a, template: flaky, withItems: [p, q]}
        - {name: b, template: echo, depends: a.Failed}
  - name: flaky
    retryStrategy: {limit: 0}
    container: {image: i, command: [c]}"""
    )
    run.complete("wf.a(0:p)(0)")
    run.complete("wf.a(1:q)(0)", code=1)
    assert run.vertex("wf.a(1:q)").message == "No more retries left"
    assert (run.phase("wf.a"), run.vertex("wf.a").message) == ("Failed", "")
    run.complete("wf.b")
    assert run.finished == ("Succeeded", "")


def test_template_level_timeouts_come_from_parameters():
    run = _run(
        """
  - name: main
    inputs: {parameters: [{name: t, default: 25s}]}
    steps:
      - - name: a
          template: sleeper
          arguments: {parameters: [{name: t, value: "{{inputs.parameters.t}}"}]}
  - name: sleeper
    inputs: {parameters: [{name: t}]}
    timeout: "{{inputs.parameters.t}}"
    container: {image: i, command: [c]}"""
    )
    assert run.specs["wf[0].a"].deadline_s == 24
    run.running("wf[0].a")
    message = "Pod was active on the node longer than the specified deadline"
    run.complete("wf[0].a", code=137, pod_message=message)
    assert run.vertex("wf[0].a").message == message
    assert run.finished is not None
    assert run.finished[0] == "Failed"
