"""Loading of workflows: every problem at once, each at its place.

`§` in a document stands right before the place where a problem must be reported.
"""

from __future__ import annotations

import textwrap

import pytest

from chaosml.errors import Problem, ScenarioError
from chaosml.workflow import fields, model
from chaosml.workflow.load import LoadedWorkflow, examine, load

_HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: wf}\n"
_POD = "container: {image: busybox, command: [work]}"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _write(tmp_path, text: str) -> list[tuple[int, int]]:
    """Write a document without its signs and return the places of these."""
    places: list[tuple[int, int]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        while "§" in line:
            places.append((number, line.index("§") + 1))
            line = line.replace("§", "", 1)
        lines[number - 1] = line
    (tmp_path / "wf.yaml").write_text("\n".join(lines) + "\n")
    return places


def _refuse(tmp_path, spec: str, head: str = _HEAD, **parameters: str) -> list[str]:
    """Return the messages of a document that must be refused exactly at its signs."""
    body = textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ")
    places = _write(tmp_path, f"{head}spec:\n{body}")
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "wf.yaml", parameters)
    problems = caught.value.problems
    assert [(problem.line, problem.column) for problem in problems] == places, str(caught.value)
    assert {problem.file for problem in problems} == {"wf.yaml"}
    return [problem.message for problem in problems]


def _accept(tmp_path, spec: str, head: str = _HEAD, **parameters: str) -> LoadedWorkflow:
    body = textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ")
    assert _write(tmp_path, f"{head}spec:\n{body}") == []
    return load(tmp_path / "wf.yaml", parameters)


def _refuse_template(tmp_path, template: str, before: str = "") -> list[str]:
    """Refuse a workflow whose only template has these lines besides its name."""
    lines = textwrap.indent(textwrap.dedent(template).strip("\n"), "    ")
    spec = f"{textwrap.dedent(before)}entrypoint: main\ntemplates:\n  - name: main\n{lines}"
    return _refuse(tmp_path, spec)


def _refuse_tasks(tmp_path, *tasks: str) -> list[str]:
    """Refuse a workflow with these tasks, each of the template `pod` that takes nothing."""
    return _refuse(tmp_path, _dag(*tasks))


def _dag(*tasks: str) -> str:
    """Return a spec with these tasks; a sign that leads one stands before its mapping."""
    listed = "\n".join(
        f"        - {'§' * task.startswith('§')}{{{task.removeprefix('§')}}}" for task in tasks
    )
    return (
        "entrypoint: main\ntemplates:\n  - name: main\n    dag:\n      tasks:\n"
        f"{listed}\n"
        "  - name: pod\n    outputs: {parameters: [{name: size, valueFrom: {path: /o}}]}\n"
        f"    {_POD}\n"
    )


def test_a_file_that_is_missing_is_reported_where_the_scenario_names_it(tmp_path):
    origin = Problem("s.yaml", 5, 13, "pipeline.workflow")
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "no.yaml", origin=origin)
    assert str(caught.value) == (
        "s.yaml:5:13: pipeline.workflow: the file 'no.yaml' cannot be read: "
        "no such file or directory"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: §CronWorkflow\n", "spec.workflowSpec"),
        ("kind: §WorkflowTemplate\n", "of kind Workflow"),
        ("kind: §Scenario\n", "pipeline.workflow names the Argo Workflow"),
        ("kind: §Deployment\n", "an Argo Workflow has kind: Workflow"),
        ("§a: 1\n", "there is no kind"),
    ],
)
def test_what_is_no_workflow_is_refused_by_its_kind(tmp_path, text, says):
    places = _write(tmp_path, text)
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "wf.yaml")
    (problem,) = caught.value.problems
    assert [(problem.line, problem.column)] == places
    assert problem.message.startswith("not an Argo Workflow: ")
    assert says in problem.message


def test_an_entrypoint_that_names_no_template_is_told_the_near_miss(tmp_path):
    assert _refuse(
        tmp_path,
        f"""
        entrypoint: §execute-pipelin
        onExit: §zzz
        templates:
          - name: execute-pipeline
            {_POD}
        """,
    ) == [
        'entrypoint: no template is called "execute-pipelin"; did you mean "execute-pipeline"?',
        'onExit: no template is called "zzz"; there are: execute-pipeline',
    ]


