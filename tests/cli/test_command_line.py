"""The command line in this process: options, exit codes, and what goes to which stream."""

import json
import pathlib
import sys

import judgements
import pytest

from chaosml.cli import main
from chaosml.errors import (
    HarnessError,
    HistoryError,
    Interrupted,
    Problem,
    ScenarioError,
    ServiceError,
    SubstrateError,
    UsageError,
)
from chaosml.reports import verdict_json
from chaosml.reports.progress import Silence
from chaosml.verdict import Status

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPOT = str(ROOT / "scenarios" / "spot.yaml")
UNKNOWN = judgements.judgement(Status.UNKNOWN, [], [])


def as_interrupted():
    return judgements.passed(interrupted=True)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (judgements.passed(), 0),
        (judgements.failed(), 1),
        (UNKNOWN, 3),
        (as_interrupted(), 130),
        (UsageError("no such substrate"), 2),
        (ScenarioError([Problem("a.yaml", 1, 2, "bad")]), 2),
        (HarnessError("no room"), 4),
        (ServiceError("port taken"), 4),
        (SubstrateError("no pods"), 4),
        (HistoryError("disk full"), 4),
        (Interrupted("by SIGINT"), 130),
        (KeyboardInterrupt(), 130),
        (RuntimeError("a bug"), 4),
    ],
)
def test_every_end_of_a_run_has_its_exit_code(runner, capsys, made, code):
    runner.script = [made]
    assert main(["run", SPOT]) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert ("PASS" in shown.out or "FAIL" in shown.out or "UNKNOWN" in shown.out) == (
        not isinstance(made, BaseException)
    )


@pytest.mark.parametrize(("made", "code"), [(judgements.passed(), 0), (judgements.failed(), 1)])
def test_judging_again_has_the_same_exit_codes(runner, capsys, made, code):
    runner.script = [made]
    assert main(["judge", "reports/spot/latest"]) == code
    assert runner.calls == [(pathlib.Path("reports/spot/latest"),)]
    assert "report   reports/spot/20261124T221500Z/summary.md" in capsys.readouterr().out


def test_who_tolerates_what_is_unknown_gets_0_for_it_and_nothing_else(runner, capsys):
    for made, code in ((UNKNOWN, 0), (judgements.failed(), 1), (as_interrupted(), 130)):
        runner.script = [made]
        assert main(["run", SPOT, "--unknown", "warn"]) == code
        assert main(["judge", "run", "--unknown=warn"]) == code


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([judgements.passed(), UNKNOWN, judgements.passed()], 3),
        ([UNKNOWN, judgements.failed(), judgements.passed()], 1),
        ([judgements.failed(), UsageError("x"), UNKNOWN], 2),
        ([UsageError("x"), HarnessError("y"), judgements.failed()], 4),
        ([RuntimeError("bug"), judgements.passed(), judgements.passed()], 4),
    ],
)
def test_of_several_scenarios_all_run_and_the_severest_end_counts(runner, capsys, script, code):
    runner.script = script
    assert main(["run", "one.yaml", "two.yaml", "three.yaml"]) == code
    assert [call[0].name for call in runner.calls] == ["one.yaml", "two.yaml", "three.yaml"]


def test_an_interruption_ends_all_scenarios(runner, capsys):
    runner.script = [judgements.failed(), as_interrupted(), judgements.passed()]
    assert main(["run", "one.yaml", "two.yaml", "three.yaml"]) == 130
    assert len(runner.calls) == 2


def test_the_verdict_goes_to_stdout_and_progress_to_stderr(runner, capsys):
    main(["run", SPOT])
    shown = capsys.readouterr()
    assert shown.out.startswith("PASS  spot: resilient.yaml")
    assert "a notice" in shown.err
    assert "a notice" not in shown.out


def test_machines_get_the_verdict_document_and_nothing_else_on_stdout(runner, capsys):
    runner.script = [judgements.failed()]
    assert main(["run", SPOT, "--output", "json"]) == 1
    assert capsys.readouterr().out.encode() == verdict_json.render(judgements.failed())
    assert main(["judge", "run", "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "FAIL"


def test_an_error_leaves_stdout_empty_for_machines(runner, capsys):
    runner.script = [HarnessError("no room")]
    assert main(["run", SPOT, "--output", "json", "-q"]) == 4
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "no room\n")


def test_quiet_says_nothing_before_the_verdict(runner, capsys):
    assert main(["run", SPOT, "--quiet"]) == 0
    assert isinstance(runner.progress, Silence)
    assert capsys.readouterr().err == ""


def test_every_option_reaches_the_runner(runner, capsys):
    arguments = ["--pipeline", "other.yaml", "--trials", "9", "--seed", "3", "--reports", "out"]
    arguments += ["--set", "expect.mttr.at-most=5m", "--set", "faults.0.when.step=61"]
    assert main(["run", SPOT, *arguments, "--deadline", "2m", "--on", "embedded"]) == 0
    options = runner.options
    assert (options.pipeline, options.reports) == (pathlib.Path("other.yaml"), pathlib.Path("out"))
    assert (options.trials, options.seed, options.on) == (9, 3, "embedded")
    assert options.set_values == {
        "expect.mttr.at-most": "5m",
        "faults.0.when.step": "61",
        "deadline": "2m",
    }


def test_the_value_of_an_override_may_hold_an_equals_sign(runner, capsys):
    main(["run", SPOT, "--set", "pipeline.parameters.flags=--a=b"])
    assert runner.options.set_values == {"pipeline.parameters.flags": "--a=b"}


def test_all_problems_of_a_scenario_are_told_one_a_line(runner, capsys):
    runner.script = [
        ScenarioError([Problem("b.yaml", 9, 1, "two"), Problem("b.yaml", 2, 5, "one")])
    ]
    assert main(["run", "b.yaml"]) == 2
    assert capsys.readouterr().err.splitlines()[-2:] == ["b.yaml:2:5: one", "b.yaml:9:1: two"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", SPOT, "--trials", "0"],
        ["run", SPOT, "--trials", "many"],
        ["run", SPOT, "--output", "xml"],
        ["run", SPOT, "--unknown", "maybe"],
        ["run", SPOT, "--no-such-option"],
        ["run", SPOT, "--set", "no-value"],
        ["run", SPOT, "--set", "=value"],
        ["no-such-verb"],
        ["judge"],
        ["plan"],
    ],
)
def test_wrong_usage_is_exit_2_with_a_reason_and_runs_nothing(runner, capsys, arguments):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.strip()
    assert runner.calls == []


