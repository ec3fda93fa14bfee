"""The `chaosml` fixture: typed results, and asserts that explain themselves."""

import pathlib

import judgements
import pytest
from project import INVALID_TRIAL, NOT_INJECTED, judged

from chaosml.errors import HarnessError
from chaosml.pytest_plugin.result import ScenarioResult
from chaosml.verdict import Status

pytest_plugins = ["pytester"]

SLOW = (
    judgements.trial(1, "drained", measures={"mttr_s": 3.0, "waste": 0.1}),
    judgements.trial(2, "noticed", measures={"mttr_s": 71.0, "waste": 0.2}),
)
LOST = judgements.verdict(
    "lost-steps", "trial/2", Status.FAIL, "17 steps were lost", cause="too-many-steps-lost"
)


def result_of(*verdicts, **changes):
    return ScenarioResult(judged(*verdicts, **changes), pathlib.Path("reports/spot/1"))


def try_out(project, body):
    """Run a module of a user with these lines in one test."""
    lines = "\n".join(f"    {line}" for line in body)
    project.pytester.makepyfile(f"def test_it(chaosml):\n{lines}\n")
    return project.run(".", "-k", "test_it")


def test_a_passing_run_is_true_and_has_its_figures():
    result = result_of()
    assert result
    assert result.passed
    assert result.status is Status.PASS
    assert result["resume"]
    assert result.mttr_s == 3.07
    assert [one.execution for one in result.trials] == ["trial/1", "trial/2"]
    assert [one.execution for one in result.controls] == ["control/1"]
    assert result.causes == frozenset()


def test_figures_are_the_worst_of_all_trials():
    assert result_of(trials=SLOW).mttr_s == 71.0
    assert result_of(trials=SLOW).waste == 0.2


def test_a_figure_that_a_trial_lacks_is_an_error_and_no_number():
    trials = (SLOW[0], judgements.trial(2, "noticed", measures={"attempts": 1}))
    with pytest.raises(HarnessError, match=r"mttr_s is UNKNOWN: not measured in trial/2"):
        _ = result_of(trials=trials).mttr_s


def test_a_figure_of_a_run_with_an_invalid_trial_is_an_error():
    trials = (SLOW[0], INVALID_TRIAL)
    with pytest.raises(HarnessError, match="not measured in trial/2"):
        _ = result_of(NOT_INJECTED, trials=trials).mttr_s


def test_a_trial_that_was_judged_to_have_nothing_to_measure_may_lack_the_figure():
    trials = (SLOW[0], judgements.trial(2, "false-alarm", measures={"attempts": 1}))
    calm = judgements.verdict("mttr", "trial/2", message="the fault interrupted no work")
    assert result_of(calm, trials=trials).mttr_s == 3.0


def test_an_expectation_is_false_beside_an_invalid_trial():
    result = result_of(NOT_INJECTED, trials=(SLOW[0], INVALID_TRIAL))
    assert not result["resume"]
    assert result["resume"].standing == "INVALID"
    assert not result


def test_an_expectation_that_the_scenario_does_not_state_is_named():
    with pytest.raises(KeyError, match=r"'speed': the scenario states compute-waste, corruption"):
        _ = result_of()["speed"]


def test_a_test_runs_a_scenario_with_its_own_choices(project):
    project.scenario()
    result = try_out(
        project,
        [
            "result = chaosml.run('scenarios/spot.yaml', trials=3, seed=5)",
            "assert result.passed",
            "assert result.lost_steps <= 20",
        ],
    )
    result.assert_outcomes(passed=1, deselected=9)
    assert project.runs == ["spot seed=5 trials=3 on=embedded"]
    result.stdout.fnmatch_lines(["1 scenario: 1 pass*", "grade *", "[AB] *spot *PASS *"])


def test_a_failed_assert_shows_the_finding_and_the_replay_command(project):
    project.scenario(judgement=judged(LOST))
    result = try_out(
        project,
        ["result = chaosml.run('scenarios/spot.yaml')", "assert result['lost-steps']"],
    )
    result.assert_outcomes(failed=1, deselected=9)
    result.stdout.fnmatch_lines(
        [
            "E*assert <FAIL lost-steps: too-many-steps-lost: 17 steps were lost | replay: chaosml "
            "run scenarios/spot.yaml --seed 7>",
            "*- chaosml spot 20261124T221500Z -*",
            "FAIL lost-steps: too-many-steps-lost",
            "  replay    chaosml run scenarios/spot.yaml --seed 7",
        ]
    )


def test_a_failed_comparison_shows_the_trials_behind_the_figure(project):
    project.scenario(judgement=judged(trials=SLOW))
    result = try_out(
        project,
        ["result = chaosml.run('scenarios/spot.yaml')", "assert result.mttr_s < 60"],
    )
    result.stdout.fnmatch_lines(
        [
            "E*assert 71.0 < 60",
            "E*mttr_s is the worst of: trial/1 3, trial/2 71",
            "E*replay: chaosml run scenarios/spot.yaml --seed 7",
        ]
    )


def test_a_run_of_a_module_explains_itself_in_every_test_that_uses_it(project):
    project.scenario(judgement=judged(LOST))
    project.pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def spot(chaosml):
            return chaosml.run("scenarios/spot.yaml")

        def test_one(spot):
            assert spot["resume"]

        def test_two(spot):
            assert "too-many-steps-lost" not in spot.causes
        """
    )
    result = project.run("-k", "test_one or test_two", ".")
    result.assert_outcomes(passed=1, failed=1, deselected=9)
    assert project.names == ["spot"]
    result.stdout.fnmatch_lines(["*- chaosml spot 20261124T221500Z -*"])


def test_a_scenario_that_cannot_be_run_is_told_without_the_way_through_the_harness(project):
    result = try_out(project, ["chaosml.run('scenarios/spot.yml')"])
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*scenarios/spot.yml*"])
    text = result.stdout.str()
    assert "calls.py" not in text
    assert "scripted.py" not in text


def test_the_fixture_works_without_the_option_that_collects_scenarios(project):
    project.scenario()
    project.pytester.makepyfile(
        "def test_it(chaosml): assert chaosml.run('scenarios/spot.yaml').passed"
    )
    project.pytester.runpytest_inprocess().assert_outcomes(passed=1)
