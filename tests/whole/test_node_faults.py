"""Ends of nodes in the words of kubelets, Google's notices, nodes lost together or again."""

from __future__ import annotations

import pathlib

import commands
import pytest
from commands import SCENARIOS, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ONE_CONTROL = ("--set", "controls=1")
WORDS = {
    ("shut-down", "seen"): "train(0) Failed: Pod was terminated in response to imminent node shut",
    ("short-of-memory", "seen"): "train(0) Failed: The node was low on resource: memory. ",
    ("preempted", "seen"): "the target read the notice",
    ("preempted-unheard", "seen"): "the target read the notice",
    ("two-at-once", "gone"): "node node-2 struck, one of 2",
    ("taken-back-again", "restarted"): "node node-1 stopped",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("node-faults")
    return commands.run(SCENARIOS / "node-faults.yaml", folder, *ONE_CONTROL)


def resilient(folder: pathlib.Path, before: str, after: str) -> str:
    """Return a copy of the resilient pipeline with a change in it."""
    text = (SCENARIOS / "pipelines" / "resilient.yaml").read_text()
    assert text.count(before) == 1
    path = folder / "changed.yaml"
    path.write_text(text.replace(before, after))
    return str(path)


def test_the_resilient_pipeline_survives_all_that_happens_to_its_nodes(ended: Ended) -> None:
    assert ended.code == 0, ended.err
    assert ended.verdict["coverage"]["missing"] == {}
    assert all(one["took_effect"] for trial in ended.executions() for one in trial["receipts"])


@pytest.mark.parametrize(("case", "view"), WORDS)
def test_the_receipts_say_what_others_saw(ended: Ended, case: str, view: str) -> None:
    (receipts,) = [
        one["receipts"]
        for one in ended.executions()
        if (one["case"], one["receipts"][0]["observed_view"]) == (case, view)
    ]
    said = [ref["says"] for ref in receipts[0]["evidence"]]
    assert any(one.startswith(WORDS[case, view]) for one in said), said


def test_each_strike_of_a_case_has_a_receipt_of_its_own(ended: Ended) -> None:
    for trial in ended.executions():
        if trial["case"] == "taken-back-again":
            names = [one["injection"].partition(".")[2] for one in trial["receipts"]]
            assert names == ["taken-back-again", "taken-back-again.2"]
            places = [one["actual_place"] for one in trial["receipts"]]
            assert places[1] == "restore"


def test_a_policy_for_deleted_pods_alone_misses_what_a_kubelet_ends(tmp_path: pathlib.Path) -> None:
    policy = resilient(tmp_path, "retryPolicy: Always", "retryPolicy: OnError")
    scenario = commands.one_fault("node-faults.yaml", "shut-down", tmp_path)
    ended = commands.run(scenario, tmp_path / "r", "--pipeline", policy, *ONE_CONTROL)
    assert ended.code == 1, ended.err
    assert ended.causes()["failed-not-retried"] == {"shut-down/seen"}
    (passed,) = [
        one for one in ended.verdicts(checker="outcome", status="PASS", execution="trial/1")
    ]
    assert "Succeeded" in passed["message"]


def test_one_retry_does_not_outlast_two_reclaims(tmp_path: pathlib.Path) -> None:
    policy = resilient(tmp_path, 'limit: "10"', 'limit: "1"')
    scenario = commands.one_fault(
        "node-faults.yaml",
        "taken-back-again",
        tmp_path,
        ("capacity-returns-after: 0s}", "capacity-returns-after: 0s}\n    views: [seen]"),
    )
    ended = commands.run(scenario, tmp_path / "r", "--pipeline", policy, *ONE_CONTROL)
    assert ended.code == 1, ended.err
    assert ended.causes()["retries-exhausted"] == {"taken-back-again/seen/seen"}


def test_capacity_that_does_not_come_back_fails_nobody(tmp_path: pathlib.Path) -> None:
    scenario = commands.one_fault(
        "node-faults.yaml",
        "two-at-once",
        tmp_path,
        ("{nodes: 2, capacity-returns-after: 1s}", "{nodes: 2}"),
        ("deadline: 10m", "deadline: 30s"),
        ("mttr: {at-most: 3m}", "mttr: {at-most: 20s}"),
    )
    ended = commands.run(scenario, tmp_path / "r", *ONE_CONTROL)
    assert ended.code == 3, ended.err
    assert ended.causes() == {}
    assert "waiting-for-capacity" in ended.causes("UNKNOWN")
    (verdict,) = ended.verdicts(checker="outcome", execution="trial/1")
    assert "nodes are available" in verdict["message"]
