"""Workflows that refer to templates in further documents of their file."""

from __future__ import annotations

import textwrap

import pytest

from chaosml.errors import ScenarioError
from chaosml.workflow.load import examine, load
from chaosml.workflow.reducer import start

_WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: wf}
"""
_LIBRARY = """\
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: lib}
spec:
  entrypoint: flow
  arguments: {parameters: [{name: p, value: below}, {name: q, value: "2"}]}
  templates:
    - name: flow
      dag: {tasks: [{name: inner, template: pod}]}
    - name: pod
      container: {image: i, command: ["{{workflow.parameters.p}}"]}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _write(tmp_path, spec: str, *libraries: str):
    file = tmp_path / "wf.yaml"
    body = textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ")
    file.write_text(f"{_WORKFLOW}spec:\n{body}\n{''.join(libraries)}")
    return file


def _refuse(file) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load(file)
    return [str(problem) for problem in caught.value.problems]


def _started(loaded, parameters=None):
    return start(loaded.model, name="wf", uid="u", parameters=parameters or {}, at_ns=0).state


_CALL = """
entrypoint: main
arguments: {parameters: [{name: p, value: mine}]}
templates:
  - name: main
    dag:
      tasks:
        - {name: a, templateRef: {name: lib, template: flow}}
        - name: b
          dependencies: [a]
          templateRef: {name: lib, template: pod}
"""


def test_a_task_runs_a_template_of_another_document_and_what_that_calls(tmp_path):
    state = _started(load(_write(tmp_path, _CALL, _LIBRARY)))
    (spec,) = state.specs.values()
    assert (spec.vertex, spec.template, spec.command) == ("wf.a.inner", "pod", ("mine",))
    assert spec.pod.startswith("wf-pod-")
    assert state.vertices["wf.a"].template == "flow"


def test_a_cluster_workflow_template_and_hooks_are_referred_to_alike(tmp_path):
    library = _LIBRARY.replace("kind: WorkflowTemplate", "kind: ClusterWorkflowTemplate")
    call = """
    entrypoint: main
    arguments: {parameters: [{name: p, value: mine}]}
    hooks: {exit: {templateRef: {name: lib, template: pod, clusterScope: true}}}
    templates:
      - name: main
        steps: [[{name: a, templateRef: {name: lib, template: pod, clusterScope: true}}]]
    """
    loaded = load(_write(tmp_path, call, library))
    assert loaded.retry_policies() == {"pod": "Never", "main": "Never", "a": "Never"}
    assert "wf[0].a" in _started(loaded).vertices


def test_a_workflow_says_more_than_the_template_it_refers_to_and_wins(tmp_path):
    spec = """
    workflowTemplateRef: {name: lib}
    arguments: {parameters: [{name: p, value: above}]}
    parallelism: 3
    """
    loaded = load(_write(tmp_path, spec, _LIBRARY))
    assert loaded.model.spec.entrypoint == "flow"
    assert loaded.model.spec.parallelism == 3
    values = {one.name: one.value for one in loaded.model.spec.arguments.parameters}
    assert values == {"p": "above", "q": "2"}
    (pod,) = _started(loaded).specs.values()
    assert pod.command == ("above",)


def test_what_is_wrong_in_another_document_is_shown_in_its_line(tmp_path):
    library = _LIBRARY.replace("workflow.parameters.p", "workflow.parameters.z")
    file = _write(tmp_path, _CALL, library)
    line = (
        file.read_text()
        .splitlines()
        .index('      container: {image: i, command: ["{{workflow.parameters.z}}"]}')
    )
    (problem,) = _refuse(file)
    assert problem.startswith(f"wf.yaml:{line + 1}:39: {{{{workflow.parameters.z}}}}")


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("{name: lob, template: pod}", 'called "lob"; did you mean "lib"?'),
        ("{name: lib, template: pood}", 'no template called "pood"; did you mean "pod"?'),
        ("{name: lib}", "a mapping with name, template"),
        ("{name: lib, template: pod, clusterScope: true}", "no ClusterWorkflowTemplate in this"),
        ("{name: lib, template: pod}, template: main", "template or templateRef, not both"),
    ],
)
def test_a_reference_to_nothing_is_refused_where_it_stands(tmp_path, reference, says):
    call = f"""
    entrypoint: main
    arguments: {{parameters: [{{name: p, value: mine}}]}}
    templates:
      - name: main
        dag:
          tasks:
            - {{name: a, templateRef: {reference}}}
    """
    (problem,) = _refuse(_write(tmp_path, call, _LIBRARY))
    assert problem.startswith("wf.yaml:11:")
    assert says in problem


def test_a_workflow_with_a_reference_has_no_templates_of_its_own(tmp_path):
    spec = """
    workflowTemplateRef: {name: lib}
    entrypoint: main
    templates: [{name: main, container: {image: i, command: [c]}}]
    """
    (problem,) = _refuse(_write(tmp_path, spec, _LIBRARY))
    assert "has no templates of its own" in problem


@pytest.mark.parametrize(
    ("library", "says"),
    [
        (_LIBRARY.replace("WorkflowTemplate", "ConfigMap"), "found kind: ConfigMap"),
        (_LIBRARY.replace("{name: lib}", "{}"), "needs metadata.name and spec"),
        (_LIBRARY.replace("v1alpha1", "v2"), "Argo's is argoproj.io/v1alpha1"),
        (f"---\n{_WORKFLOW}spec: {{}}\n", "found kind: Workflow"),
    ],
)
def test_a_document_that_no_workflow_can_refer_to_is_refused(tmp_path, library, says):
    (problem,) = _refuse(_write(tmp_path, _CALL, library))
    assert says in problem


def test_templates_of_a_library_may_call_themselves_only_with_a_condition(tmp_path):
    library = _LIBRARY.replace("template: pod}", "template: flow}")
    problems = _refuse(_write(tmp_path, _CALL, library))
    assert any("contain one another without an end" in problem for problem in problems)


def test_empty_documents_do_not_count(tmp_path):
    spec = "entrypoint: main\ntemplates: [{name: main, container: {image: i, command: [c]}}]"
    file = _write(tmp_path, spec, "---\n")
    assert examine(file).model is not None
