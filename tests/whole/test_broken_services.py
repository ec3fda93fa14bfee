"""Services that break requests off, fall silent, are gone, or say what is not so: whole runs."""

from __future__ import annotations

import pathlib
from typing import Any

import commands
import pytest
import yaml
from commands import SCENARIOS, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# What the receipt of each case must show, besides where the target was held.
_SHOWN = {
    "mid-upload": ["1 requests met it, the first UploadPart", "cut off"],
    "silent": ["canary before", "canary during: silent", "canary after"],
    "gone": ["canary before", "canary during: refused", "canary after", "exited 1"],
    "unanswered": ["the first CompleteMultipartUpload", "stored, and its answer cut off"],
    "late": ["the first CompleteMultipartUpload", "answered 200 with an error"],
    "narrow": ["bandwidth toxic", "canary during: +", "requests of train"],
    "resetting": ["reset_peer toxic", "canary during: reset"],
    "cut-while-training": ["timeout toxic", "canary during: silent"],
    "cut-while-registering": ["canary during: silent", "of register exited 1"],
}


def _said(trial: dict[str, Any]) -> str:
    (receipt,) = trial["receipts"]
    return " | ".join(ref["says"] for ref in receipt["evidence"])


@pytest.mark.parametrize("name", ["storage-faults", "network-faults"])
def test_the_pipeline_bears_every_fault_and_each_has_its_receipt(
    tmp_path: pathlib.Path, name: str
) -> None:
    ended = commands.run(SCENARIOS / f"{name}.yaml", tmp_path)
    assert ended.code == 0, ended.err
    trials = ended.executions()
    document = yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text())
    assert [one["case"] for one in trials] == [one["name"] for one in document["faults"]]
    for trial in trials:
        assert trial["valid"], ended.err
        for words in _SHOWN[trial["case"]]:
            assert words in _said(trial)


def _run_one(
    tmp_path: pathlib.Path, scenario: str, fault: str, pipeline: str, **options: Any
) -> Ended:
    """Run one fault of a shipped scenario against another pipeline."""
    document = yaml.safe_load((SCENARIOS / f"{scenario}.yaml").read_text())
    document["pipeline"]["workflow"] = str(SCENARIOS / "pipelines" / f"{pipeline}.yaml")
    document["controls"] = 1
    (chosen,) = [one for one in document["faults"] if one["name"] == fault]
    chosen["with"] |= options
    document["faults"] = [chosen]
    # How soon the rate is back is for a machine that does nothing else.
    document["expect"].pop("throughput-recovery", None)
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(document))
    return commands.run(tmp_path / "one.yaml", tmp_path / "reports")


_PUT_STATE = {"operation": "PutObject", "key": "/state-"}


@pytest.mark.parametrize(
    ("scenario", "fault", "options", "pipeline", "expectation", "cause"),
    [
        (
            "storage-faults",
            "mid-upload",
            {},
            "swallows-errors",
            "corruption",
            "marker-without-data",
        ),
        ("storage-faults", "late", {}, "trusts-status", "corruption", "marker-without-data"),
        (
            "network-faults",
            "cut-while-training",
            {},
            "swallows-errors",
            "corruption",
            "marker-without-data",
        ),
        ("storage-throttle", "refused", {}, "hot-retry", "requests-per-upload", "retry-storm"),
    ],
)
def test_a_careless_trainer_is_found_by_its_defect(
    tmp_path: pathlib.Path,
    scenario: str,
    fault: str,
    options: dict[str, Any],
    pipeline: str,
    expectation: str,
    cause: str,
) -> None:
    ended = _run_one(tmp_path, scenario, fault, pipeline, **options)
    assert ended.code == 1, ended.err
    assert {(one["expectation"], one["cause"]) for one in ended.verdicts(status="FAIL")} == {
        (expectation, cause)
    }
    (trial,) = ended.executions()
    assert trial["valid"], ended.err


def test_who_lost_an_answer_and_refuses_its_own_work_fails_the_workflow(
    tmp_path: pathlib.Path,
) -> None:
    ended = _run_one(tmp_path, "storage-faults", "unanswered", "refuses-standing", **_PUT_STATE)
    assert ended.code == 1, ended.err
    failed = {one["expectation"]: one for one in ended.verdicts(status="FAIL")}
    assert "outcome" in failed
    (trial,) = ended.executions()
    assert trial["valid"], ended.err
    assert trial["phase"] == "Failed"


@pytest.mark.parametrize("pipeline", ["resilient", "multipart"])
def test_who_lost_an_answer_and_reads_back_what_stands_goes_on(
    tmp_path: pathlib.Path, pipeline: str
) -> None:
    options = _PUT_STATE if pipeline == "resilient" else {}
    ended = _run_one(tmp_path, "storage-faults", "unanswered", pipeline, **options)
    assert ended.code == 0, ended.err


def test_a_throttled_pipeline_waits_and_recovers(tmp_path: pathlib.Path) -> None:
    ended = _run_one(tmp_path, "storage-throttle", "refused", "resilient", status=429)
    assert ended.code == 0, ended.err
    (trial,) = ended.executions()
    for words in ("the first PutObject", "refused with status 429", "tried again"):
        assert words in _said(trial)
    assert trial["measures"]["stall_s"] > 0.5
    assert trial["measures"]["throughput_recovery_s"] > 0


def test_a_fault_that_met_nobody_proves_nothing(tmp_path: pathlib.Path) -> None:
    ended = _run_one(tmp_path, "storage-faults", "late", "resilient", within="2s")
    assert ended.code == 3, ended.err
    (trial,) = ended.executions()
    (receipt,) = trial["receipts"]
    assert (trial["valid"], receipt["why_invalid"]) == (False, "nobody-disturbed")
    assert not ended.verdicts(status="FAIL")


# Any TCP service.


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

            def note(step):
                while True:
                    try:
                        with socket.create_connection((host, int(port)), timeout=1) as service:
                            service.sendall(b"step " + b"." * 2000 + b"\\n")
                            if service.makefile("rb").readline().startswith(b"noted"):
                                return
                    except OSError:
                        pass
                    time.sleep(0.05)

            probe.ready()
            for step in range(1, 41):
                note(step)
                time.sleep(0.05)
                probe.step(step, batch=[step], loss=1.0)
            probe.done(40)
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
  - name: cut
    inject: network.partition
    target: {task: train}
    when: {step: 10}
    with: {service: tracking, for: 2s}
  - name: resetting
    inject: network.reset
    target: {task: train}
    when: {step: 10}
    with: {service: tracking, for: 2s}
  - name: narrow
    inject: network.bandwidth
    target: {task: train}
    when: {step: 10}
    with: {service: tracking, rate: 8KB/s, stream: upstream, for: 3s}
controls: 1
deadline: 1m
expect: {resume: "off"}
"""


def test_any_tcp_service_can_be_cut_off_reset_and_narrowed(
    tmp_path: pathlib.Path, tracking: str
) -> None:
    (tmp_path / "pipeline.yaml").write_text(_PIPELINE % tracking)
    (tmp_path / "tracked.yaml").write_text(_SCENARIO % tracking)
    ended = commands.run(tmp_path / "tracked.yaml", tmp_path / "reports")
    assert not ended.verdicts(status="FAIL"), ended.err
    trials = {one["case"]: one for one in ended.executions()}
    assert all(one["valid"] for one in trials.values()), ended.err
    for case in ("cut", "resetting"):
        assert "train stood still for" in _said(trials[case])
    assert "traffic of train" in _said(trials["narrow"])
