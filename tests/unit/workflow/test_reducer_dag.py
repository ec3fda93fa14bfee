"""DAGs: what starts, what is omitted or skipped, what comes out.

The matrices follow argo-workflows dag_test.go and test/e2e/functional/dag-*.yaml (Apache-2.0).
"""

import itertools

import pytest
from argo_run import Run

POD = "- {name: pod, container: {image: i, command: [c]}}"


def dag(*tasks: str, extra: str = "", more: str = "") -> Run:
    lines = "\n".join(f"    - {{template: pod, {task}}}" for task in tasks)
    return Run(
        f"""entrypoint: main
templates:
- name: main
  dag:
    {extra or "failFast: true"}
    tasks:
{lines}
{POD}
{more}
"""
    )


def test_a_diamond_runs_its_branches_side_by_side():
    run = dag(
        "name: a",
        "name: b, dependencies: [a]",
        "name: c, depends: a",
        "name: d, depends: b && c",
    )
    assert run.created == ["wf.a"]
    run.complete("wf.a")
    assert run.created == ["wf.a", "wf.b", "wf.c"]
    run.complete("wf.c")
    assert not run.has("wf.d")
    run.complete("wf.b")
    run.complete("wf.d")
    assert run.finished == ("Succeeded", "")
    assert run.vertex("wf").children == ("wf.a",)
    assert run.vertex("wf.a").children == ("wf.b", "wf.c")
    assert run.vertex("wf.b").children == run.vertex("wf.c").children == ("wf.d",)
    assert run.vertex("wf.d").display_name == "d"
    assert run.vertex("wf.d").boundary == "wf"


PHASES = {
    "Succeeded": lambda run: run.complete("wf.a"),
    "Failed": lambda run: run.complete("wf.a", 1),
    "Error": lambda run: run.delete("wf.a"),
}


@pytest.mark.parametrize(
    ("depends", "runs_after"),
    [
        ("a", {"Succeeded"}),
        ("a.Succeeded", {"Succeeded"}),
        ("a.Failed", {"Failed"}),
        ("a.Errored", {"Error"}),
        ("!a", {"Failed", "Error"}),
        ("a.Failed || a.Errored", {"Failed", "Error"}),
        ("a || a.Failed", {"Succeeded", "Failed"}),
        ("a.Skipped", set()),
        ("a.Daemoned", set()),
    ],
)
@pytest.mark.parametrize("phase", PHASES)
def test_a_single_dependency_runs_its_task_or_omits_it(depends, runs_after, phase):
    run = dag("name: a", f"name: b, depends: '{depends}'")
    PHASES[phase](run)
    b = run.vertex("wf.b")
    if phase in runs_after:
        assert b.phase == "Pending"
    else:
        message = "omitted: depends condition not met"
        assert (b.type, b.phase, b.message) == ("Skipped", "Omitted", message)


def test_a_failed_task_fails_the_dag_and_omits_what_follows():
    run = dag("name: a", "name: b, depends: a", "name: c, depends: b")
    run.complete("wf.a", 1)
    assert run.phase("wf.b") == run.phase("wf.c") == "Omitted"
    assert run.finished == ("Failed", "")


def test_a_deleted_pod_makes_the_dag_and_the_workflow_error():
    run = dag("name: a", "name: b, depends: a")
    run.delete("wf.a")
    assert run.finished == ("Error", "")


def test_a_failure_that_a_later_task_handles_does_not_fail_the_dag():
    run = dag("name: a", "name: b, depends: a.Failed")
    run.complete("wf.a", 1)
    run.complete("wf.b")
    assert run.finished == ("Succeeded", "")


def test_the_examples_of_dag_depends():
    """See argo-workflows test/e2e/functional/dag-depends.yaml."""
    run = dag(
        "name: a",
        "name: b, depends: a",
        "name: c, depends: a",
        "name: f, depends: a",
        "name: should-execute-1, depends: 'b && (c.Succeeded || c.Failed)'",
        "name: should-execute-2, depends: b || c",
        "name: should-not-execute, depends: b && c.Failed",
        "name: should-execute-3, depends: 'should-execute-2.Succeeded || should-not-execute && f'",
        "name: after-f, depends: f.Failed",
    )
    run.complete("wf.a")
    run.complete("wf.b")
    run.complete("wf.c")
    run.complete("wf.f", 1)
    assert run.phase("wf.should-not-execute") == "Omitted"
    for name in ("should-execute-1", "should-execute-2", "should-execute-3", "after-f"):
        run.complete(f"wf.{name}")
    assert run.finished == ("Succeeded", "")


