"""Scenarios as files and expectations as items: what pytest, JUnit and the terminal say."""

import xml.etree.ElementTree as ElementTree

import judgements
import pytest
from project import INVALID_TRIAL, ITEMS, NOT_INJECTED, STATED, judged

from chaosml.verdict import EventRef, Status

pytest_plugins = ["pytester"]

DIVERGED = judgements.verdict(
    "resume",
    "trial/2",
    Status.FAIL,
    "the trajectory diverged from step 101 on",
    cause="diverged-trajectory",
    evidence=(EventRef("trial/2", 41, "step 101"),),
    advice="save the sampler's state",
)
UNDECIDED = judgements.verdict(
    "mttr", "trial/2", Status.UNKNOWN, "lines are missing", cause="evidence-lost"
)


def cases(path):
    """The test cases of a JUnit document: what became of each, by name."""
    return {
        case.get("name"): [child.tag for child in case if child.tag != "properties"]
        for case in ElementTree.parse(path).iter("testcase")
    }


def test_every_expectation_is_an_item_of_its_own_and_the_scenario_runs_once(project):
    result = project.scenario().run("scenarios", "--junitxml=j.xml", "-v")
    result.assert_outcomes(passed=len(ITEMS))
    assert project.names == ["spot"]
    result.stdout.fnmatch_lines([f"scenarios/spot.yaml::{name} PASSED*" for name in ITEMS])
    assert list(cases(project.path / "j.xml")) == list(ITEMS)
    assert set(map(tuple, cases(project.path / "j.xml").values())) == {()}


def test_an_item_is_named_by_its_file_and_the_key_under_expect(project):
    result = project.scenario().run("--collect-only", "-q", "scenarios")
    for name in ITEMS:
        result.stdout.fnmatch_lines([f"*scenarios/spot.yaml::{name}"])
    assert project.runs == []


def test_what_failed_is_a_failure_and_what_is_not_proved_an_error_and_nothing_is_skipped(project):
    judgement = judged(DIVERGED, UNDECIDED)
    result = project.scenario(judgement=judgement).run("scenarios", "--junitxml=j.xml")
    result.assert_outcomes(passed=len(ITEMS) - 3, failed=2, errors=1)
    found = cases(project.path / "j.xml")
    assert found["resume"] == found["verdict"] == ["failure"]
    assert found["mttr"] == ["error"]
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_invalid_trial_is_an_error_of_every_expectation_that_would_pass(project):
    judgement = judged(NOT_INJECTED, trials=(judgements.trial(1, "drained"), INVALID_TRIAL))
    result = project.scenario(judgement=judgement).run("scenarios")
    result.assert_outcomes(errors=len(ITEMS))
    result.stdout.fnmatch_lines(["INVALID effect: target-finished"])


def test_an_expectation_chosen_alone_does_not_pass_beside_an_invalid_trial(project):
    judgement = judged(NOT_INJECTED, trials=(judgements.trial(1, "drained"), INVALID_TRIAL))
    result = project.scenario(judgement=judgement).run("scenarios", "-k", "resume")
    result.assert_outcomes(errors=1, deselected=len(ITEMS) - 1)
    result.stdout.fnmatch_lines(["INVALID resume: no receipt in trial/2 (target-finished)*"])


def test_an_expectation_that_no_checker_judged_is_an_error(project):
    judgement = judged()
    held = tuple(one for one in judgement.verdicts if one.expectation != "lineage")
    silent = judgements.judgement(Status.PASS, judgement.executions, held)
    result = project.scenario(judgement=silent).run("scenarios/spot.yaml::lineage")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["UNKNOWN lineage: no checker judged it*"])


def test_a_failure_says_cause_evidence_advice_replay_and_where_it_is_stated(project):
    result = project.scenario(judgement=judged(DIVERGED)).run("scenarios")
    result.stdout.fnmatch_lines(
        [
            "FAIL resume: diverged-trajectory",
            "  FAIL diverged-trajectory in trial/2",
            "    the trajectory diverged from step 101 on",
            "    evidence  reports/spot/run-*/trials/2/history.jsonl:41  step 101",
            "    advice    save the sampler's state",
            "  report    reports/spot/run-*/summary.md",
            "  replay    chaosml run scenarios/spot.yaml --seed 7",
            "  stated    scenarios/spot.yaml:*",
        ]
    )
    line = int(result.stdout.str().partition("stated    scenarios/spot.yaml:")[2].split()[0])
    text = (project.path / "scenarios/spot.yaml").read_text().splitlines()
    assert text[line - 1].strip().startswith("resume:")


