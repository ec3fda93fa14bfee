"""The overlay adds what was asked for, and changes nothing else of a document."""

from __future__ import annotations

import copy
import pathlib
import re
from typing import Any

import pytest

from chaosml.errors import ScenarioError
from chaosml.substrates.kubernetes.overlay import Overlay, compose, diff, label_value
from chaosml.substrates.protocol import Submission
from chaosml.workflow.protocol import EnvironmentVariable

VARIABLES = (
    EnvironmentVariable("CHAOSML_POD", field="metadata.uid"),
    EnvironmentVariable("AWS_ACCESS_KEY_ID", value="$(CHAOSML_POD)"),
)
OVERLAY = Overlay(name="spot-t1", run="reports-2026-7", environment=VARIABLES)
RENDERED = [
    {"name": "CHAOSML_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    {"name": "AWS_ACCESS_KEY_ID", "value": "$(CHAOSML_POD)"},
]


def document(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "digits-", "labels": {"team": "vision"}},
        "spec": {"entrypoint": "main", "podSpecPatch": '{"a": 1}', **spec},
    }


def test_every_container_of_every_template_gets_the_variables_first() -> None:
    inline = {"container": {"image": "inline"}}
    workflow = OVERLAY.apply(
        document(
            templates=[
                {"name": "main", "dag": {"tasks": [{"name": "a", "inline": inline}]}},
                {"name": "steps", "steps": [[{"name": "b", "inline": {"script": {"image": "s"}}}]]},
                {"name": "one", "container": {"image": "c", "env": [{"name": "X", "value": "1"}]}},
                {"name": "two", "script": {"image": "s", "source": "pass"}},
                {
                    "name": "three",
                    "containerSet": {"containers": [{"name": "x"}, {"name": "y"}]},
                    "initContainers": [{"name": "init"}],
                    "sidecars": [{"name": "side"}],
                },
            ]
        )
    )
    dag, steps, one, two, three = workflow["spec"]["templates"]
    containers = [
        dag["dag"]["tasks"][0]["inline"]["container"],
        steps["steps"][0][0]["inline"]["script"],
        one["container"],
        two["script"],
        *three["containerSet"]["containers"],
        *three["initContainers"],
        *three["sidecars"],
    ]
    assert [container["env"][:2] for container in containers] == [RENDERED] * 8
    assert one["container"]["env"][2:] == [{"name": "X", "value": "1"}]


def test_a_variable_of_the_document_with_the_same_name_gives_way() -> None:
    theirs = [{"name": "AWS_ACCESS_KEY_ID", "value": "real"}, {"name": "X", "value": "1"}]
    workflow = OVERLAY.apply(
        document(templates=[{"name": "main", "container": {"image": "i", "env": theirs}}])
    )
    env = workflow["spec"]["templates"][0]["container"]["env"]
    assert env == [*RENDERED, {"name": "X", "value": "1"}]


def test_templates_that_share_an_environment_by_an_anchor_each_get_the_variables_once() -> None:
    shared = [{"name": "X", "value": "1"}]
    templates = [{"name": name, "container": {"env": shared}} for name in ("a", "b")]
    workflow = OVERLAY.apply(document(templates=templates))
    for template in workflow["spec"]["templates"]:
        assert template["container"]["env"] == [*RENDERED, *shared]


def test_identity_labels_and_parameters_are_set_and_garbage_collection_is_postponed() -> None:
    parameters = [{"name": "steps", "value": "1"}, {"name": "kept", "value": "k"}]
    overlay = Overlay(name="spot-t1", run="r", parameters={"steps": "240"})
    workflow = overlay.apply(
        document(
            templates=[{"name": "main", "suspend": {}}],
            podGC={"strategy": "OnPodCompletion"},
            arguments={"parameters": parameters},
        )
    )
    labels = {"chaosml.dev/run": "r", "chaosml.dev/execution": "spot-t1"}
    assert workflow["metadata"] == {"name": "spot-t1", "labels": {"team": "vision", **labels}}
    spec = workflow["spec"]
    assert "podGC" not in spec
    assert spec["podMetadata"] == {"labels": labels}
    assert spec["arguments"]["parameters"] == [
        {"name": "steps", "value": "240"},
        {"name": "kept", "value": "k"},
    ]