def test_a_float_backoff_factor_is_refused_as_argo_refuses_it(tmp_path):
    assert _refuse_template(
        tmp_path,
        f"""
        retryStrategy: {{limit: 3, backoff: {{duration: "5s", factor: §1.5}}}}
        {_POD}
        """,
    ) == [
        "spec.templates[0].retryStrategy.backoff.factor: Argo's IntOrString refuses the float "
        '1.5; write 2 or "2"'
    ]


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("{retryPolicy: §Alway}", '"Alway" is none of Always, OnFailure'),
        ("{limit: §three}", '"three" is no whole number'),
        ("{limit: 1, §backoff: {factor: 2}}", "no duration"),
        ("{limit: 1, backoff: {duration: §5 s}}", '"5 s" is no duration'),
        ('{limit: 1, backoff: {duration: "5", cap: §1d}}', '"1d" is no duration'),
        ("{limit: 1, backoff: {duration: §5}}", '5 is not text; quote it: "5"'),
        ("{§maxRetries: 3}", "Argo has no such field; use limit"),
        ("{limit: 1, affinity: {§podAffinity: {}}}", 'unknown key "podAffinity"'),
        ("{expression: §'lastRetry.exitcode == \"1\"'}", 'did you mean "lastRetry.exitCode"?'),
        ("{expression: §'asInt(lastRetry.exitCode ='}", "(character "),
        ("{expression: §'exec(1)'}", "the function exec is not supported"),
        ("{expression: §'inputs.parameters.a == \"1\"'}", "sees retries and lastRetry.*"),
    ],
)
def test_a_wrong_retry_strategy_is_refused_where_it_is_wrong(tmp_path, strategy, says):
    (message,) = _refuse_template(tmp_path, f"retryStrategy: {strategy}\n{_POD}")
    assert says in message


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("sidecars", "[]", "start the process inside the step"),
        ("initContainers", "[]", "do it at the start"),
        ("synchronization", "{}", ""),
        ("daemon", "true", ""),
        ("suspend", "{}", ""),
        ("resource", "{}", ""),
        ("http", "{}", ""),
        ("plugin", "{}", ""),
        ("data", "{}", ""),
        ("containerSet", "{}", ""),
        ("affinity", "{}", "use nodeSelector"),
    ],
)
def test_what_argo_knows_and_embedded_does_not_is_refused_by_name(tmp_path, key, value, says):
    (message,) = _refuse_template(tmp_path, f"§{key}: {value}\n{_POD}")
    assert f"'{key}' is not supported by the embedded substrate" in message
    assert says in message


@pytest.mark.parametrize("field", ["onExit: pod", "inline: {}"])
def test_unsupported_fields_of_tasks_are_refused_by_name(tmp_path, field):
    (message,) = _refuse_tasks(tmp_path, f"name: a, template: pod, §{field}")
    assert f"'{field.partition(':')[0]}' is not supported by the embedded substrate" in message


def test_a_grace_period_field_that_argo_does_not_have_is_told_the_patch(tmp_path):
    for_workflow, for_template = _refuse_template(
        tmp_path,
        f"§terminationGracePeriodSeconds: 60\n{_POD}",
        before="§terminationGracePeriodSeconds: 60\n",
    )
    for message in (for_workflow, for_template):
        assert "'terminationGracePeriodSeconds' is unknown: Argo has no such field" in message
        assert "podSpecPatch" in message


def test_a_field_that_nobody_knows_is_told_the_near_miss(tmp_path):
    (message,) = _refuse_template(tmp_path, f"§retryStrategie: {{}}\n{_POD}")
    assert (
        message == 'spec.templates[0]: unknown key "retryStrategie"; did you mean "retryStrategy"?'
    )


def test_fields_without_effect_are_accepted(tmp_path):
    loaded = _accept(
        tmp_path,
        """
        entrypoint: main
        serviceAccountName: argo
        ttlStrategy: {secondsAfterCompletion: 60}
        podGC: {strategy: OnPodCompletion}
        tolerations: [{key: spot}]
        imagePullSecrets: [{name: x}]
        templates:
          - name: main
            tolerations: []
            container:
              image: x
              command: [work]
              imagePullPolicy: Always
              resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {"nvidia.com/gpu": 1}}
        """,
    )
    main = loaded.model.template("main").main
    assert main is not None
    assert main.resources.requested_cpu == 0.5


