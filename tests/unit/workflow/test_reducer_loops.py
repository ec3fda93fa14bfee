"""Loops of tasks and steps, as Argo names, groups and aggregates them."""

from __future__ import annotations

import pytest
import yaml
from argo_run import Run

from chaosml.workflow.loops import expand, format_number
from chaosml.workflow.model import Step
from chaosml.workflow.state import ControllerError

_POD = """
  - name: pod
    inputs: {parameters: [{name: x, default: ""}]}
    outputs: {parameters: [{name: y, valueFrom: {path: /tmp/y}}]}
    container: {image: i, command: ["{{inputs.parameters.x}}"]}
"""


def _dag(*tasks: str, more: str = "") -> Run:
    listed = "".join(f"\n        - {{{task}}}" for task in tasks)
    return Run(
        f"entrypoint: main\ntemplates:\n  - name: main{more}\n    dag:\n      tasks:{listed}{_POD}"
    )


def _steps(*groups: str) -> Run:
    listed = "".join(f"\n      - [{group}]" for group in groups)
    return Run(f"entrypoint: main\ntemplates:\n  - name: main\n    steps:{listed}{_POD}")


def _names(loop: str, variables: dict[str, str] | None = None) -> list[str]:
    step = Step.model_validate(yaml.safe_load(f"{{name: a, template: t, {loop}}}"))
    return [item.name for item in expand(step, variables or {})]


@pytest.mark.parametrize(
    ("loop", "names"),
    [
        ("withItems: [foo, 2, true]", ["a(0:foo)", "a(1:2)", "a(2:true)"]),
        ("withItems: [1.5, 2.0]", ["a(0:1.5)", "a(1:2)"]),
        ("withItems: [{key: val, b: 1}]", ["a(0:b:1,key:val)"]),
        ("withItems: ['f(x)']", ["a(0:fx)"]),
        ("withItems: [[a, 1], []]", ["a(0:[a 1])", "a(1:[])"]),
        ('withParam: \'[1.0, "x", {"z": [1]}]\'', ["a(0:1.0)", "a(1:x)", "a(2:z:[1])"]),
        ("withParam: '{{list}}'", ["a(0:p)"]),
        ("withParam: 'null'", []),
        ("withSequence: {count: 3}", ["a(0:0)", "a(1:1)", "a(2:2)"]),
        ("withSequence: {start: 5, end: 3}", ["a(0:5)", "a(1:4)", "a(2:3)"]),
        ("withSequence: {start: 9, count: '2', format: 'n%03X'}", ["a(0:n009)", "a(1:n00A)"]),
        ("withSequence: {count: 0}", []),
    ],
)
def test_items_are_named_as_argo_names_them(loop, names):
    assert _names(loop, {"list": '["p"]'}) == names


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        ("withParam: hello", "withParam value could not be parsed as a JSON list: hello: invalid"),
        ("withParam: '{}'", "json: cannot unmarshal object into Go value of type []v1alpha1.Item"),
        ("withParam: ' '", "unexpected end of JSON input"),
        ("withParam: '{{nothing}}'", "failed to resolve {{nothing}}"),
        ("withSequence: {count: x}", 'strconv.Atoi: parsing "x": invalid syntax'),
        ("withSequence: {start: 1}", "neither end nor count was specified"),
        ("withSequence: {count: 2, format: '%s'}", "needs exactly one of %d"),
        ("withSequence: {count: 20000}", "at most 10000"),
        ("withParam: '[null]'", "expected string, number, list, or map"),
    ],
)
def test_what_is_no_list_of_items_is_an_error(loop, message):
    with pytest.raises(ControllerError) as caught:
        _names(loop)
    assert message in str(caught.value)


def test_numbers_are_formatted_as_go_formats_them():
    assert format_number("%05d|%%", -42) == "-0042|%"
    assert format_number("%#x", 255) == "0xff"
    assert format_number("%08b", 5) == "00000101"
    assert format_number("%-4dx", 7) == "7   x"


