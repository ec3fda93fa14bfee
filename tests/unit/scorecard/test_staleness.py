"""Runs that may not speak for today say why."""

import datetime

import judgements
import pytest
import runs

from chaosml.scorecard.reading import read_runs
from chaosml.scorecard.staleness import reasons

DAY_S = 86_400.0


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A run of a scenario beside its sources, which are as they were."""
    monkeypatch.chdir(tmp_path)
    scenario = "pipeline: {workflow: pipeline.yaml}\n"
    folder = runs.write(tmp_path / "reports", judgements.passed())
    for place in (tmp_path / "scenarios" / "spot.yaml", folder / "scenario.yaml"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(scenario)
    for place in (tmp_path / "scenarios" / "pipeline.yaml", folder / "workflow.yaml"):
        place.write_text("kind: Workflow\n")
    return tmp_path


def stale(project, *, days=1.0, version="0.1.0"):
    (found,) = read_runs([project / "reports"]).found
    now = runs.NOW + datetime.timedelta(days=days)
    return reasons(found, now=now, older_than_s=14 * DAY_S, version=version)


def test_a_recent_run_of_sources_that_are_as_they_were_is_fresh(project):
    assert stale(project) == ()


def test_an_old_run_says_its_age(project):
    assert stale(project, days=20) == ("it is 21 days old",)


def test_a_run_of_another_version_names_both(project):
    assert stale(project, version="0.2.0") == ("chaosml 0.1.0 made it and 0.2.0 is installed",)


def test_a_scenario_that_has_changed_since_is_named(project):
    (project / "scenarios" / "spot.yaml").write_text("pipeline: {workflow: pipeline.yaml} # new\n")
    assert stale(project) == ("scenarios/spot.yaml has changed since",)


def test_a_workflow_that_has_changed_since_is_named(project):
    (project / "scenarios" / "pipeline.yaml").write_text("kind: Workflow # new\n")
    assert stale(project) == ("scenarios/pipeline.yaml has changed since",)


def test_the_workflow_of_the_command_is_compared_where_it_names_one(project):
    folder = project / "reports" / "spot" / runs.FRESH
    text = (folder / "verdict.json").read_text()
    replay = "chaosml run scenarios/spot.yaml --pipeline mine.yaml"
    (folder / "verdict.json").write_text(
        text.replace("chaosml run scenarios/spot.yaml --seed 7", replay)
    )
    (project / "mine.yaml").write_text("kind: Workflow # mine\n")
    assert stale(project) == ("mine.yaml has changed since",)


@pytest.mark.parametrize("broken", ["pipeline: [", "pipeline: {}", "[]", "pipeline: {workflow: 1}"])
def test_a_scenario_that_is_none_any_more_has_changed(project, broken):
    (project / "scenarios" / "spot.yaml").write_text(broken)
    assert stale(project) == ("scenarios/spot.yaml has changed since",)


@pytest.mark.parametrize("replay", ["", "rm -rf /", "chaosml run 'unclosed", "chaosml run", "\x00"])
def test_a_command_that_is_none_of_ours_says_nothing(project, replay):
    judgement = runs.renamed(judgements.passed(), replay=replay, run="by-hand")
    (project / "reports" / "spot" / runs.FRESH / "verdict.json").unlink()
    (project / "reports" / "spot" / runs.FRESH).rename(project / "kept")
    runs.write(project / "reports", judgement, run="by-hand")
    assert stale(project, days=100) == ()
