"""Steps that run once more than they should, run as a user does it."""

from __future__ import annotations

import commands
import pytest
from commands import SCENARIOS, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

RERUNS = ("prepared-again", "trained-again", "registered-again")


@pytest.fixture(scope="module")
def resilient(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("resilient")
    return commands.run(SCENARIOS / "execution-faults.yaml", folder, "--set", "controls=1")


@pytest.fixture(scope="module")
def adhoc(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("adhoc")
    return commands.run(SCENARIOS / "execution-faults-adhoc.yaml", folder)


def said(ended: Ended, case: str) -> list[str]:
    """Return the evidence of every trial of a fault, in words."""
    return [
        ref["says"]
        for one in ended.executions()
        if one["case"] == case
        for ref in one["receipts"][0]["evidence"]
    ]


def test_idempotent_steps_leave_the_same_however_often_they_run(resilient: Ended) -> None:
    assert resilient.code == 0, resilient.err
    assert resilient.verdict["coverage"]["missing"] == {}
    views = {(one["case"], one["receipts"][0]["observed_view"]) for one in resilient.executions()}
    assert views == {
        (case, view)
        for case in (*RERUNS, "zombie", "late-zombie")
        for view in ("gone", "restarted")
    }


def test_the_receipts_show_the_second_execution_and_the_late_writes(resilient: Ended) -> None:
    for case in RERUNS:
        assert sum("executed again by pod" in one for one in said(resilient, case)) == 2
    for case in ("zombie", "late-zombie"):
        assert (
            sum("writes of the old attempt after that" in one for one in said(resilient, case)) == 2
        )


def test_a_registry_that_counts_holds_the_same_model_twice(adhoc: Ended) -> None:
    assert adhoc.code == 1, adhoc.err
    causes = adhoc.causes()
    assert causes["duplicate-registration"] == {"registered-again/restarted", None}
    assert causes["pod-deleted-not-retried"] == {"registered-again/gone", "late-zombie/gone"}


def test_an_old_attempt_wins_where_keys_are_written_over(adhoc: Ended) -> None:
    (verdict,) = [
        one
        for one in adhoc.verdicts(checker="corruption", cause="zombie-overwrote")
        if one["execution"] is not None
    ]
    case = {one["execution"]: commands.case_of(one) for one in adhoc.executions()}
    assert case[verdict["execution"]] == "late-zombie/restarted"
    assert "regressed-to-older-step" in verdict["measures"]["causes"]