def test_foreign_text_cannot_act_in_terminal_or_junit(project):
    names = (*STATED, "effect")
    verdicts = [
        judgements.verdict(
            name,
            "trial/1",
            Status.FAIL,
            judgements.HOSTILE,
            cause=judgements.HOSTILE,
            evidence=(EventRef("trial/1", 3, judgements.HOSTILE),),
            advice=judgements.HOSTILE,
            details=judgements.HOSTILE,
        )
        for name in names
    ]
    judgement = judged(*verdicts, replay=judgements.HOSTILE, scenario=judgements.HOSTILE)
    result = project.scenario(judgement=judgement).run("scenarios", "--junitxml=j.xml")
    result.assert_outcomes(failed=len(ITEMS))
    assert not set("\x1b\x07\u202e") & set(result.stdout.str())
    text = (project.path / "j.xml").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert not set("\x1b\x07\u202e") & set("".join(ElementTree.fromstring(text).itertext()))


def test_a_scenario_that_cannot_be_loaded_is_a_collection_error_with_every_problem(project):
    project.scenario()
    broken = project.path / "scenarios" / "broken.yaml"
    text = (project.path / "scenarios" / "spot.yaml").read_text()
    broken.write_text(text.replace("seed: 7", "sed: 7").replace("deadline: 10m", "deadline: ten"))
    result = project.run("scenarios", "--continue-on-collection-errors")
    result.assert_outcomes(passed=len(ITEMS), errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR collecting scenarios/broken.yaml*", "scenarios/broken.yaml:*:*: *deadline*"]
    )
    result.stdout.fnmatch_lines(["scenarios/broken.yaml:*:*: *sed*"])
    assert "Traceback" not in result.stdout.str()
    assert "items.py" not in result.stdout.str()
    assert project.names == ["spot"]


@pytest.mark.parametrize(
    "content",
    [
        b"apiVersion: chaosml.dev/v1\nkind: Scenario\nmetadata: [",
        b'{"kind": "Scenario", "apiVersion": "chaosml.dev/v9"}',
        b"apiVersion: chaosml.dve/v1\nkind: Scenario\n",
        b"\xef\xbb\xbfkind: Scenario\n",
        b"kind: Scenario\n\xff\x00",
    ],
)
def test_a_file_that_means_to_be_a_scenario_is_never_left_out_silently(project, content):
    (project.path / "scenarios" / "meant.yaml").write_bytes(content)
    result = project.run("scenarios")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*scenarios/meant.yaml:*:*: *"])


def test_workflows_and_other_yaml_are_left_alone(project):
    (project.path / "scenarios" / "values.yml").write_text("kind: ScenarioList\na: 1\n")
    result = project.scenario().run("--collect-only", "-q", ".")
    names = {line.partition("::")[0] for line in result.stdout.lines if "::" in line}
    assert names == {"scenarios/spot.yaml"}


def test_without_the_option_no_scenario_is_collected(project):
    project.scenario()
    result = project.pytester.runpytest_inprocess("scenarios")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_run_that_breaks_is_an_error_of_every_expectation_and_is_not_repeated(project):
    result = project.broken("spot", "no folder for temporary files").run("scenarios")
    result.assert_outcomes(errors=len(ITEMS))
    assert project.names == ["spot"]
    result.stdout.fnmatch_lines(
        ["no folder for temporary files", "  replay    chaosml run scenarios/spot.yaml --seed 7"]
    )
    result.stdout.fnmatch_lines(["ERROR  scenarios/spot.yaml: no folder for temporary files"])


def test_an_interrupted_run_stops_the_session(project):
    project.scenario("a", judged(interrupted=True)).scenario("b")
    result = project.pytester.runpytest_inprocess("--chaosml", "scenarios", no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.names == ["a"]
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])


def test_the_first_failure_ends_the_session_where_that_is_wanted(project):
    project.scenario("a", judged(DIVERGED)).scenario("b")
    result = project.run("scenarios", "-x")
    result.assert_outcomes(passed=1, failed=1)
    assert project.names == ["a"]