def test_an_unexpected_error_is_one_line_and_its_traceback_is_kept(
    runner, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    runner.script = [RuntimeError("several\nlines")]
    assert main(["run", SPOT, "-q"]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("internal error: RuntimeError: several lines; traceback in ")
    (kept,) = tmp_path.glob("chaosml-error-*.txt")
    assert line.endswith(str(kept))
    assert "in answer" in kept.read_text()


@pytest.mark.parametrize("made", [RuntimeError("a bug"), HarnessError("no room")])
def test_a_traceback_is_shown_to_who_asks_for_it(runner, capsys, monkeypatch, made):
    monkeypatch.setenv("CHAOSML_DEBUG", "0")
    runner.script = [made]
    assert main(["run", SPOT]) == 4
    assert "Traceback" not in capsys.readouterr().err
    assert main(["--debug", "run", SPOT]) == 4
    assert "Traceback" in capsys.readouterr().err


def test_help_teaches_with_examples_and_explains_exit_codes(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "\n    chaosml run scenarios/spot.yaml " in shown
    assert "3 unknown or invalid" in shown
    assert "services" not in shown
    assert main([]) == 0
    assert capsys.readouterr().out.strip() == shown.strip()
    assert main(["run", "-h"]) == 0
    assert "chaosml run scenarios/spot.yaml --trials 20 --seed 3\n" in capsys.readouterr().out


def test_the_version_is_told_by_a_verb_and_by_an_option(capsys):
    assert main(["version"]) == 0
    assert main(["--version"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith("chaosml 0.")


def test_recover_says_what_it_healed(monkeypatch, capsys):
    def heal(reports, notice, *, clusters):
        assert clusters
        notice(f"{reports}: ended 2 processes")
        return 2

    monkeypatch.setattr("chaosml.runner.recover", heal)
    assert main(["recover", "--reports", "out"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("2 left-overs removed\n", "out: ended 2 processes\n")


def test_recover_heals_the_cluster_that_is_named_and_counts_what_it_did(
    monkeypatch, tmp_path, capsys
):
    def heal(place, notice):
        notice(f"{place}: opened node one for pods")
        return 1

    monkeypatch.setattr("chaosml.runner.recover_cluster", heal)
    named = ["--on", "cluster", "--context", "staging", "--namespace", "ml"]
    assert main(["recover", "--reports", str(tmp_path), *named]) == 0
    shown = capsys.readouterr()
    assert shown.out == "1 left-overs removed\n"
    assert shown.err == "namespace ml of context staging: opened node one for pods\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--on", "cluster"], "name the context"),
        (["--on", "moon"], "unknown substrate 'moon'"),
        (["--namespace", "ml"], "belong to --on"),
    ],
)
def test_recover_takes_no_cluster_by_default(options, said, tmp_path, capsys):
    assert main(["recover", "--reports", str(tmp_path), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_plan_shows_the_overlay_as_a_diff_without_a_cluster_and_without_colours(capsys):
    spot = str(ROOT / "scenarios" / "spot.yaml")
    assert main(["plan", spot, "--on", "kind", "--diff", "--trials", "1"]) == 0
    shown = capsys.readouterr().out
    assert "+    chaosml.dev/execution: spot-c1\n" in shown
    assert "\x1b" not in shown
    assert main(["plan", spot, "--on", "cluster", "--diff", "--output", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["executions"][0]["execution"] == "control/1"
    assert "services.invalid" in document["note"]


def test_a_dry_run_and_a_diff_are_for_clusters(capsys):
    spot = str(ROOT / "scenarios" / "spot.yaml")
    assert main(["plan", spot, "--diff"]) == 2
    assert "add --on kind or cluster" in capsys.readouterr().err
    assert main(["run", spot, "--dry-run"]) == 2
    assert "name one by --on kind or cluster" in capsys.readouterr().err
    assert main(["run", spot, "--on", "cluster", "--dry-run"]) == 2
    assert "name the context" in capsys.readouterr().err


def test_where_the_kubernetes_client_is_missing_no_folder_is_made_for_a_run_on_a_cluster(
    tmp_path, capsys, monkeypatch
):
    for module in ("kubernetes", "kubernetes.client", "kubernetes.config"):
        monkeypatch.setitem(sys.modules, module, None)
    reports = tmp_path / "reports"
    spot = str(ROOT / "scenarios" / "spot.yaml")
    assert main(["run", spot, "--on", "kind", "--reports", str(reports)]) == 4
    assert "pip install 'chaosml[kubernetes]'" in capsys.readouterr().err
    assert not reports.exists()


def test_where_nothing_was_left_recover_says_so(tmp_path, capsys):
    assert main(["recover", "--reports", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "nothing was left over\n"
