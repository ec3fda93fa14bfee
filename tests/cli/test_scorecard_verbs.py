"""The verbs `scorecard` and `compare`: streams, files, exit codes."""

import json
import pathlib
import subprocess
import sys

import judgements
import pytest

from chaosml.cli import main
from chaosml.reports import verdict_json
from chaosml.verdict import Judgement

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "reports" / "example"


def record(folder: pathlib.Path, judgement: Judgement) -> pathlib.Path:
    folder.mkdir(parents=True)
    (folder / "verdict.json").write_bytes(verdict_json.render(judgement))
    return folder


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """A failing run after one that passed."""
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "reports/spot/20261123T221500Z", judgements.passed(run="20261123T221500Z"))
    record(tmp_path / "reports/spot/20261124T221500Z", judgements.failed())
    return tmp_path / "reports"


def test_runs_are_put_side_by_side_on_stdout_alone(reports, capsys):
    assert main(["scorecard", "reports"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("1 scenario: 0 pass, 1 fail, 0 unproved; ")
    assert "regression expectation-broken" in shown.out
    assert shown.err == ""


def test_every_form_is_written_and_said_on_stderr(reports, capsys):
    forms = ("html", "json", "markdown", "badge", "csv", "parquet", "openmetrics")
    options = [word for form in forms for word in (f"--{form}", f"card.{form}")]
    assert main(["scorecard", "reports", *options]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == [
        f"card.{form}" for form in forms
    ]
    assert all(pathlib.Path(f"card.{form}").stat().st_size > 100 for form in forms)


@pytest.mark.parametrize(("form", "start"), [("json", "{"), ("markdown", "<!-- chaosml-")])
def test_the_document_alone_goes_to_stdout(reports, capsys, form, start):
    assert main(["scorecard", "reports", "--output", form]) == 0
    assert capsys.readouterr().out.startswith(start)


def test_the_committed_runs_are_read_without_their_histories(capsys, tmp_path):
    page = tmp_path / "page.html"
    assert main(["scorecard", str(EXAMPLE), "--html", str(page)]) == 0
    count = len(list(EXAMPLE.glob("*/verdict.json")))
    assert capsys.readouterr().out.startswith(f"{count} scenarios: ")
    assert "no history kept" in page.read_text()


def test_what_was_skipped_is_named_and_the_exit_code_says_so(reports, capsys):
    (reports / "spot/20261124T221500Z/verdict.json").write_text('{"schema": 99}')
    assert main(["scorecard", "reports"]) == 3
    shown = capsys.readouterr().out
    assert "has schema 99" in shown
    assert "1 scenario: 1 pass" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such folder of runs"),
        (["reports", "--stale-after", "14"], "--stale-after 14: is no duration"),
    ],
)
def test_wrong_usage_is_a_sentence(reports, capsys, arguments, message):
    assert main(["scorecard", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(reports, capsys):
    assert main(["scorecard", "reports", "--html", "nowhere/page.html"]) == 4
    assert "cannot write nowhere/page.html: No such file" in capsys.readouterr().err


def test_an_older_run_is_stale_where_asked(reports, capsys):
    assert main(["scorecard", "reports", "--stale-after", "1m"]) == 0
    assert "stale: it is" in capsys.readouterr().out


def test_a_regression_is_named_and_ends_with_1(reports, capsys):
    before, after = "reports/spot/20261123T221500Z", "reports/spot/20261124T221500Z"
    assert main(["compare", before, after]) == 1
    assert "regression expectation-broken: outcome" in capsys.readouterr().out
    assert main(["compare", before, before]) == 0
    assert capsys.readouterr().out == "1 compared: 0 regressions, 0 doubts, 0 improvements\n"


def test_a_scorecard_that_was_written_is_a_baseline(reports, capsys):
    main(["scorecard", "reports/spot/20261123T221500Z", "--json", "baseline.json"])
    capsys.readouterr()
    assert main(["compare", "baseline.json", "reports", "--output", "json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["scenario"] == "spot"
    assert {one["kind"] for one in row["changes"]} >= {"regression"}


def test_a_run_that_is_not_there_any_more_is_a_doubt(reports, capsys):
    record(reports / "other/20261124T221500Z", judgements.passed(scenario="other"))
    main(["scorecard", "reports", "--json", "baseline.json"])
    capsys.readouterr()
    assert main(["compare", "baseline.json", "reports/spot"]) == 3
    assert "doubt run-missing: other" in capsys.readouterr().out


def test_what_cannot_be_read_keeps_a_comparison_from_being_clean(reports, capsys):
    (reports / "foreign.json").write_text("{}")
    assert main(["compare", "reports", "reports"]) == 3
    assert capsys.readouterr().err.count("foreign.json: is no document of a run") == 2


def test_a_baseline_that_is_none_is_wrong_usage(reports, capsys):
    pathlib.Path("baseline.json").write_text("{}")
    assert main(["compare", "baseline.json", "reports"]) == 2
    assert "baseline.json: is no scorecard" in capsys.readouterr().err


def test_without_pandas_only_the_tables_are_missing(reports, tmp_path):
    blocked = (
        "import sys; sys.modules['pandas'] = None; from chaosml.cli import main; "
        "sys.exit(main(sys.argv[1:]))"
    )

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-c", blocked, "scorecard", str(reports), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert call("--html", str(tmp_path / "page.html")).returncode == 0
    refused = call("--csv", str(tmp_path / "runs.csv"))
    assert refused.returncode == 2
    assert "pip install 'chaosml[tables]'" in refused.stderr