def test_what_failed_last_is_run_again_alone(project):
    project.scenario("a", judged(DIVERGED)).scenario("b")
    first = project.pytester.runpytest_inprocess("--chaosml", "scenarios")
    first.assert_outcomes(passed=2 * len(ITEMS) - 2, failed=2)
    second = project.pytester.runpytest_inprocess("--chaosml", "scenarios", "--lf")
    second.assert_outcomes(failed=2)
    assert project.names == ["a", "a", "b"]


def test_the_marker_selects_and_leaves_out(project):
    project.scenario()
    project.pytester.makepyfile("def test_plain(): pass\ndef test_user(chaosml): assert chaosml\n")
    chosen = project.run("-m", "chaosml", ".")
    chosen.assert_outcomes(passed=len(ITEMS) + 1, deselected=1)
    left = project.run("-m", "not chaosml", ".")
    left.assert_outcomes(passed=1, deselected=len(ITEMS) + 1)


def test_options_reach_the_run(project):
    result = project.scenario().run(
        "scenarios", "--chaosml-seed=3", "--chaosml-trials=2", "--chaosml-reports=out"
    )
    result.assert_outcomes(passed=len(ITEMS))
    assert project.runs == ["spot seed=3 trials=2 on=embedded"]
    assert list((project.path / "out" / "spot").glob("*/verdict.json"))


def test_a_cluster_without_its_context_is_refused_before_anything_runs(project):
    result = project.scenario().run("scenarios", "--chaosml-on=cluster")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["name the context: --chaosml-on cluster --chaosml-context NAME*"])
    assert project.runs == []


def test_a_cluster_takes_its_images_from_a_mirror(project):
    mirror = ("--chaosml-image=mirror/chaosml:1", "--chaosml-toxiproxy-image=mirror/toxiproxy:2")
    result = project.scenario().run("scenarios", "--chaosml-on=kind", *mirror)
    result.assert_outcomes(passed=len(ITEMS))
    images = "mirror/chaosml:1 mirror/toxiproxy:2"
    assert project.runs == [f"spot seed=None trials=None on=kind {images} turn"]


def test_a_cluster_is_run_on_by_one_scenario_at_a_time(project):
    project.scenario("a").scenario("b")
    result = project.run("scenarios", "--chaosml-on=kind")
    result.assert_outcomes(passed=2 * len(ITEMS))
    assert [one.endswith(" turn") for one in project.runs] == [True, True]
    project.run("scenarios")
    assert not any(one.endswith(" turn") for one in project.runs[2:])


def test_the_session_ends_with_the_scorecard_of_its_runs_in_the_order_of_their_names(project):
    project.scenario("b").scenario("a", judged(DIVERGED)).broken("c", "the disk is full")
    result = project.run("scenarios")
    result.stdout.fnmatch_lines(
        [
            "*= chaosml =*",
            "2 scenarios: 1 pass, 1 fail, 0 unproved",
            "grade *run *verdict*",
            "[CDF] *spot *FAIL*",
            "[AB] *spot *PASS*",
            "*named: diverged-trajectory",
            "report  reports/a/run-*/summary.md",
            "replay  chaosml run scenarios/spot.yaml --seed 7",
            "report  reports/b/run-*/summary.md",
            "ERROR  scenarios/c.yaml: the disk is full",
        ]
    )


def test_a_project_that_turns_warnings_into_errors_does_not_break_a_run(project):
    project.scenario()
    project.pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    project.pytester.makeconftest(
        """
        import warnings
        import scripted

        def pytest_configure(config):
            scripted.install(config)
            import chaosml.runner
            inner = chaosml.runner.run

            def run(*arguments):
                warnings.warn("old", DeprecationWarning)
                return inner(*arguments)

            chaosml.runner.run = run
        """
    )
    project.run("scenarios").assert_outcomes(passed=len(ITEMS), warnings=1)


def test_limits_of_tests_do_not_cut_off_a_run_that_has_its_own(project):
    project.scenario()
    items, _ = project.pytester.inline_genitems("--chaosml", "--timeout=1", "scenarios")
    assert {item.get_closest_marker("timeout").args for item in items} == {(0,)}