def test_tasks_that_wait_for_one_another_are_shown_as_a_cycle(tmp_path):
    assert _refuse_tasks(
        tmp_path,
        "name: first, template: pod",
        "§name: a, template: pod, dependencies: [first, c]",
        "name: b, template: pod, dependencies: [a]",
        "name: c, template: pod, dependencies: [b]",
    ) == ["the tasks wait for one another: a → c → b → a; remove one dependency"]


def test_a_task_that_waits_for_itself_is_a_cycle(tmp_path):
    (message,) = _refuse_tasks(tmp_path, "§name: a, template: pod, depends: a.Failed")
    assert "a → a" in message


def test_templates_that_contain_one_another_without_a_condition_are_refused(tmp_path):
    recursion = """
        entrypoint: main
        templates:
          - {sign}name: main
            steps: [[{{name: a, template: other}}]]
          - name: other
            steps: [[{{name: b, template: main{when}}}]]
        """
    (message,) = _refuse(tmp_path, recursion.format(sign="§", when=""))
    assert "main → other → main" in message
    _accept(tmp_path, recursion.format(sign="", when=', when: "1 == 2"'))


def test_unknown_dependencies_are_told_the_near_miss(tmp_path):
    assert _refuse_tasks(
        tmp_path,
        "name: prepare, template: pod",
        "name: train, template: pod, dependencies: [§prepair]",
    ) == ['no task of this dag is called "prepair"; did you mean "prepare"?']
    assert _refuse_tasks(
        tmp_path,
        "name: prepare, template: pod",
        'name: train, template: pod, depends: §"prepair.Succeeded || prepare"',
    ) == ['no task of this dag is called "prepair"; did you mean "prepare"?']


def test_depends_and_dependencies_do_not_mix_and_digits_do_not_lead(tmp_path):
    messages = _refuse_tasks(
        tmp_path,
        "name: a, template: pod",
        "name: §1b, template: pod, depends: a",
        "name: c, template: pod, §dependencies: [a]",
    )
    assert "begins with a digit" in messages[0]
    assert "not both" in messages[1]


@pytest.mark.parametrize("depends", ["a &&", "a.Suceeded", "a b"])
def test_a_depends_that_cannot_be_parsed_is_refused(tmp_path, depends):
    (message,) = _refuse_tasks(
        tmp_path, "name: a, template: pod", f'name: b, template: pod, depends: §"{depends}"'
    )
    assert message.startswith("depends: ")


def test_names_that_are_given_twice_are_refused_at_the_second(tmp_path):
    messages = _refuse(
        tmp_path,
        f"""
        entrypoint: main
        arguments: {{parameters: [{{name: p, value: "1"}}, {{name: §p, value: "2"}}]}}
        templates:
          - name: main
            dag:
              tasks:
                - {{name: a, template: pod}}
                - {{name: §a, template: pod}}
          - name: pod
            inputs: {{parameters: [{{name: q, value: ""}}, {{name: §q, value: ""}}]}}
            {_POD}
          - name: §pod
            {_POD}
          - name: line
            steps: [[{{name: s, template: pod}}], [{{name: §s, template: pod}}]]
        """,
    )
    assert [message.partition(";")[0] for message in messages] == [
        'the parameter "p" is given twice',
        'the task "a" is given twice',
        'the input parameter "q" is given twice',
        'the template "pod" is given twice',
        'the step "s" is given twice',
    ]


def test_a_template_is_exactly_one_kind_of_thing(tmp_path):
    messages = _refuse(
        tmp_path,
        f"""
        entrypoint: main
        templates:
          - §name: main
          - §name: both
            {_POD}
            script: {{image: x, command: [sh], source: ""}}
        """,
    )
    assert messages[0].endswith("found none")
    assert messages[1].endswith("found container and script")


def test_arguments_that_a_template_needs_must_be_passed(tmp_path):
    messages = _refuse(
        tmp_path,
        """
        entrypoint: main
        templates:
          - name: main
            dag:
              tasks:
                - §name: a
                  template: pod
                  arguments: {parameters: [{name: step, value: "1"}]}
                - name: b
                  template: pod
                  arguments: {parameters: [§{name: steps}]}
          - name: pod
            inputs: {parameters: [{name: steps}, {name: free, default: "1"}]}
            container: {image: x, command: [work]}
        """,
    )
    assert messages[0] == (
        '"a" does not pass "steps", which the template "pod" declares without a value or default; '
        '"step" is passed and not declared'
    )
    assert messages[1] == 'the parameter "steps" is passed without a value'


