"""Templates that only the cluster has: fetched, kept with the workflow, missed by their names."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from chaosml.document import read_all
from chaosml.errors import UsageError
from chaosml.runner import cluster_templates
from chaosml.runner.options import RunOptions
from chaosml.substrates.kubernetes import api as kubernetes_api
from chaosml.workflow import load as workflow_load
from chaosml.workflow.libraries import Reference, missing
from tests.unit.substrates.kubernetes_fakes import FakeApi

GROUP = "/apis/argoproj.io/v1alpha1"
NAMED = f"{GROUP}/namespaces/ml/workflowtemplates"
SCENARIO = """
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: referring}
pipeline: {workflow: pipelines/main.yaml}
"""
WORKFLOW = """
# A comment of the user's.
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: referring-}
spec:
  entrypoint: main
  templates:
    - name: main
      dag:
        tasks:
          - {name: a, templateRef: {name: tools, template: train}}
          - {name: b, templateRef: {name: shared, template: echo, clusterScope: true}}
"""
WHOLE = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: whole-}
spec: {entrypoint: main, templates: [{name: main, container: {image: i, command: [c]}}]}
"""


def library(name: str, *templates: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": "17", "labels": {"team": "x"}}
    return {"metadata": metadata, "spec": {"templates": list(templates)}}


def container(name: str) -> dict[str, Any]:
    return {"name": name, "container": {"image": "i", "command": ["yes"], "args": ["1_0", "no"]}}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    api = FakeApi()
    calls = {"name": "s", "templateRef": {"name": "deep", "template": "echo"}}
    api.objects = {
        f"{NAMED}/tools": library("tools", {"name": "train", "steps": [[calls]]}),
        f"{NAMED}/deep": library("deep", container("echo")),
        f"{GROUP}/clusterworkflowtemplates/shared": library("shared", container("echo")),
    }
    monkeypatch.setattr(kubernetes_api, "KubernetesApi", lambda context: api)
    return api


@pytest.fixture
def scenario(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "main.yaml").write_text(WORKFLOW)
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


OPTIONS = RunOptions(on="cluster", context="staging", namespace="ml")


def test_what_a_file_refers_to_and_does_not_hold_is_known(scenario: pathlib.Path) -> None:
    found = missing(read_all(scenario.parent / "pipelines" / "main.yaml"))
    assert found == (
        Reference("ClusterWorkflowTemplate", "shared"),
        Reference("WorkflowTemplate", "tools"),
    )


def test_templates_of_the_cluster_are_taken_in_with_those_that_they_refer_to(
    api: FakeApi, scenario: pathlib.Path
) -> None:
    with cluster_templates.completed(scenario, OPTIONS) as options:
        assert options.pipeline is not None
        assert options.pipeline.name == "main.yaml"
        text = options.pipeline.read_text()
        documents = read_all(options.pipeline)
        loaded = workflow_load.load(options.pipeline)
    # The user's own lines stay where they are, so that problems name the right ones.
    assert text.startswith(WORKFLOW.rstrip("\n"))
    assert missing(documents) == ()
    assert {str(one.get(("metadata", "name"))) for one in documents[1:]} == {
        "tools",
        "shared",
        "deep",
    }
    assert text.count("sha256") == 3
    assert "resourceVersion 17" in text
    names = {template.name for template in loaded.model.spec.templates}
    assert {"main", "tools/train", "deep/echo", "cluster:shared/echo"} <= names
    echo = loaded.model.template("deep/echo")
    assert echo.container is not None
    # Text that YAML 1.1 takes for something else stays text.
    assert (echo.container.command, echo.container.args) == (("yes",), ("1_0", "no"))
    assert not options.pipeline.exists()


def test_the_same_template_gives_the_same_bytes_and_a_changed_one_others(
    api: FakeApi, scenario: pathlib.Path
) -> None:
    def whole() -> bytes:
        with cluster_templates.completed(scenario, OPTIONS) as options:
            assert options.pipeline is not None
            return options.pipeline.read_bytes()

    before = whole()
    assert whole() == before
    api.objects[f"{NAMED}/deep"] = library("deep", container("echo") | {"parallelism": 1})
    assert whole() != before


def test_a_template_that_is_nowhere_is_named_with_where_it_was_looked_for(
    api: FakeApi, scenario: pathlib.Path
) -> None:
    del api.objects[f"{NAMED}/deep"]
    words = 'no WorkflowTemplate "deep" in the file, nor in the namespace ml of the context staging'
    with (
        pytest.raises(UsageError, match=words),
        cluster_templates.completed(scenario, OPTIONS),
    ):
        pass


@pytest.mark.parametrize("on", ["embedded", "cluster"])
def test_nobody_is_asked_where_nothing_lacks_or_nothing_can_be_asked(
    api: FakeApi, scenario: pathlib.Path, on: str
) -> None:
    options = RunOptions(on=on, context="staging", namespace="ml")
    if on == "cluster":
        (scenario.parent / "pipelines" / "main.yaml").write_text(WHOLE)
    with cluster_templates.completed(scenario, options) as completed:
        assert completed is options
    assert api.asked == []


def test_what_cannot_be_read_is_left_for_the_loading_to_name(
    api: FakeApi, scenario: pathlib.Path
) -> None:
    (scenario.parent / "pipelines" / "main.yaml").write_text("a: [")
    with cluster_templates.completed(scenario, OPTIONS) as completed:
        assert completed is OPTIONS
