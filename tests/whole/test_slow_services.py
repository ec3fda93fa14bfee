"""Services that are slow for a while, on the way that a Toxiproxy stands in: run as a user does."""

from __future__ import annotations

import pathlib
from typing import Any

import commands
import pytest
import yaml
from commands import SCENARIOS, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# How soon the rate is back is for a machine that does nothing else; others run tests here.
_PATIENT = {"at-most": "30s"}


def _run(scenario: str, reports: pathlib.Path, *options: str) -> Ended:
    return commands.run(SCENARIOS / f"{scenario}.yaml", reports, *options)


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return _run("storage-throttle", tmp_path_factory.mktemp("throttle"))


def _slow(ended: Ended) -> list[dict[str, Any]]:
    """Return the trials in which the store was slow; in the other one it refused."""
    trials = [one for one in ended.executions() if one["case"] != "refused"]
    assert [one["case"] for one in trials] == ["late", "slow"]
    return trials


def _assert_not_failed(ended: Ended) -> None:
    """Fail unless everything holds but, on a busy machine, the speed."""
    assert not ended.verdicts(status="FAIL"), ended.err
    open_ = {one["expectation"] for one in ended.verdicts(status="UNKNOWN")}
    assert open_ <= {"throughput-recovery"}, ended.err


def test_the_resilient_pipeline_outlives_a_slow_store(throttled: Ended):
    _assert_not_failed(throttled)
    assert all(trial["valid"] for trial in throttled.executions())
    assert all(trial["measures"]["attempts"] == 1 for trial in _slow(throttled))


def test_a_slow_store_was_felt_by_a_canary_and_by_the_training(throttled: Ended):
    for trial in _slow(throttled):
        (receipt,) = trial["receipts"]
        said = " | ".join(ref["says"] for ref in receipt["evidence"])
        for words in ("canary before", "canary during", "canary after", "requests of train"):
            assert words in said


def test_an_attempt_that_was_refused_is_lost_and_the_next_one_goes_on(throttled: Ended):
    (refused,) = [one for one in throttled.executions() if one["case"] == "refused"]
    assert refused["measures"]["attempts"] > 1
    assert 0 < refused["measures"]["lost_steps"] <= 20


def test_the_figures_show_what_the_throttle_did(throttled: Ended):
    for trial in _slow(throttled):
        measures = trial["measures"]
        assert measures["steps_per_s_during"] < 0.8 * measures["steps_per_s_control"]
        assert measures["stall_s"] > 0.3


def test_the_network_may_be_slow_at_training_and_at_registration(tmp_path: pathlib.Path):
    ended = _run("network-latency", tmp_path)
    _assert_not_failed(ended)
    assert [trial["case"] for trial in ended.executions()] == [
        "while-training",
        "while-registering",
    ]
    assert all(trial["valid"] for trial in ended.executions())


@pytest.mark.parametrize(
    ("variant", "expectation", "cause"),
    [
        ("sticky-backoff", "throughput-recovery", "never-recovered"),
        ("impatient", "lost-steps", "too-many-steps-lost"),
        ("hot-retry", "requests-per-upload", "retry-storm"),
    ],
)
def test_a_trainer_that_a_slow_network_breaks_is_found_by_its_defect(
    tmp_path: pathlib.Path, variant: str, expectation: str, cause: str
):
    document = yaml.safe_load((SCENARIOS / "network-latency.yaml").read_text())
    document["pipeline"]["workflow"] = str(SCENARIOS / "pipelines" / f"{variant}.yaml")
    document["faults"] = document["faults"][:1]
    document["controls"] = 1
    if variant != "sticky-backoff":
        document["expect"]["throughput-recovery"] = _PATIENT
    (tmp_path / "slow.yaml").write_text(yaml.safe_dump(document))
    ended = commands.run(tmp_path / "slow.yaml", tmp_path / "reports")
    assert ended.code == 1, ended.err
    found = {one["expectation"]: one["cause"] for one in ended.verdicts(status="FAIL")}
    assert found == {expectation: cause}


_PIPELINE = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: tracked-}
spec:
  entrypoint: train
  arguments: {parameters: [{name: bucket}]}
  templates:
    - name: train
      container:
        image: python:3.11-slim
        command: [python, -u, -c]
        args:
          - |
            import os, socket, time
            from chaosml import probe
            host, _, port = os.environ["TRACKING"].rpartition(":")
            service = socket.create_connection((host, int(port))).makefile("rwb")
            probe.ready()
            for step in range(1, 61):
                service.write(b"step\\n")
                service.flush()
                service.readline()
                time.sleep(0.05)
                probe.step(step, batch=[step], loss=1.0)
            probe.done(60)
        env: [{name: TRACKING, value: "%s"}]
"""
_SCENARIO = """\
apiVersion: chaosml.dev/v1
kind: Scenario
metadata: {name: tracked}
pipeline: {workflow: pipeline.yaml, isolate: {bucket: bucket}}
services:
  tracking: {upstream: '%s', environment: TRACKING}
faults:
  - name: late
    inject: network.latency
    target: {task: train}
    when: {step: 15}
    with: {service: tracking, latency: 200ms, for: 2s}
controls: 1
deadline: 1m
expect: {resume: "off", throughput-recovery: {at-most: 30s}}
"""


def test_any_tcp_service_can_be_made_slow(tmp_path: pathlib.Path, tracking: str):
    (tmp_path / "pipeline.yaml").write_text(_PIPELINE % tracking)
    (tmp_path / "tracked.yaml").write_text(_SCENARIO % tracking)
    ended = commands.run(tmp_path / "tracked.yaml", tmp_path / "reports")
    (trial,) = ended.executions()
    assert trial["valid"], ended.err
    (receipt,) = trial["receipts"]
    assert any("traffic of train" in ref["says"] for ref in receipt["evidence"])
    measures = trial["measures"]
    assert measures["steps_per_s_during"] < 0.5 * measures["steps_per_s_control"]
    assert not ended.verdicts(status="FAIL"), ended.err