def test_a_workflow_parameter_without_a_value_is_fine_only_if_it_is_given(tmp_path):
    spec = """
        entrypoint: main
        arguments: {parameters: [{name: steps, value: 3}, §{name: bucket}]}
        templates:
          - name: main
            container: {image: x, command: [work]}
        """
    (message,) = _refuse(tmp_path, spec)
    assert 'the workflow parameter "bucket" has no value' in message
    loaded = _accept(tmp_path, spec.replace("§", ""), bucket="b", steps="7")
    values = {one.name: one.value for one in loaded.model.spec.arguments.parameters}
    assert values == {"steps": "7", "bucket": "b"}


def test_a_given_parameter_that_is_not_declared_is_refused(tmp_path):
    (message,) = _refuse(
        tmp_path,
        f"""
        entrypoint: main
        arguments:
          §parameters: [{{name: steps, value: 3}}]
        templates:
          - name: main
            {_POD}
        """,
        stepz="3",
    )
    assert message == 'the workflow declares no parameter "stepz"; did you mean "steps"?'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{inputs.parameters.step}}", 'no input parameter "step"; did you mean "steps"?'),
        ("{{workflow.parameters.x}}", 'the workflow declares no parameter "x"'),
        ("{{workflow.nam}}", 'unknown variable; did you mean "workflow.name"?'),
        ("{{workflow.status}}", "only an exit handler"),
        ("{{retries}}", "only where there is a retryStrategy"),
        ("{{item}}", "only the arguments and `when` of a task or step with a loop"),
        ("{{tasks.a.outputs.result}}", "pass it as an input parameter"),
        ("{{inputs.artifacts.a.path}}", "artifacts are not supported"),
        ("{{=inputs.parameters.step}}", 'no input parameter "step"'),
        ("{{=asInt(}}", "(character "),
        ("{{=system('x')}}", "the function system is not supported"),
        ("{{inputs.parameters.steps", "the tag has no closing }}"),
    ],
)
def test_a_tag_that_names_nothing_is_refused(tmp_path, text, says):
    (message,) = _refuse_template(
        tmp_path,
        f"""
        inputs: {{parameters: [{{name: steps, default: "1"}}]}}
        script: {{image: x, command: [sh], source: §"{text}"}}
        """,
    )
    assert says in message


@pytest.mark.parametrize(
    "text",
    [
        "{{inputs.parameters.steps}} {{workflow.name}} {{pod.name}} {{ node.name }}",
        "{{retries}} {{lastRetry.exitCode}}",
        "{{=asInt(inputs.parameters.steps) + 1}}",
        "{{=inputs.parameters['steps']}}",
        "{{outputs.parameters.size.path}}",
        "{{workflow.parameters.p}} {{workflow.labels.team}} {{workflow.creationTimestamp}}",
        "no tag at all: }} { { }",
    ],
)
def test_variables_that_exist_are_accepted(tmp_path, text):
    _accept(
        tmp_path,
        f"""
        entrypoint: main
        arguments: {{parameters: [{{name: p, value: "1"}}]}}
        templates:
          - name: main
            inputs: {{parameters: [{{name: steps, default: "1"}}]}}
            outputs: {{parameters: [{{name: size, valueFrom: {{path: /tmp/size}}}}]}}
            retryStrategy: {{limit: 1, expression: 'asInt(lastRetry.exitCode) != 2'}}
            script: {{image: x, command: [sh], source: "{text}"}}
        """,
        head=_HEAD.replace("{name: wf}", "{name: wf, labels: {team: a}}"),
    )


def test_only_exit_handlers_see_how_the_workflow_ended(tmp_path):
    spec = """
        entrypoint: main
        onExit: {handler}
        templates:
          - name: main
            container: {{image: x, command: [work]}}
          - name: notify
            container: {{image: x, command: [tell, "{{{{workflow.status}}}}"]}}
        """
    _accept(tmp_path, spec.format(handler="notify"))


_PASS = "arguments: {parameters: [{name: p, value: §'{{%s}}'}]}"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("tasks.b.outputs.parameters.size", '"b" has not ended when "c" begins'),
        ("tasks.aa.outputs.parameters.size", 'nothing here is called "aa"; did you mean "a"?'),
        ("tasks.a.outputs.parameters.sise", 'no output parameter "sise"; did you mean "size"?'),
        ("tasks.a.output", '"a" has no output; it has '),
        ("steps.a.outputs.result", "here it is tasks.…"),
    ],
)
def test_a_task_sees_only_what_it_waits_for(tmp_path, reference, says):
    (message,) = _refuse_tasks(
        tmp_path,
        "name: a, template: pod",
        "name: b, template: pod",
        "name: c, template: pod, dependencies: [a], " + _PASS % reference,
    )
    assert says in message


