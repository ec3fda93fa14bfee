"""The catalogue of planted defects: every entry is a valid run that differs where it says."""

import pathlib

import pytest
import yaml

from chaosml import runner
from chaosml.checkers.judge import CHECKERS
from chaosml.selftest import documents
from chaosml.selftest.catalogue import DEFECTS, OUT_OF_REACH
from chaosml.selftest.running import healthy_jobs, job_of
from chaosml.selftest.scenes import SCENES

ROOT = pathlib.Path(__file__).parents[3]
BY_NAME = {defect.name: defect for defect in DEFECTS}


def planned(job):
    return runner.plan(job.scenario, runner.RunOptions(seed=job.seed))


def test_there_are_many_defects_and_every_name_is_there_once():
    names = [one.name for one in (*DEFECTS, *OUT_OF_REACH)]
    assert len(set(names)) == len(names)
    assert len(DEFECTS) >= 25


def test_every_checker_that_judges_the_pipeline_has_a_defect_that_it_must_name():
    judging = {checker.name for checker in CHECKERS} - {"effect"}
    assert {defect.named.checker for defect in DEFECTS} == judging


def test_every_defect_out_of_reach_has_its_reason():
    assert all(len(one.why.split()) > 5 for one in OUT_OF_REACH)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_defect_is_a_run_of_one_case_under_the_view_that_it_names(name, tmp_path):
    defect = BY_NAME[name]
    _, plan = planned(job_of(defect, tmp_path))
    assert [case.view for case in plan.cases] == [defect.view]
    assert len(plan.trials) == 1


@pytest.mark.parametrize("name", BY_NAME)
def test_a_planted_workflow_differs_from_the_shipped_one_or_is_defective_as_it_is(name, tmp_path):
    defect = BY_NAME[name]
    job = job_of(defect, tmp_path)
    planted = yaml.safe_load((job.scenario.parent / "workflow.yaml").read_text())
    shipped = yaml.safe_load(
        (ROOT / "scenarios" / "pipelines" / f"{defect.scene.pipeline}.yaml").read_text()
    )
    planted.pop("metadata")
    shipped.pop("metadata")
    assert (planted != shipped) is bool(defect.edits)
    assert defect.edits or defect.scene.pipeline == "adhoc"


def test_the_healthy_pipeline_runs_every_scene_and_is_planned_with_every_seed(tmp_path):
    jobs = healthy_jobs(len(SCENES) + 1, tmp_path)
    faults = [planned(job)[0].scenario.faults[0].name for job in jobs]
    assert faults == [*(scene.name for scene in SCENES), SCENES[0].name]
    assert [job.seed for job in jobs] == list(range(1, len(jobs) + 1))
    assert all(scene.for_healthy for scene in SCENES)


def test_every_scene_that_the_healthy_pipeline_can_come_to_is_one_that_it_must_pass():
    used = {defect.scene.name: defect.scene for defect in DEFECTS}
    # The healthy pipeline is replaced too, where the defect is another pipeline's.
    twins = {"replaced"}
    assert {name for name, scene in used.items() if scene.for_healthy} | twins == {
        scene.name for scene in SCENES
    }


def test_an_expectation_that_a_scene_takes_away_is_not_there():
    scene = next(scene for scene in SCENES if scene.name == "slow-store")
    document = documents.scenario_of("x", "nothing", scene, None)
    assert "mttr" not in document["expect"]
    assert document["expect"]["lost-steps"] == {"at-most": 0}


def test_the_page_shows_every_defect_of_the_catalogue():
    page = (ROOT / "docs" / "selftest.md").read_text()
    assert [name for name in BY_NAME if f"| {name} |" not in page] == []
    assert [one.name for one in OUT_OF_REACH if f"`{one.name}`" not in page] == []
