"""Whatever a document holds: the overlay changes the fields that it names, and no other."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chaosml.substrates.kubernetes.overlay import EXECUTION_LABEL, RUN_LABEL, Overlay
from chaosml.workflow.protocol import EnvironmentVariable

OVERLAY = Overlay(
    name="spot-t1",
    run="spot-RUN-1",
    environment=(
        EnvironmentVariable("CHAOSML_POD", field="metadata.uid"),
        EnvironmentVariable("AWS_ENDPOINT_URL_S3", value="http://gate:1"),
    ),
    environments={"train": (EnvironmentVariable("AWS_ENDPOINT_URL_S3", value="http://proxy:2"),)},
    parameters={"bucket": "b1", "run-id": "r1"},
)
OURS = {"CHAOSML_POD", "AWS_ENDPOINT_URL_S3"}

word = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
leaf = st.none() | st.booleans() | st.integers(-5, 5) | word
anything = st.recursive(
    leaf,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(word, inner, max_size=2),
    max_leaves=5,
)
variable = st.fixed_dictionaries({"name": word | st.sampled_from(sorted(OURS)), "value": word})
container = st.fixed_dictionaries(
    {"image": word}, optional={"env": st.lists(variable, max_size=3), "resources": anything}
)
named = st.lists(
    st.fixed_dictionaries({"name": word, "image": word}, optional={"env": st.lists(variable)}),
    max_size=2,
)
pod = st.fixed_dictionaries(
    {"name": st.sampled_from(["train", "other"]), "container": container},
    optional={
        "sidecars": named,
        "initContainers": named,
        "podSpecPatch": word,
        "retryStrategy": anything,
        "metadata": anything,
    },
)
task = st.fixed_dictionaries(
    {"name": word}, optional={"template": word, "when": word, "inline": pod, "hooks": st.just({})}
)
grouping = st.fixed_dictionaries(
    {"name": word}, optional={"dag": st.fixed_dictionaries({"tasks": st.lists(task, max_size=2)})}
)
parameter = st.fixed_dictionaries(
    {"name": word | st.sampled_from(["bucket", "run-id"])}, optional={"value": word}
)
spec = st.fixed_dictionaries(
    {"templates": st.lists(pod | grouping, max_size=3)},
    optional={
        "entrypoint": word,
        "podGC": anything,
        "arguments": st.fixed_dictionaries(
            {"parameters": st.lists(parameter, max_size=3, unique_by=lambda one: one["name"])}
        ),
        "podMetadata": st.fixed_dictionaries({"labels": st.dictionaries(word, word, max_size=2)}),
        "podSpecPatch": word,
        "ttlStrategy": anything,
        "volumes": anything,
    },
)
document = st.fixed_dictionaries(
    {"apiVersion": word, "kind": st.just("Workflow"), "spec": spec},
    optional={
        "metadata": st.fixed_dictionaries(
            {}, optional={"generateName": word, "name": word, "labels": st.just({"team": "x"})}
        ),
    },
)


def containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for template in spec["templates"]:
        inlined = [
            one["inline"] for one in template.get("dag", {}).get("tasks", ()) if "inline" in one
        ]
        for one in [template, *inlined]:
            yield from [one["container"]] if "container" in one else []
            yield from [*one.get("sidecars", ()), *one.get("initContainers", ())]


def without_the_named_fields(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return a document without everything that the overlay may change."""
    left = copy.deepcopy(workflow)
    metadata = left.pop("metadata", {})
    left["labels"] = {
        key: value
        for key, value in metadata.get("labels", {}).items()
        if key not in (RUN_LABEL, EXECUTION_LABEL)
    }
    spec = left["spec"]
    spec.pop("podGC", None)
    labels = spec.pop("podMetadata", {}).get("labels", {})
    left["pod labels"] = {
        key: value for key, value in labels.items() if key not in (RUN_LABEL, EXECUTION_LABEL)
    }
    parameters = spec.pop("arguments", {}).get("parameters", [])
    left["parameters"] = [one for one in parameters if one["name"] not in OVERLAY.parameters]
    for one in containers(spec):
        env = one.pop("env", [])
        one["left"] = [item for item in env if item["name"] not in OURS]
    return left


@given(document)
def test_nothing_but_the_named_fields_changes(before: dict[str, Any]) -> None:
    untouched = copy.deepcopy(before)
    after = OVERLAY.apply(before)
    assert before == untouched
    assert without_the_named_fields(after) == without_the_named_fields(before)


@given(document)
def test_the_named_fields_are_what_the_run_needs(before: dict[str, Any]) -> None:
    after = OVERLAY.apply(before)
    assert after["metadata"]["name"] == "spot-t1"
    assert "generateName" not in after["metadata"]
    labels = {RUN_LABEL: "spot-RUN-1", EXECUTION_LABEL: "spot-t1"}
    assert after["metadata"]["labels"].items() >= labels.items()
    assert after["spec"]["podMetadata"]["labels"].items() >= labels.items()
    assert "podGC" not in after["spec"]
    given_ = {one["name"]: one.get("value") for one in after["spec"]["arguments"]["parameters"]}
    assert given_.items() >= OVERLAY.parameters.items()
    for one in containers(after["spec"]):
        assert [item["name"] for item in one["env"][:2]] == ["CHAOSML_POD", "AWS_ENDPOINT_URL_S3"]
        assert sum(item["name"] in OURS for item in one["env"]) == 2


@given(document)
def test_only_the_template_that_is_sent_through_a_proxy_gets_its_address(
    before: dict[str, Any],
) -> None:
    after = OVERLAY.apply(before)
    for template in after["spec"]["templates"]:
        if "container" in template:
            address = template["container"]["env"][1]["value"]
            assert (address == "http://proxy:2") is (template["name"] == "train")