def test_a_task_sees_its_ancestors_however_far(tmp_path):
    argument = "arguments: {parameters: [{name: p, value: '%s'}]}"
    _accept(
        tmp_path,
        _dag(
            "name: a-1, template: pod",
            "name: b, template: pod, depends: a-1.Failed || a-1",
            "name: c, template: pod, depends: b, "
            + argument % "{{tasks.a-1.outputs.parameters.size}} {{tasks.a-1.outputs.result}}",
        ),
    )


def test_a_step_sees_only_earlier_groups(tmp_path):
    spec = """
        entrypoint: main
        templates:
          - name: main
            steps:
              - - {name: a, template: pod}
                - {name: b, template: pod, when: §"{{steps.a.outputs.result}} == yes"}
              - - {name: c, template: pod, when: "{{steps.a.outputs.result}} == yes"}
          - name: pod
            container: {image: x, command: [work]}
        """
    (message,) = _refuse(tmp_path, spec)
    assert '"a" has not ended when "b" begins' in message


@pytest.mark.parametrize("when", ["1 ==", "(a", "{{workflow.name}} == 'x"])
def test_a_condition_that_cannot_be_parsed_is_refused(tmp_path, when):
    (message,) = _refuse_tasks(tmp_path, f'name: a, template: pod, when: §"{when}"')
    assert message.startswith("when ")


def test_outputs_of_dags_name_their_tasks(tmp_path):
    spec = """
        entrypoint: main
        templates:
          - name: main
            dag: {tasks: [{name: a, template: pod}]}
            outputs:
              parameters:
                - {name: one, valueFrom: {parameter: "{{tasks.a.outputs.parameters.size}}"}}
                - {name: two, valueFrom: {expression: "tasks.a.outputs.parameters.size + '1'"}}
                - {name: three, valueFrom: {parameter: §"{{tasks.b.outputs.parameters.size}}"}}
                - {name: four, valueFrom: {expression: §"tasks.a.outputs.parameters.sise"}}
                - {name: five, valueFrom: §{path: /x}}
          - name: pod
            outputs: {parameters: [{name: size, valueFrom: {path: §tmp/size}}]}
            container: {image: x, command: [work]}
        """
    messages = _refuse(tmp_path, spec)
    assert 'nothing here is called "b"' in messages[0]
    assert 'no output parameter "sise"' in messages[1]
    assert "takes valueFrom with parameter or expression, found path" in messages[2]
    assert "is not absolute" in messages[3]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x" * 64, "64 characters; Argo takes at most 63"),
        ("Wf_1", "is no name: lower-case letters"),
    ],
)
def test_a_name_that_kubernetes_would_refuse_is_refused(tmp_path, name, says):
    spec = f"entrypoint: main\ntemplates:\n  - name: main\n    {_POD}"
    (message,) = _refuse(tmp_path, spec, head=_HEAD.replace("name: wf", f"name: §{name}"))
    assert says in message


def test_a_workflow_has_a_name_or_a_generated_one(tmp_path):
    spec = f"entrypoint: main\ntemplates:\n  - name: main\n    {_POD}"
    _refuse(tmp_path, spec, head=_HEAD.replace("metadata: {name: wf}", "§metadata: {}"))
    _accept(tmp_path, spec, head=_HEAD.replace("name: wf", "generateName: wf-"))


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        ("'{\"terminationGracePeriodSeconds\": 1.5}'", "a whole number of seconds, found 1.5"),
        ("'{\"terminationGracePeriodSeconds\": '", "this is not YAML"),
        ("'just text'", "expected a mapping"),
        ("'{containers: [{name: main, env: []}]}'", "write it in the template"),
        ("'{volumes: []}'", '"volumes" is not supported by the embedded substrate'),
    ],
)
def test_a_pod_patch_that_embedded_cannot_apply_is_refused(tmp_path, patch, says):
    (message,) = _refuse_template(tmp_path, f"podSpecPatch: §{patch}\n{_POD}")
    assert says in message


