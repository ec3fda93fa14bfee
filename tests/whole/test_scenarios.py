"""The scenarios of the project, run and judged as a user does it."""

from __future__ import annotations

import pathlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import commands
import pytest
from commands import SCENARIOS, Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

_PARTS = ("detect_s", "reschedule_s", "start_s", "restore_s", "catch_up_s")
# Pod-seconds are few here, and other tests may have the processors: what waste is, is tested
# elsewhere.
_ANY_WASTE = ("--set", "expect.compute-waste.at-most=1000%")


@pytest.fixture(scope="module")
def spot(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    reports = tmp_path_factory.mktemp("spot")
    return commands.run(SCENARIOS / "spot.yaml", reports, *_ANY_WASTE)


@pytest.fixture(scope="module")
def adhoc(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    reports = tmp_path_factory.mktemp("adhoc")
    return commands.run(SCENARIOS / "spot-adhoc.yaml", reports, *_ANY_WASTE)


@pytest.fixture(scope="module")
def deletion(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ended]:
    """Run pod-deletion.yaml with a variant of the pipeline, each variant once."""
    ended: dict[str, Ended] = {}

    def run(variant: str = "resilient") -> Ended:
        if variant not in ended:
            pipeline = SCENARIOS / "pipelines" / f"{variant}.yaml"
            ended[variant] = commands.run(
                SCENARIOS / "pod-deletion.yaml",
                tmp_path_factory.mktemp(variant),
                *_ANY_WASTE,
                *("--pipeline", str(pipeline)),
            )
        return ended[variant]

    return run


def _outcomes(ended: Ended) -> dict[str | None, str]:
    """The phase of the workflow by case."""
    return {commands.case_of(one): one["phase"] for one in ended.executions()}


def test_the_resilient_pipeline_survives_the_loss_of_its_nodes(spot: Ended):
    assert spot.code == 0, spot.err
    assert spot.verdict["status"] == "PASS"
    assert {one["status"] for one in spot.verdict["verdicts"]} == {"PASS"}
    assert {one["phase"] for one in spot.verdict["executions"]} == {"Succeeded"}
    assert len(spot.executions("control")) == 2


def test_every_strike_hit_the_very_place_that_was_planned(spot: Ended):
    receipts = [receipt for trial in spot.executions() for receipt in trial["receipts"]]
    assert len(receipts) == len(spot.executions()) == 6
    for receipt in receipts:
        assert receipt["actual_place"] == receipt["planned_place"]
        assert re.fullmatch(r"step \d+", receipt["planned_place"])
        assert 60 <= int(receipt["planned_place"].split()[1]) <= 180
        assert receipt["took_effect"]
        assert receipt["evidence"]


def test_every_citation_is_a_line_of_the_history_that_it_names(spot: Ended):
    cited = [
        reference
        for one in [*spot.verdict["verdicts"], *_receipts(spot)]
        for reference in one["evidence"]
    ]
    assert cited
    for reference in cited:
        kind, number = reference["execution"].split("/")
        history = spot.directory / f"{kind}s" / number / "history.jsonl"
        line = history.read_text().splitlines()[reference["seq"] - 1]
        assert line.startswith(f'{{"seq":{reference["seq"]},')


def _receipts(ended: Ended) -> list[dict]:
    return [receipt for trial in ended.executions() for receipt in trial["receipts"]]


def test_every_disturbed_training_reached_the_state_of_the_undisturbed(spot: Ended):
    verdicts = [one for one in spot.verdicts(checker="resume") if "trial" in one["execution"]]
    assert len(verdicts) == 6
    for verdict in verdicts:
        assert verdict["status"] == "PASS"
        assert verdict["message"].startswith("exact: ")
        for component in ("model", "optimizer", "rng", "sampler", "scheduler"):
            assert f"checkpoint/{component}" in verdict["message"]
        assert "steps 1 to 240 each once" in verdict["message"]
        assert verdict["measures"]["restores"] >= 1


def test_no_trial_is_corrupt_and_the_bound_of_the_rate_is_told(spot: Ended):
    (whole,) = spot.verdicts(checker="corruption", execution=None)
    measures = whole["measures"]
    assert (measures["corrupt_trials"], measures["valid_trials"]) == (0, 6)
    # Clopper and Pearson, one-sided at 95 %: 1 - 0.05 ** (1 / n) for nothing in n.
    assert measures["corruption_upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 6))
    assert "0 of 6" in whole["message"]


def test_the_time_to_recover_is_the_sum_of_its_parts(spot: Ended):
    for trial in spot.executions():
        measures = trial["measures"]
        assert all(measures[part] >= 0 for part in _PARTS)
        assert sum(measures[part] for part in _PARTS) == pytest.approx(
            measures["mttr_s"], abs=0.001
        )
        assert 0 < measures["mttr_s"] < 30


def test_a_notice_that_is_used_costs_no_step_and_none_costs_at_most_an_interval(spot: Ended):
    lost = {commands.case_of(one): one["measures"]["lost_steps"] for one in spot.executions()}
    assert lost["drained/gone"] == lost["drained/seen"] == lost["noticed/seen"] == 0
    assert all(lost[case] <= 20 for case in lost if case.startswith("no-notice/"))
    assert lost["no-notice/restarted"] <= 20


def test_every_case_was_shown(spot: Ended):
    coverage = spot.verdict["coverage"]
    assert coverage["missing"] == {}
    exercised = set(coverage["exercised"])
    # How the loss of a machine can show is what the survey saw: more than this one, perhaps.
    assert exercised >= {
        "drained/gone",
        "drained/seen",
        "noticed/seen",
        "false-alarm",
        "no-notice/restarted",
    }
    assert set(coverage["cases"]) == exercised


def test_the_reports_agree_with_the_verdict(spot: Ended):
    summary = (spot.directory / "summary.md").read_text()
    assert summary.startswith("# spot: PASS\n")
    suite = ET.parse(spot.directory / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    assert len(suite.findall("testcase")) >= len(spot.verdict["verdicts"])


@pytest.mark.parametrize("finished", ["spot", "adhoc"])
def test_judging_a_finished_run_again_gives_the_same_bytes(
    finished: str, request: pytest.FixtureRequest
):
    ended: Ended = request.getfixturevalue(finished)
    before = ended.documents()
    again = commands.judge(ended.directory, ended.reports)
    assert (again.code, again.out) == (ended.code, ended.out)
    assert ended.documents() == before


def test_a_moved_run_directory_is_judged_the_same(spot: Ended, tmp_path: pathlib.Path):
    moved = tmp_path / "spot" / spot.directory.name
    moved.parent.mkdir()
    spot.directory.rename(moved)
    try:
        again = commands.judge(moved, tmp_path)
    finally:
        moved.rename(spot.reports / "spot" / moved.name)
    assert (again.code, again.out) == (0, spot.out)


def test_the_adhoc_pipeline_fails_and_succeeds_undisturbed(adhoc: Ended):
    assert adhoc.code == 1, adhoc.err
    assert adhoc.verdict["status"] == "FAIL"
    controls = adhoc.executions("control")
    assert {one["phase"] for one in controls} == {"Succeeded"}
    for checker in ("outcome", "resume", "corruption"):
        found = [one for one in adhoc.verdicts(checker=checker) if one["execution"] is not None]
        undisturbed = [one for one in found if one["execution"].startswith("control/")]
        assert {one["status"] for one in undisturbed} == {"PASS"}, checker


def test_each_habit_is_named_where_it_broke_something(adhoc: Ended):
    causes = adhoc.causes()
    assert causes["half-trained-model-registered"] == {"drained/seen"}
    assert "drained/gone" in causes["pod-deleted-not-retried"]
    assert causes["pod-deleted-not-retried"] <= {"drained/gone", "no-notice/gone"}
    assert "between-the-parts/restarted" in causes["mixed-checkpoint"]
    assert causes["duplicate-registration"] == {"after-registration/restarted"}
    assert causes["diverged-trajectory"] == {"no-notice/restarted"}


def test_the_habits_are_named_for_deletions_too(tmp_path: pathlib.Path):
    ended = commands.run(SCENARIOS / "pod-deletion-adhoc.yaml", tmp_path, *_ANY_WASTE)
    assert ended.code == 1, ended.err
    causes = ended.causes()
    assert causes["half-trained-model-registered"] == {"deleted/seen"}
    unretried = {"deleted/gone", "forced/gone", "between-the-parts/gone"}
    assert causes["pod-deleted-not-retried"] == unretried
    assert "between-the-parts/restarted" in causes["mixed-checkpoint"]
    assert "forced/restarted" in causes["diverged-trajectory"]


def test_a_divergence_names_its_first_step_which_is_after_the_restored_one(adhoc: Ended):
    (verdict,) = adhoc.verdicts(cause="diverged-trajectory")
    (trial,) = [one for one in adhoc.executions() if one["execution"] == verdict["execution"]]
    struck = int(trial["receipts"][0]["actual_place"].split()[1])
    step = verdict["measures"]["first_divergent_step"]
    # A checkpoint is taken every 20 steps; the first batch after it is already another one.
    assert step == struck // 20 * 20 + 1
    assert f"from step {step} on" in verdict["message"]


def test_the_half_trained_model_is_told_with_its_step_and_how_it_passed_for_done(adhoc: Ended):
    (verdict,) = adhoc.verdicts(cause="half-trained-model-registered")
    (trial,) = [one for one in adhoc.executions() if one["execution"] == verdict["execution"]]
    struck = int(trial["receipts"][0]["actual_place"].split()[1])
    assert struck < 240
    assert re.search(r"holds step \d+ of 240", verdict["message"])
    assert "exited 0 on a signal" in verdict["message"]


def test_every_failure_cites_events_and_says_what_to_change(adhoc: Ended):
    failed = [one for one in adhoc.verdicts(status="FAIL") if one["execution"] is not None]
    assert [one for one in failed if not one["evidence"]] == []
    told = {one["cause"] for one in failed if one["advice"]}
    assert told >= {
        "half-trained-model-registered",
        "pod-deleted-not-retried",
        "mixed-checkpoint",
        "duplicate-registration",
        "diverged-trajectory",
    }


def test_the_resilient_pipeline_survives_a_deletion_under_all_four_views(
    deletion: Callable[..., Ended],
):
    ended = deletion()
    assert ended.code == 0, ended.err
    assert ended.verdict["coverage"]["missing"] == {}
    shown = {case.partition("/")[2] for case in ended.verdict["coverage"]["exercised"]}
    assert shown == {"gone", "seen", "restarted", "wait-failed"}


def test_under_the_default_retry_policy_one_view_recovers_and_another_does_not(
    deletion: Callable[..., Ended],
):
    ended = deletion("resilient-default-policy")
    assert ended.code == 1, ended.err
    phases = _outcomes(ended)
    assert {case for case, phase in phases.items() if phase == "Succeeded"} == {
        "deleted/seen",
        "forced/restarted",
        "forced/seen",
        "deleted-preprocess/seen",
    }
    unretried = {"deleted/gone", "forced/gone", "deleted-preprocess/gone"}
    assert ended.causes()["pod-deleted-not-retried"] == unretried
    assert ended.causes()["error-not-retried"] == {"deleted-preprocess/wait-failed"}


def test_exit_0_on_a_signal_is_a_false_success_where_it_is_seen_and_nowhere_else(
    deletion: Callable[..., Ended],
):
    ended = deletion("resilient-exit-zero")
    assert ended.code == 1, ended.err
    assert ended.causes()["false-success"] == {"deleted/seen"}
    assert set().union(*ended.causes().values()) == {"deleted/seen"}
    (verdict,) = ended.verdicts(cause="training-ended-early")
    assert "exited 0 on a signal" in verdict["message"]


def test_who_asks_retries_for_am_i_a_retry_is_caught_where_the_attempt_gets_a_new_pod(
    deletion: Callable[..., Ended],
):
    ended = deletion("resilient-reads-retries")
    assert ended.code == 1, ended.err
    assert ended.causes()["restarted-from-zero"] == {"forced/restarted"}
    assert set().union(*ended.causes().values()) == {"forced/restarted"}


def test_a_checkpoint_without_its_generator_is_caught_in_every_resumed_training(
    deletion: Callable[..., Ended],
):
    ended = deletion("no-rng")
    assert ended.code == 1, ended.err
    strikes = {"deleted/gone", "deleted/seen", "forced/gone", "forced/restarted", "forced/seen"}
    assert ended.causes() == {"rng-not-restored": strikes}
    for verdict in ended.verdicts(cause="rng-not-restored"):
        assert verdict["measures"]["first_divergent_step"] > 60
        assert "rng" in verdict["message"]


@pytest.mark.parametrize(
    "when",
    [
        "{after: 2s}",
        "{event: {event: point, name: never}}",
        "{object: {after: PutObject, key: '^never/'}}",
    ],
)
def test_an_injection_whose_target_finished_first_proves_nothing(when: str, tmp_path: pathlib.Path):
    ended = commands.run(commands.TRAINER, tmp_path, "--set", f"faults.0.when={when}")
    assert ended.code == 3, ended.err
    assert ended.verdict["status"] == "UNKNOWN"
    (trial,) = ended.executions()
    assert trial["phase"] == "Succeeded"
    assert trial["valid"] is False
    assert trial["receipts"][0]["took_effect"] is False
    assert trial["receipts"][0]["why_invalid"] == "target-finished"
    assert ended.verdict["coverage"]["exercised"] == {}
    assert ended.verdict["coverage"]["missing"].keys() == {"deleted/seen"}
    assert ended.verdicts(status="FAIL") == []


def test_the_same_injection_in_time_passes(tmp_path: pathlib.Path):
    ended = commands.run(commands.TRAINER, tmp_path)
    assert ended.code == 0, ended.err
    (trial,) = ended.executions()
    assert trial["receipts"][0]["actual_place"] == "step 25"