def test_items_reach_arguments_and_conditions():
    run = _dag(
        "name: a, template: pod, withItems: [{k: v}, {k: w}], when: '{{item.k}} != w', "
        "arguments: {parameters: [{name: x, value: '{{item.k}}|{{item}}'}]}"
    )
    assert run.specs["wf.a(0:k:v)"].command == ('v|{"k":"v"}',)
    assert run.vertex("wf.a(1:k:w)").message == "when 'w != w' evaluated false"
    assert run.vertex("wf.a(0:k:v)").display_name == "a(0:k:v)"
    assert run.specs["wf.a(0:k:v)"].task == "a"


def test_a_loop_of_a_dag_is_a_group_that_ends_with_its_items():
    run = _dag(
        "name: a, template: pod, withItems: [p, q]",
        "name: b, template: pod, dependencies: [a], withParam: '{{tasks.a.outputs.parameters.y}}'",
    )
    assert run.vertex("wf.a").type == "TaskGroup"
    assert run.vertex("wf.a").children == ("wf.a(0:p)", "wf.a(1:q)")
    run.complete("wf.a(1:q)", outputs={"y": "2"})
    assert run.phase("wf.a") == "Running"
    assert not run.has("wf.b")
    run.complete("wf.a(0:p)", outputs={"y": "1"})
    assert run.phase("wf.a") == "Succeeded"
    assert run.vertex("wf.b").children == ("wf.b(0:1)", "wf.b(1:2)")
    assert "wf.b" in run.vertex("wf.a(0:p)").children
    run.complete("wf.b(0:1)", outputs={"y": ""})
    run.complete("wf.b(1:2)", outputs={"y": ""})
    assert run.finished == ("Succeeded", "")


def test_what_items_gave_is_put_together_in_their_order():
    run = _dag(
        "name: a, template: pod, withItems: [p, q, r]",
        "name: b, template: pod, depends: a.AnySucceeded, arguments: {parameters: [{name: x, "
        "value: '{{tasks.a.outputs.result}} {{tasks.a.outputs.parameters}}'}]}",
    )
    run.complete("wf.a(1:q)", outputs={"y": "two"}, result='{"n": 2}')
    run.complete("wf.a(2:r)", code=1)
    run.complete("wf.a(0:p)", outputs={"y": "one"}, result="1")
    assert run.phase("wf.a") == "Failed"
    assert run.specs["wf.b"].command == ('[1,{"n":2}] [{"y":"one"},{"y":"two"}]',)


def test_lists_and_maps_are_put_together_as_such_and_plain_results_are_an_error():
    run = _dag(
        "name: a, template: pod, withItems: [p]",
        "name: b, template: pod, dependencies: [a], arguments: {parameters: [{name: x, "
        "value: '{{tasks.a.outputs.parameters.y}}'}]}",
        "name: c, template: pod, dependencies: [a], arguments: {parameters: [{name: x, "
        "value: '{{tasks.a.outputs.result}}'}]}",
    )
    run.complete("wf.a(0:p)", outputs={"y": '{"k": 1}'}, result="hello")
    message = "invalid character 'h' looking for beginning of value"
    assert [run.vertex(f"wf.{task}").message for task in "bc"] == [message, message]

    other = _dag(
        "name: a, template: pod, withItems: [p]",
        "name: b, template: pod, dependencies: [a], arguments: {parameters: [{name: x, "
        "value: '{{tasks.a.outputs.parameters.y}}'}]}",
    )
    other.complete("wf.a(0:p)", outputs={"y": '{"k": 1}'})
    assert other.specs["wf.b"].command == ('[{"k":1}]',)


@pytest.mark.parametrize(
    ("codes", "condition", "runs"),
    [
        ((1, 1), "a.AllFailed", True),
        ((1, 0), "a.AllFailed", False),
        ((1, 0), "a.AnySucceeded", True),
        ((1, 1), "a.AnySucceeded", False),
        ((0, 0), "a", True),
    ],
)
def test_what_comes_after_a_loop_can_ask_for_all_or_any(codes, condition, runs):
    run = _dag(
        "name: a, template: pod, withSequence: {count: 2}",
        f"name: b, template: pod, depends: {condition}",
    )
    for index, code in enumerate(codes):
        run.complete(f"wf.a({index}:{index})", code=code, outputs={"y": ""})
    assert run.phase("wf.b") == ("Pending" if runs else "Omitted")


