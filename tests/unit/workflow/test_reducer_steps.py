"""Steps: groups one after the other, and what a failing step makes of them."""

from argo_run import Run

from chaosml.workflow.names import node_id

TEMPLATES = """
- {name: pod, container: {image: i, command: [c]}}
- name: out
  outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
  container: {image: i, command: [c]}
- name: in
  inputs: {parameters: [{name: x}]}
  container: {image: i, command: [c, "{{inputs.parameters.x}}"]}
"""


def steps(groups: str, extra: str = "") -> Run:
    return Run(f"entrypoint: main\ntemplates:\n- name: main\n{extra}  steps:\n{groups}{TEMPLATES}")


def test_groups_follow_one_another_and_steps_of_a_group_run_together():
    run = steps(
        """  - [{name: a, template: pod}, {name: b, template: pod}]
  - [{name: c, template: pod}]"""
    )
    assert run.created == ["wf[0].a", "wf[0].b"]
    run.complete("wf[0].a")
    assert not run.has("wf[1]")
    run.complete("wf[0].b")
    assert run.phase("wf[0]") == "Succeeded"
    assert run.vertex("wf[1]").type == "StepGroup"
    assert run.vertex("wf[1]").display_name == "[1]"
    assert run.vertex("wf[1].c").display_name == "c"
    run.complete("wf[1].c")
    assert run.finished == ("Succeeded", "")
    assert run.vertex("wf").children == ("wf[0]",)
    assert run.vertex("wf[0]").children == ("wf[0].a", "wf[0].b")
    assert run.vertex("wf[0].a").children == run.vertex("wf[0].b").children == ("wf[1]",)


def test_a_failing_step_waits_for_its_group_and_then_fails_everything_with_its_id():
    run = steps(
        """  - [{name: a, template: pod}, {name: b, template: pod}]
  - [{name: c, template: pod}]"""
    )
    run.complete("wf[0].a", 1)
    assert run.phase("wf[0]") == "Running"
    run.complete("wf[0].b")
    message = f"child '{node_id('wf', 'wf[0].a')}' failed"
    assert (run.phase("wf[0]"), run.vertex("wf[0]").message) == ("Failed", message)
    assert run.finished == ("Failed", message)
    assert not run.has("wf[1]")


def test_a_deleted_pod_fails_steps_where_it_would_make_a_dag_an_error():
    run = steps("  - [{name: a, template: pod}]")
    run.delete("wf[0].a")
    assert run.phase("wf[0].a") == "Error"
    assert run.finished is not None
    assert run.finished[0] == "Failed"


def test_a_skipped_step_counts_as_done():
    run = steps(
        """  - [{name: a, template: pod, when: "{{workflow.name}} != wf"}]
  - [{name: b, template: pod}]"""
    )
    assert run.vertex("wf[0].a").message == "when 'wf != wf' evaluated false"
    assert run.phase("wf[0]") == "Succeeded"
    run.complete("wf[1].b")
    assert run.finished == ("Succeeded", "")


def test_outputs_flow_from_group_to_group_and_out_of_the_steps():
    run = steps(
        """  - [{name: a, template: out}]
  - - name: b
      template: in
      arguments:
        parameters:
        - {name: x, value: "{{steps.a.outputs.parameters.o}} {{=steps.a.outputs.result}}"}""",
        extra="""  outputs:
    parameters: [{name: p, valueFrom: {parameter: "{{steps.a.outputs.parameters.o}}"}}]
""",
    )
    assert run.specs["wf[0].a"].capture_result
    run.complete("wf[0].a", outputs={"o": "O"}, result="R")
    assert run.specs["wf[1].b"].command == ("c", "O R")
    run.complete("wf[1].b")
    assert dict(run.vertex("wf").outputs) == {"p": "O"}


def test_a_reference_that_cannot_be_resolved_starts_no_step_and_fails_the_steps():
    run = steps(
        """  - - {name: good, template: pod}
    - name: bad
      template: in
      arguments: {parameters: [{name: x, value: "{{steps.none.outputs.result}}"}]}"""
    )
    assert run.created == []
    assert run.phase("wf[0]") == "Error"
    assert run.finished == ("Failed", "failed to resolve {{steps.none.outputs.result}}")


def test_a_step_that_cannot_be_executed_is_told_by_its_group():
    run = steps("  - [{name: a, template: in}]")
    assert run.phase("wf[0].a") == "Error"
    assert run.finished == (
        "Failed",
        "step group deemed errored due to child wf[0].a error: "
        "inputs.parameters.x was not supplied",
    )


def test_a_step_can_be_retried_inside_its_group():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          steps: [[{name: a, template: again}], [{name: b, template: again}]]
        - name: again
          retryStrategy: {limit: 1, retryPolicy: Always, backoff: {duration: 5s}}
          container: {image: i, command: [c]}
        """
    )
    run.delete("wf[0].a(0)")
    assert run.vertex("wf[0].a").message == "Backoff for 5 seconds"
    run.tick(5)
    run.complete("wf[0].a(1)")
    assert run.vertex("wf[0].a(1)").children == ("wf[1]",)
    run.complete("wf[1].b(0)")
    assert run.finished == ("Succeeded", "")