def test_other_branches_go_on_and_start_tasks_after_a_failure():
    run = dag("name: a", "name: b", "name: c, depends: b")
    run.complete("wf.a", 1)
    run.complete("wf.b")
    assert run.phase("wf.c") == "Pending"
    assert run.finished is None
    run.complete("wf.c")
    assert run.finished == ("Failed", "")


def test_only_targets_and_what_they_need_run():
    run = dag(
        "name: a",
        "name: b, depends: a",
        "name: c, depends: a",
        "name: d",
        extra='target: "b d"',
    )
    run.complete("wf.a")
    run.complete("wf.b")
    run.complete("wf.d")
    assert not run.has("wf.c")
    assert run.finished == ("Succeeded", "")


def test_a_false_when_skips_and_a_bare_dependency_accepts_that():
    run = dag("name: a, when: '1 == 2'", "name: b, depends: a", "name: c, depends: a.Omitted")
    a = run.vertex("wf.a")
    assert (a.type, a.phase, a.message) == ("Skipped", "Skipped", "when '1 == 2' evaluated false")
    assert run.phase("wf.b") == "Pending"
    assert run.phase("wf.c") == "Omitted"
    run.complete("wf.b")
    assert run.finished == ("Succeeded", "")


OUT = """- name: out
  outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
  container: {image: i, command: [c]}
- name: in
  inputs: {parameters: [{name: x}, {name: y, default: "{{workflow.name}}"}]}
  container: {image: i, command: [c, "{{inputs.parameters.x}}", "{{inputs.parameters.y}}"]}"""


def chained(consumer: str) -> Run:
    """Run `a`, which gives `o`, and whatever tasks follow it."""
    return Run(
        f"""entrypoint: main
templates:
- name: main
  outputs:
    parameters:
    - {{name: plain, valueFrom: {{parameter: "{{{{tasks.a.outputs.parameters.o}}}}"}}}}
    - {{name: computed, valueFrom: {{expression: "tasks.a.outputs.parameters.o + '!'"}}}}
    - {{name: absent, valueFrom: {{parameter: "{{{{tasks.no.outputs.result}}}}", default: d}}}}
  dag:
    tasks:
    - {{name: a, template: out}}
{consumer}
{OUT}
"""
    )


B = """    - name: b
      template: in
      depends: a || a.Failed
      arguments: {parameters: [{name: x, value: "VALUE"}]}
"""


def test_outputs_and_results_flow_to_later_tasks():
    value = (
        "{{tasks.a.outputs.parameters.o}} {{=tasks.a.outputs.result}} "
        "{{tasks.a.status}} {{tasks.a.exitCode}}"
    )
    skipped = """    - name: c
      template: out
      depends: a
      when: "{{tasks.a.outputs.result}} == tails"
"""
    run = chained(B.replace("VALUE", value) + skipped)
    assert run.specs["wf.a"].capture_result
    run.complete("wf.a", outputs={"o": "O"}, result="heads")
    assert run.specs["wf.b"].command == ("c", "O heads Succeeded 0", "wf")
    assert not run.specs["wf.b"].capture_result
    assert dict(run.vertex("wf.b").inputs) == {"x": "O heads Succeeded 0", "y": "wf"}
    assert run.vertex("wf.c").message == "when 'heads == tails' evaluated false"


def test_a_dag_gives_outputs_of_its_tasks():
    run = chained("")
    run.complete("wf.a", outputs={"o": "O"})
    assert dict(run.vertex("wf").outputs) == {"plain": "O", "computed": "O!", "absent": "d"}


def test_outputs_that_cannot_be_had_make_the_dag_an_error():
    run = Run(
        f"""entrypoint: main
templates:
- name: main
  outputs: {{parameters: [{{name: p, valueFrom: {{parameter: "{{{{tasks.a.outputs.result}}}}"}}}}]}}
  dag: {{tasks: [{{name: a, template: pod}}]}}
{POD}
"""
    )
    run.complete("wf.a")
    assert run.phase("wf") == "Error"
    assert run.finished is not None
    assert "failed to resolve {{tasks.a.outputs.result}}" in run.finished[1]