def test_a_loop_without_items_is_skipped():
    """functional/dag-empty-param and functional/loops-empty-param of Argo's end-to-end tests."""
    dag = _dag(
        "name: a, template: pod, withParam: '[]'", "name: b, template: pod, dependencies: [a]"
    )
    assert (dag.phase("wf.a"), dag.vertex("wf.a").message) == ("Skipped", "Skipped, empty params")
    assert dag.vertex("wf.a").type == "Skipped"
    assert dag.phase("wf.b") == "Pending"
    steps = _steps("{name: a, template: pod, withParam: '[]'}", "{name: b, template: pod}")
    assert steps.vertex("wf[0].a").message == "Skipped, empty params"
    assert steps.phase("wf[1].b") == "Pending"
    assert steps.vertex("wf[0].a").children == ("wf[1]",)


def test_no_list_is_needed_where_the_condition_is_false():
    run = _dag("name: a, template: pod, withParam: 'none', when: '1 == 2'")
    assert run.vertex("wf.a").message == "Skipped, empty params"
    wrong = _dag("name: a, template: pod, withParam: 'none'")
    assert wrong.phase("wf.a") == "Error"
    assert "could not be parsed as a JSON list: none" in wrong.vertex("wf.a").message


def test_loops_of_steps_run_side_by_side_and_fail_the_group_together():
    run = _steps("{name: a, template: pod, withItems: [p, q]}", "{name: b, template: pod}")
    assert run.vertex("wf[0]").children == ("wf[0].a(0:p)", "wf[0].a(1:q)")
    run.complete("wf[0].a(0:p)", code=1)
    assert run.phase("wf[0]") == "Running"
    run.complete("wf[0].a(1:q)", outputs={"y": ""})
    assert run.phase("wf[0]") == "Failed"
    assert run.vertex("wf[0]").message.startswith("child 'wf-")
    assert not run.has("wf[1]")


def test_later_steps_see_what_a_loop_gave():
    run = _steps(
        "{name: a, template: pod, withItems: [p, q]}",
        "{name: b, template: pod, withParam: '{{steps.a.outputs.parameters}}', arguments: "
        "{parameters: [{name: x, value: '{{item.y}}'}]}}",
    )
    run.complete("wf[0].a(0:p)", outputs={"y": "1"})
    run.complete("wf[0].a(1:q)", outputs={"y": "2"})
    assert run.specs["wf[1].b(1:y:2)"].command == ("2",)


def test_retries_of_items_keep_the_order_of_what_they_gave():
    """functional/parameter-aggregation-dag-with-retry of Argo's end-to-end tests."""
    run = Run(
        """
        entrypoint: main
        templates:
          - name: main
            dag:
              tasks:
                - {name: a, template: pod, withItems: [1, 2]}
                - name: b
                  template: other
                  dependencies: [a]
                  arguments:
                    parameters: [{name: x, value: "{{tasks.a.outputs.parameters.y}}"}]
          - name: pod
            retryStrategy: {limit: 1}
            outputs: {parameters: [{name: y, valueFrom: {path: /y}}]}
            container: {image: i, command: [c]}
          - name: other
            inputs: {parameters: [{name: x}]}
            container: {image: i, command: ["{{inputs.parameters.x}}"]}
        """
    )
    run.complete("wf.a(0:1)(0)", code=1, outputs={"y": "bad"})
    run.complete("wf.a(1:2)(0)", outputs={"y": "2"})
    run.complete("wf.a(0:1)(1)", outputs={"y": "1"})
    assert run.specs["wf.b"].command == ('["1","2"]',)
    assert run.vertex("wf.a(0:1)").type == "Retry"