def test_pod_patches_for_the_grace_period_and_without_effect_are_accepted(tmp_path):
    _accept(
        tmp_path,
        f"""
        entrypoint: main
        podSpecPatch: '{{"terminationGracePeriodSeconds": 60, "priorityClassName": "low"}}'
        arguments: {{parameters: [{{name: grace, value: "60"}}]}}
        templates:
          - name: main
            podSpecPatch: |
              terminationGracePeriodSeconds: {{{{workflow.parameters.grace}}}}
              tolerations: [{{key: spot}}]
            {_POD}
        """,
    )


def test_containers_need_an_image_a_command_and_volumes_that_exist(tmp_path):
    messages = _refuse(
        tmp_path,
        """
        entrypoint: main
        volumes: [{name: scratch, emptyDir: {}}, §{name: data, §persistentVolumeClaim: {}}]
        templates:
          - name: main
            §container: {command: [work]}
          - name: other
            §container: {image: x}
          - name: third
            container:
              image: x
              command: [work]
              volumeMounts:
                - {name: scratch, mountPath: /scratch}
                - {name: §scrach, mountPath: /other}
                - {name: scratch, mountPath: §scratch}
        """,
    )
    assert 'the key "emptyDir" is missing' in messages[0]
    assert "only emptyDir volumes exist" in messages[1]
    assert 'the key "image" is missing' in messages[2]
    assert 'the key "command" is missing' in messages[3]
    assert messages[4] == 'no volume is called "scrach"; there are: data, scratch'
    assert "is not absolute" in messages[5]


def test_variables_of_containers_are_checked(tmp_path):
    messages = _refuse_template(
        tmp_path,
        """
        container:
          image: x
          command: [work]
          env:
            - {name: A, value: §1}
            - {name: B, valueFrom: {§configMapKeyRef: {name: a, key: b}}}
        """,
    )
    assert 'quote it: "1"' in messages[0]
    assert "'configMapKeyRef' is not supported by the embedded substrate" in messages[1]
    messages = _refuse_template(
        tmp_path,
        """
        container:
          image: x
          command: [work]
          env:
            - {name: A, valueFrom: {fieldRef: {fieldPath: §status.hostIP}}}
            - {name: §A, value: "1"}
            - §{name: B, value: "1", valueFrom: {secretKeyRef: {name: s, key: k}}}
            - {name: §"1 2", value: "1"}
        """,
    )
    assert '"status.hostIP" is not supported' in messages[0]
    assert '"A" is given twice' in messages[1]
    assert "has a value and a valueFrom" in messages[2]
    assert "is no name for a variable" in messages[3]


@pytest.mark.parametrize("seconds", ["0", "-1", "soon"])
def test_a_deadline_is_positive_or_a_variable(tmp_path, seconds):
    (message,) = _refuse_template(tmp_path, f"activeDeadlineSeconds: §{seconds}\n{_POD}")
    assert "is no positive whole number" in message


def test_the_deadline_of_a_dag_is_refused_as_argo_refuses_it(tmp_path):
    (message,) = _refuse(
        tmp_path,
        f"""
        entrypoint: main
        activeDeadlineSeconds: 60
        templates:
          - name: main
            §activeDeadlineSeconds: 60
            dag: {{tasks: [{{name: a, template: pod}}]}}
          - name: pod
            activeDeadlineSeconds: "{{{{workflow.parameters.limit}}}}"
            {_POD}
        arguments: {{parameters: [{{name: limit, value: 3}}]}}
        """,
    )
    assert "only for a container or script" in message


def test_a_node_selector_that_no_embedded_node_matches_is_refused(tmp_path):
    (message,) = _refuse_template(
        tmp_path, f"nodeSelector: {{§cloud.google.com/gke-spot: 'true'}}\n{_POD}"
    )
    assert "carry only kubernetes.io/hostname" in message


def test_text_that_argo_takes_for_a_boolean_must_be_quoted(tmp_path):
    assert _refuse_template(tmp_path, "container: {image: x, command: [echo, §yes, §010]}") == [
        'Argo, which reads YAML 1.1, takes yes for a boolean; quote it: "yes"',
        'Argo, which reads YAML 1.1, takes 010 for another number; quote it: "010"',
    ]


def test_all_problems_of_a_file_come_at_once(tmp_path):
    messages = _refuse(
        tmp_path,
        """
        entrypoint: §mian
        templates:
          - name: main
            dag:
              tasks:
                - {name: a, template: §pood}
                - {name: b, template: pod, dependencies: [§x], §inline: {}}
          - name: pod
            retryStrategy: {retryPolicy: §Sometimes}
            §sidecars: []
            container: {image: x, command: [work], args: [§"{{inputs.parameters.n}}"]}
        """,
    )
    assert len(messages) == 7


