"""`--chaosml-shard` and `chaosml merge`: the parts together say what the whole would have said."""

import shutil
import xml.etree.ElementTree as ElementTree

import judgements
import pytest
from project import ITEMS, judged

from chaosml import cli
from chaosml.verdict import Status

pytest_plugins = ["pytester"]

FAILED = judgements.verdict("resume", "trial/2", Status.FAIL, "diverged", cause="diverged")


@pytest.fixture
def jobs(project, monkeypatch):
    """Run shard I of N in a reports folder of its own."""

    def run(index, of, *arguments):
        options = (f"--chaosml-shard={index}/{of}", f"--chaosml-reports=jobs/{index}")
        return project.run("scenarios", *options, *arguments)

    monkeypatch.chdir(project.path)
    return run


def merge(capsys, *arguments):
    """Merge and return exit code, stdout and stderr."""
    capsys.readouterr()
    code = cli.main(["merge", *arguments])
    return code, *capsys.readouterr()


def test_the_shards_together_run_every_scenario_once(project, jobs, capsys):
    project.scenario("a").scenario("b", judged(FAILED)).scenario("c")
    jobs(1, 2).assert_outcomes(passed=2 * len(ITEMS), deselected=len(ITEMS))
    jobs(2, 2).assert_outcomes(passed=len(ITEMS) - 2, failed=2, deselected=2 * len(ITEMS))
    assert project.names == ["a", "b", "c"]
    code, out, err = merge(capsys, "jobs", "--into", "whole")
    assert (code, err) == (1, "")
    assert [line.split()[0] for line in out.splitlines()] == ["verdict", "PASS", "FAIL", "PASS"]
    suites = ElementTree.parse("whole/junit.xml").iter("testsuite")
    assert [suite.get("name") for suite in suites] == ["a", "b", "c"]
    assert len(list((project.path / "whole").glob("*/*/verdict.json"))) == 3


def test_a_missing_shard_is_named_and_no_success(project, jobs, capsys):
    project.scenario("a").scenario("b")
    jobs(1, 2)
    code, out, _ = merge(capsys, "jobs", "--into", "whole")
    assert code == 3
    assert "ERROR  scenarios/b.yaml: shard 2/2 is missing" in out
    errors = list(ElementTree.parse("whole/junit.xml").iter("error"))
    assert [error.get("message") for error in errors] == ["shard 2/2 is missing"]


def test_a_scenario_that_its_shard_did_not_run_is_named(project, jobs, capsys):
    project.scenario("a").scenario("b")
    jobs(1, 2, "-k", "nothing")
    jobs(2, 2)
    code, out, _ = merge(capsys, "jobs", "--into", "whole")
    assert code == 3
    assert "ERROR  scenarios/a.yaml: shard 1/2 did not run it" in out


def test_a_run_that_broke_is_told_in_the_whole(project, jobs, capsys):
    project.broken("a", "the disk is full")
    jobs(1, 1)
    code, out, _ = merge(capsys, "jobs", "--into", "whole")
    assert code == 3
    assert "ERROR  scenarios/a.yaml: the disk is full" in out


def test_a_scenario_that_cannot_be_loaded_is_not_missing_from_the_whole(project, jobs, capsys):
    (project.path / "scenarios" / "broken.yaml").write_text("kind: Scenario\n")
    project.scenario("a")
    jobs(1, 1)
    code, out, _ = merge(capsys, "jobs", "--into", "whole")
    assert code == 3
    assert "ERROR  scenarios/broken.yaml: scenarios/broken.yaml:1:1: " in out
    assert "ERROR  scenarios/a.yaml: shard 1/1 did not run it" in out


def test_a_shard_without_scenarios_ends_well(project, jobs, capsys):
    project.scenario("a")
    empty = jobs(2, 2)
    assert empty.ret == pytest.ExitCode.OK
    empty.assert_outcomes(deselected=len(ITEMS))
    jobs(1, 2)
    assert merge(capsys, "jobs", "--into", "whole")[0] == 0


def test_no_scenario_at_all_is_no_success_of_a_shard(project, jobs):
    assert jobs(1, 2).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_tests_in_python_are_of_every_shard(project, jobs):
    project.scenario("a")
    project.pytester.makepyfile("def test_it(): pass")
    jobs(2, 2, ".").assert_outcomes(passed=1, deselected=len(ITEMS))


@pytest.mark.parametrize("shard", ["0/2", "3/2", "half"])
def test_a_shard_that_does_not_exist_is_refused(project, shard):
    result = project.run("scenarios", f"--chaosml-shard={shard}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--chaosml-shard: '{shard}' is no shard; write I/N*"])


def test_parts_of_different_wholes_are_not_merged(project, jobs, capsys):
    project.scenario("a")
    jobs(1, 2)
    project.scenario("b")
    jobs(2, 2)
    code, _, err = merge(capsys, "jobs", "--into", "whole")
    assert code == 2
    assert "do not divide the same scenarios" in err


def test_one_shard_twice_is_refused(project, jobs, capsys):
    project.scenario("a")
    jobs(1, 1)
    shutil.copytree("jobs/1", "jobs/again")
    code, _, err = merge(capsys, "jobs", "--into", "whole")
    assert code == 2
    assert "are both shard 1/1" in err


def test_a_run_that_is_there_already_is_not_overwritten(project, jobs, capsys):
    project.scenario("a")
    jobs(1, 1)
    assert merge(capsys, "jobs", "--into", "whole")[0] == 0
    code, _, err = merge(capsys, "jobs", "--into", "whole")
    assert code == 2
    assert "exists already; merge into another folder" in err


@pytest.mark.parametrize("run", ["../../outside", "/etc"])
def test_a_record_names_nothing_outside_its_folder(project, jobs, capsys, run):
    project.scenario("a")
    jobs(1, 1)
    path = project.path / "jobs" / "1" / "shard-1-of-1.json"
    name = next((project.path / "jobs" / "1" / "a").iterdir()).name
    path.write_text(path.read_text().replace(f"a/{name}", run))
    code, _, err = merge(capsys, "jobs", "--into", "whole")
    assert code == 2
    assert "which is outside this folder" in err
    assert not (project.path / "whole").exists()
