"""Faults at pods and nodes, run as a user does it: what a resilient pipeline makes of them."""

from __future__ import annotations

import pathlib

import commands
import pytest
from commands import SCENARIOS, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TRAIN = "    - name: train\n"
ONE_CONTROL = ("--set", "controls=1")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return commands.run(SCENARIOS / "pod-faults.yaml", tmp_path_factory.mktemp("pod-faults"))


def fault(name: str, folder: pathlib.Path, *changes: tuple[str, str]) -> pathlib.Path:
    """Return pod-faults.yaml with one of its faults, changed in its text."""
    return commands.one_fault("pod-faults.yaml", name, folder, *changes)


def test_the_resilient_pipeline_survives_all_that_happens_to_its_pods(ended: Ended) -> None:
    assert ended.code == 0, ended.err
    assert ended.verdict["coverage"]["missing"] == {}
    receipts = {one["case"]: one["receipts"][0] for one in ended.executions()}
    assert {case: one["took_effect"] for case, one in receipts.items()} == dict.fromkeys(
        ("evicted", "killed", "hung", "drained", "stopped", "rebooted"), True
    )


def test_the_receipts_say_what_others_saw(ended: Ended) -> None:
    said = {
        one["case"]: [ref["says"] for ref in one["receipts"][0]["evidence"]]
        for one in ended.executions()
    }
    expected = {
        "evicted": "evict of pod",
        "killed": "SIGKILL of pod",
        "hung": "in state T",
        "drained": "cordoned",
        "stopped": "stopped",
        "rebooted": "stopped",
    }
    assert {
        case: any(words in one for one in said[case]) for case, words in expected.items()
    } == dict.fromkeys(expected, True)


def test_a_hang_needs_a_deadline_of_the_pipelines_own(tmp_path: pathlib.Path) -> None:
    pipeline = tmp_path / "deadline.yaml"
    text = (SCENARIOS / "pipelines" / "resilient.yaml").read_text()
    assert text.count(TRAIN) == 1
    pipeline.write_text(
        text.replace(TRAIN, f"{TRAIN}      activeDeadlineSeconds: 5\n").replace(
            '"terminationGracePeriodSeconds": 100', '"terminationGracePeriodSeconds": 1'
        )
    )
    scenario = fault("hung", tmp_path, ("{for: 3s}", "{for: 300s}"))
    ended = commands.run(scenario, tmp_path / "r", "--pipeline", str(pipeline), *ONE_CONTROL)
    assert ended.code == 0, ended.err
    (trial,) = ended.executions()
    assert any("ended as it hung" in one["says"] for one in trial["receipts"][0]["evidence"])
    # The outage counts from the beginning of the hang.
    assert trial["measures"]["mttr_s"] > 2.0


def test_a_signal_that_was_to_be_survived_and_was_not_proves_nothing(
    tmp_path: pathlib.Path,
) -> None:
    options = "    when: {step: {between: [60, 180]}, settled: true}\n"
    scenario = fault(
        "killed", tmp_path, (options, f"{options}    with: {{signal: USR1, survives: true}}\n")
    )
    ended = commands.run(scenario, tmp_path / "r", *ONE_CONTROL)
    assert ended.code == 3, ended.err
    (trial,) = ended.executions()
    assert trial["receipts"][0]["why_invalid"] == "not-survived"