def test_a_broken_template_does_not_hide_what_is_wrong_with_others(tmp_path):
    messages = _refuse(
        tmp_path,
        """
        entrypoint: main
        templates:
          - name: main
            dag: §[]
          - name: other
            container: {image: x, command: [work], args: [§"{{nothing}}"]}
        """,
    )
    assert "spec.templates[0].dag: a list is not a mapping with tasks" in messages[0]
    assert "unknown variable" in messages[1]


def test_an_examination_shows_what_is_known_of_a_broken_workflow(tmp_path):
    _write(
        tmp_path,
        _HEAD
        + "spec:\n  entrypoint: main\n  templates:\n"
        + "    - {name: main, dag: {tasks: [{name: a, template: pod}, {name: b}]}}\n"
        + "    - {name: pod, container: {image: x, command: [work]}}\n",
    )
    examined = examine(tmp_path / "wf.yaml")
    assert examined.model is None
    assert examined.outline.pod_tasks() == {"a", "b"}


def test_retry_policies_are_those_that_argo_applies(tmp_path):
    loaded = _accept(
        tmp_path,
        """
        entrypoint: main
        onExit: bye
        templates:
          - name: main
            steps:
              - - {name: plain, template: never}
                - {name: counted, template: counted}
                - {name: asked, template: asked}
                - {name: chosen, template: chosen}
          - {name: never, container: {image: x, command: [work]}}
          - {name: bye, container: {image: x, command: [work]}}
          - {name: counted, retryStrategy: {limit: 1}, container: {image: x, command: [work]}}
          - name: asked
            retryStrategy: {expression: "lastRetry.exitCode != '2'"}
            container: {image: x, command: [work]}
          - name: chosen
            retryStrategy: {retryPolicy: OnError}
            container: {image: x, command: [work]}
        """,
    )
    assert loaded.retry_policies() == {
        "main": "Never",
        "bye": "Never",
        "plain": "Never",
        "counted": "OnFailure",
        "asked": "Always",
        "chosen": "OnError",
    }


def test_values_become_text_as_argo_makes_them():
    workflow = model.Workflow.model_validate(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": "wf"},
            "spec": {
                "entrypoint": "main",
                "arguments": {
                    "parameters": [
                        {"name": name, "value": value}
                        for name, value in {"a": 3, "b": True, "c": 1000.0, "d": 0.5}.items()
                    ]
                },
                "templates": [{"name": "main"}],
            },
        }
    )
    values = [one.value for one in workflow.spec.arguments.parameters]
    assert values == ["3", "true", "1000", "0.5"]


def test_no_table_of_fields_contradicts_the_models():
    classes = [
        item
        for item in vars(model).values()
        if isinstance(item, type) and getattr(item, "kind_of_object", "")
    ]
    kinds = {item.kind_of_object for item in classes}
    for table in (fields.FOREIGN, fields.UNSUPPORTED, fields.WITHOUT_EFFECT):
        assert set(table) <= kinds
    for item in classes:
        own = {field.alias or name for name, field in item.model_fields.items()}
        refused = set(fields.UNSUPPORTED.get(item.kind_of_object, {}))
        ignored = set(fields.WITHOUT_EFFECT.get(item.kind_of_object, {}))
        assert not refused & ignored
        assert not own & (refused | ignored), item


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("withItems: [1], §withParam: '[]'", "has withItems and withParam"),
        ("withParam: §hello", "is no JSON list"),
        ("§withSequence: {start: 1}", "give one of count and end"),
        ("withSequence: {count: §many}", "no whole number"),
        ("withSequence: {count: 2, format: §'%s'}", "exactly one of %d"),
        ("withItems: [§null]", "found null"),
        ("withParam: §'{{item}}'", "only the arguments and `when`"),
        ("hooks: {§soon: {template: pod}}", "needs an expression"),
        ("hooks: {exit: {template: §pood}}", 'did you mean "pod"?'),
        ("hooks: {x: {template: pod, expression: §'tasks.b.status == 1'}}", 'called "b"'),
        (
            "hooks: {exit: {template: pod, arguments: {parameters: "
            "[{name: x, value: §'{{item}}'}]}}}",
            "only the arguments and `when`",
        ),
    ],
)
def test_a_wrong_loop_or_hook_is_refused_where_it_is_wrong(tmp_path, task, says):
    (message,) = _refuse_tasks(tmp_path, f"name: a, template: pod, {task}")
    assert says in message