def test_the_given_document_stays_as_it_is_and_the_rest_passes_unchanged() -> None:
    given = document(templates=[{"name": "main", "container": {"image": "i"}}], onExit="bye")
    before = copy.deepcopy(given)
    workflow = OVERLAY.apply(given)
    assert given == before
    spec = workflow["spec"]
    assert (spec["entrypoint"], spec["podSpecPatch"], spec["onExit"]) == ("main", '{"a": 1}', "bye")
    assert set(spec) == {"entrypoint", "podSpecPatch", "onExit", "templates", "podMetadata"}


def test_the_difference_shows_only_what_the_overlay_changes() -> None:
    given = document(templates=[{"name": "main", "container": {"image": "i"}}])
    changed = [
        line
        for line in diff(given, OVERLAY.apply(given)).splitlines()
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert "-  generateName: digits-" in changed
    assert "+  name: spot-t1" in changed
    assert any("CHAOSML_POD" in line for line in changed)
    assert not any("image" in line or "entrypoint" in line for line in changed)


def test_a_label_holds_the_end_of_a_name_that_is_too_long() -> None:
    assert label_value("a/b") == "a-b"
    value = label_value("x" * 80 + "-20261125T030415Z-77")
    assert len(value) <= 63
    assert value.endswith("20261125T030415Z-77")
    assert label_value("--" + "y" * 61) == "y" * 61


LIBRARY = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: spot-}
spec:
  entrypoint: main
  hooks: {exit: {templateRef: {name: tools, template: notify}}}
  templates:
    - name: main
      dag:
        tasks:
          - {name: a, templateRef: {name: tools, template: train}}
          - {name: b, templateRef: {name: shared, template: train, clusterScope: true}}
          - {name: c, template: notify}
    - {name: notify, container: {image: mine}}
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: tools}
spec:
  templates:
    - {name: train, container: {image: theirs}}
    - {name: notify, steps: [[{name: s, template: train}]]}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterWorkflowTemplate
metadata: {name: shared}
spec: {templates: [{name: train, container: {image: everybodys}}]}
"""
REFERRING = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: spot-}
spec:
  workflowTemplateRef: {name: tools}
  arguments: {parameters: [{name: steps, value: "1"}]}
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: tools}
spec:
  entrypoint: train
  arguments: {parameters: [{name: steps, value: "9"}, {name: rate, value: "2"}]}
  templates: [{name: train, container: {image: theirs}}]
"""


def submitted(text: str, folder: pathlib.Path, **parameters: str) -> dict[str, Any]:
    file = folder / "workflow.yaml"
    file.write_text(text)
    submission = Submission(
        name="spot-t1", workflow_file=file, parameters=parameters, overlay=VARIABLES, logs=folder
    )
    return compose(submission, "r1")


def test_templates_of_others_are_put_in_and_get_the_overlay_too(tmp_path: pathlib.Path) -> None:
    spec = submitted(LIBRARY, tmp_path)["spec"]
    templates = {one["name"]: one for one in spec["templates"]}
    tasks = {one["name"]: one for one in templates["main"]["dag"]["tasks"]}
    assert not [one for one in tasks.values() if "templateRef" in one]
    images = {name: templates[one["template"]]["container"] for name, one in tasks.items()}
    assert {name: one["image"] for name, one in images.items()} == {
        "a": "theirs",
        "b": "everybodys",
        "c": "mine",
    }
    assert all(one["env"][:2] == RENDERED for one in images.values())
    # A name that is taken gets another one; the one that is called inside follows.
    hook = templates[spec["hooks"]["exit"]["template"]]
    assert hook["name"] != "notify"
    assert templates[hook["steps"][0][0]["template"]]["container"]["image"] == "theirs"
    assert all(re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9]*", name) for name in templates)


def test_a_template_of_others_keeps_its_name_where_it_is_free(tmp_path: pathlib.Path) -> None:
    spec = submitted(LIBRARY, tmp_path)["spec"]
    assert sorted(one["name"] for one in spec["templates"])[:1] == ["cluster-shared-train"]
    assert "train" in [one["name"] for one in spec["templates"]]


def test_a_workflow_that_is_all_reference_is_submitted_whole(tmp_path: pathlib.Path) -> None:
    spec = submitted(REFERRING, tmp_path, steps="240")["spec"]
    assert "workflowTemplateRef" not in spec
    assert spec["entrypoint"] == "train"
    values = {one["name"]: one["value"] for one in spec["arguments"]["parameters"]}
    assert values == {"steps": "240", "rate": "2"}
    assert spec["templates"][0]["container"]["env"][:2] == RENDERED


def test_a_reference_to_what_the_file_does_not_hold_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ScenarioError, match='no WorkflowTemplate in this file is called "tools"'):
        submitted(REFERRING.partition("---")[0], tmp_path)