def test_an_argument_that_a_failed_task_never_gave_is_an_error_of_its_reader():
    run = chained(B.replace("VALUE", "{{tasks.a.outputs.parameters.o}}"))
    run.complete("wf.a", 1)
    b = run.vertex("wf.b")
    assert (b.type, b.phase) == ("Skipped", "Error")
    assert b.message == "failed to resolve {{tasks.a.outputs.parameters.o}}"
    assert run.finished == ("Error", "")


def test_an_argument_of_a_skipped_task_is_not_looked_at():
    run = chained(
        B.replace("VALUE", "{{tasks.a.outputs.parameters.o}}") + "      when: 'no == yes'"
    )
    run.complete("wf.a", 1)
    assert run.phase("wf.b") == "Skipped"


@pytest.mark.parametrize("when", ["two words == x", "{{tasks.a.outputs.result}} == x", "1 + 1"])
def test_a_wrong_when_is_an_error_of_the_task(when):
    run = dag("name: a", f"name: b, depends: a, when: '{when}'")
    run.complete("wf.a")
    assert run.phase("wf.b") == "Error"
    assert run.finished == ("Error", "")


def test_a_task_without_its_argument_is_an_error():
    run = Run(
        f"""entrypoint: main
templates:
- name: main
  dag: {{tasks: [{{name: b, template: in}}]}}
{OUT}
"""
    )
    assert run.vertex("wf.b").message == "task 'wf.b' errored: inputs.parameters.x was not supplied"
    assert run.finished == ("Error", "")


def test_dags_and_steps_lie_in_one_another_and_hang_together_by_their_ends():
    run = Run(
        f"""entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {{name: first, template: inner}}
    - {{name: last, template: pod, depends: first}}
- name: inner
  steps:
  - - {{name: one, template: deep}}
    - {{name: two, template: pod}}
  - - {{name: three, template: pod}}
- name: deep
  dag: {{tasks: [{{name: leaf, template: pod}}]}}
{POD}
"""
    )
    assert run.created == ["wf.first[0].one.leaf", "wf.first[0].two"]
    assert run.specs["wf.first[0].one.leaf"].task == "leaf"
    run.complete("wf.first[0].one.leaf")
    run.complete("wf.first[0].two")
    assert run.vertex("wf.first[0].one.leaf").children == ("wf.first[1]",)
    assert run.vertex("wf.first[0].two").children == ("wf.first[1]",)
    run.complete("wf.first[1].three")
    assert run.vertex("wf.first[1].three").children == ("wf.last",)
    run.complete("wf.last")
    assert run.finished == ("Succeeded", "")


def test_what_follows_a_retried_task_hangs_below_its_last_attempt():
    run = Run(
        f"""entrypoint: main
templates:
- name: main
  dag: {{tasks: [{{name: a, template: again}}, {{name: b, template: pod, depends: a}}]}}
- name: again
  retryStrategy: {{limit: 3}}
  container: {{image: i, command: [c]}}
{POD}
"""
    )
    run.complete("wf.a(0)", 1)
    run.complete("wf.a(1)")
    assert run.vertex("wf.a(1)").children == ("wf.b",)
    assert run.vertex("wf.a(0)").children == ()
    assert run.vertex("wf.a(0)").display_name == "a(0)"
    assert {run.vertex(f"wf.a{n}").task for n in ("", "(0)", "(1)")} == {"a"}
    assert run.specs["wf.a(1)"].task == "a"


def test_a_dag_of_many_tasks_in_a_row_runs_through():
    names = [f"t{number}" for number in range(120)]
    tasks = [f"name: {names[0]}"]
    tasks += [f"name: {after}, depends: {before}" for before, after in itertools.pairwise(names)]
    run = dag(*tasks)
    for name in names:
        run.complete(f"wf.{name}")
    assert run.finished == ("Succeeded", "")


def test_a_template_that_calls_itself_for_ever_is_an_error():
    run = Run(
        """
        entrypoint: main
        templates:
        - name: main
          retryStrategy: {limit: 0}
          dag: {tasks: [{name: a, template: main}]}
        """
    )
    assert run.finished is not None
    assert run.finished[0] == "Error"
    assert any("Maximum recursion depth exceeded" in message for _, _, message in run.trail)