def test_results_of_loops_are_for_loops_and_continue_on_is_not_for_depends(tmp_path):
    messages = _refuse_tasks(
        tmp_path,
        "name: a, template: pod, §continueOn: {failed: true}",
        "name: b, template: pod, depends: §a.AnySucceeded",
        "name: c, template: pod, withItems: [1], depends: a",
        "name: d, template: pod, depends: c.AllFailed",
    )
    assert "no continueOn in a dag with depends" in messages[0]
    assert "only a task with a loop has this result" in messages[1]


def test_others_see_of_a_loop_only_what_it_gave(tmp_path):
    (message,) = _refuse_tasks(
        tmp_path,
        "name: a, template: pod, withItems: [{k: 1}], arguments: {parameters: "
        "[{name: x, value: '{{item.k}}'}]}",
        "name: b, template: pod, dependencies: [a], when: §'{{tasks.a.status}} == x'",
        "name: c, template: pod, dependencies: [a], withParam: '{{tasks.a.outputs.result}}'",
    )
    assert "others see only what all its items gave" in message


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("parallelism: 2", "only for dag and steps"),
        ("failFast: true", "only for dag and steps"),
    ],
)
def test_limits_are_for_dags_and_steps(tmp_path, key, says):
    (message,) = _refuse_template(tmp_path, f"§{key}\n{_POD}")
    assert says in message


def test_a_timeout_is_a_go_duration(tmp_path):
    (message,) = _refuse_template(tmp_path, f"timeout: §'30'\n{_POD}")
    assert message == 'timeout: "30" is no Go duration such as 30s or 1m30s'
    (message,) = _refuse_template(
        tmp_path, f"memoize: {{key: k, maxAge: §1d, cache: {{configMap: {{name: c}}}}}}\n{_POD}"
    )
    assert message.startswith('maxAge: "1d"')


def test_hooks_of_the_workflow_are_checked_as_its_exit_handler_is(tmp_path):
    spec = """
        entrypoint: main
        onExit: main
        hooks:
          §exit: {template: main, §expression: "true"}
          §begin: {template: main}
          end: {template: §mian, expression: §"workflow.stat == 'x'"}
        templates:
          - name: main
            container: {image: x, command: [work]}
        """
    messages = _refuse(tmp_path, spec)
    assert "onExit and hooks.exit are the same" in messages[0]
    assert "does not look at the expression" in messages[1]
    assert "needs an expression" in messages[2]
    assert 'did you mean "main"?' in messages[3]
    assert 'did you mean "workflow.status"?' in messages[4]


def test_hooks_have_names_of_their_own_among_the_pods(tmp_path):
    loaded = _accept(
        tmp_path,
        """
        entrypoint: main
        hooks: {exit: {template: bye}}
        templates:
          - name: main
            dag:
              tasks:
                - name: a
                  template: pod
                  hooks:
                    exit: {template: pod, arguments: {parameters: [
                      {name: s, value: "{{tasks.a.status}} {{tasks.a.outputs.parameters.o}}"}]}}
                    failed: {template: bye, expression: "tasks['a'].status == 'Failed'"}
          - name: pod
            retryStrategy: {retryPolicy: Always}
            outputs: {parameters: [{name: o, valueFrom: {path: /o}}]}
            container: {image: x, command: [work]}
          - name: bye
            container: {image: x, command: [work]}
        """,
    )
    outline = examine(tmp_path / "wf.yaml").outline
    assert outline.pod_tasks() == {"a", "a.onExit", "a.hooks.failed", "bye"}
    assert outline.has_file_outputs("a.onExit")
    assert not outline.has_file_outputs("a.hooks.failed")
    assert loaded.retry_policies()["a.onExit"] == "Always"


def test_a_hook_sees_of_its_task_the_status_and_the_output_parameters(tmp_path):
    (message,) = _refuse_tasks(
        tmp_path,
        "name: a, template: pod, hooks: {exit: {template: pod, arguments: {parameters: "
        "[{name: x, value: §'{{tasks.a.outputs.result}}'}]}}}",
    )
    assert "sees of its own vertex only the status and the output parameters" in message
