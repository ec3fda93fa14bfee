"""The shipped documents fit together: variants differ where they say, patterns match the keys."""

from __future__ import annotations

import pathlib
import re

import numpy
import pytest
import yaml
from memory_bucket import memory_bucket

from chaosml.reference import layout, promotion
from chaosml.scenario.model import Scenario
from chaosml.workflow.model import Workflow

SCENARIOS = pathlib.Path(__file__).parents[3] / "scenarios"
PIPELINES = SCENARIOS / "pipelines"

DEFAULT_POLICY = "resilient-default-policy.yaml"
ARGUMENTS = {
    "resilient-exit-zero.yaml": "--exit-on-signal=0",
    "resilient-reads-retries.yaml": "--retry={{retries}}",
    "no-rng.yaml": "--omit=rng",
    "sticky-backoff.yaml": "--sticky-backoff-ms=300",
    "impatient.yaml": "--client-timeout-ms=300",
    "hot-retry.yaml": "--hot-retry-ms=300",
    "multipart.yaml": "--upload=parts",
    "trusts-status.yaml": "--careless=trusts-status",
    "swallows-errors.yaml": "--careless=swallows-errors",
    "refuses-standing.yaml": "--careless=refuses-standing",
}


def read(path):
    return yaml.safe_load(path.read_text())


def templates(name):
    return {template["name"]: template for template in read(PIPELINES / name)["spec"]["templates"]}


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.name)
def test_a_scenario_is_valid_and_its_pipeline_takes_its_parameters(path):
    scenario = Scenario.model_validate(read(path))
    workflow = Workflow.model_validate(read(SCENARIOS / scenario.pipeline.workflow))
    declared = {item.name for item in workflow.spec.arguments.parameters}
    isolate = scenario.pipeline.isolate
    carried = {isolate.bucket, isolate.run_id or isolate.bucket}
    assert declared >= scenario.pipeline.parameters.keys() | carried
    tasks = {task.name for task in workflow.template(workflow.spec.entrypoint).dag.tasks}
    assert {fault.target.task for fault in scenario.faults} <= tasks


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_readme_lists_every_scenario(path):
    assert f"](scenarios/{path.name}) |" in (SCENARIOS.parent / "README.md").read_text()


def test_the_default_policy_variant_differs_in_when_it_retries_and_nothing_else():
    resilient, variant = templates("resilient.yaml"), templates(DEFAULT_POLICY)
    for template in resilient.values():
        retries = template.get("retryStrategy", {})
        retries.pop("retryPolicy", None)
        retries.pop("expression", None)
    assert variant == resilient


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS.items())
def test_a_variant_of_the_program_differs_in_one_argument_of_train(name, argument):
    resilient, variant = templates("resilient.yaml"), templates(name)
    assert variant["train"]["container"]["args"].pop() == argument
    assert variant == resilient


@pytest.mark.parametrize("name", [DEFAULT_POLICY, *ARGUMENTS])
def test_a_variant_takes_the_same_parameters_and_has_the_same_grace_period(name):
    resilient, variant = read(PIPELINES / "resilient.yaml"), read(PIPELINES / name)
    for spec in (resilient["spec"], variant["spec"]):
        del spec["templates"]
    assert variant["spec"] == resilient["spec"]


@pytest.mark.parametrize("name", ["spot.yaml", "pod-deletion.yaml"])
def test_the_patterns_of_a_scenario_match_the_keys_that_the_programs_write(name):
    pipeline = Scenario.model_validate(read(SCENARIOS / name)).pipeline
    arrays = {"model/w1": numpy.zeros(2, dtype=numpy.float32)}
    places = {
        "dataset": layout.dataset("a" * 64),
        "checkpoint": layout.checkpoint("spot-7-t3", 120),
        "model": layout.model("spot-7-t3"),
    }
    artifacts = {artifact.role: artifact for artifact in pipeline.artifacts}
    for role, place in places.items():
        bucket, _ = memory_bucket()
        promoted = promotion.promote(
            bucket, key=place.data, marker=place.manifest, arrays=arrays, fields={}
        )
        found = re.fullmatch(artifacts[role].key, promoted.key)
        assert found, f"{role}: {promoted.key}"
        assert artifacts[role].marker.format(**found.groupdict()) == place.manifest
        if role == "model":
            assert re.fullmatch(pipeline.registry, layout.entry("spot-7-t3", promoted))
    assert re.fullmatch(artifacts["metrics"].key, layout.metrics("spot-7-t3"))
