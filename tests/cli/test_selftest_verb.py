"""`chaosml selftest` on the command line: options and exit codes; nothing is run."""

import json

import pytest

from chaosml.cli import main
from chaosml.selftest.catalogue import DEFECTS, OUT_OF_REACH
from chaosml.selftest.running import Ended


@pytest.fixture
def no_verdicts(monkeypatch):
    """Let every run end at once and leave nothing."""

    def end(jobs, *, at_once):
        for job in jobs:
            yield Ended(job=job, judgement=None, printed=job.scenario, took_s=0.0)

    monkeypatch.setattr("chaosml.selftest.running.run_all", end)


def test_the_list_names_every_defect_with_who_must_name_it(capsys):
    assert main(["selftest", "--list"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == len(DEFECTS) + len(OUT_OF_REACH)
    assert shown[0].split()[:3] == ["no-rng", "resume:", "rng-not-restored:"]


def test_an_unknown_defect_is_refused_before_anything_is_written(capsys, tmp_path):
    assert main(["selftest", "--only", "no-rmg", "--reports", str(tmp_path)]) == 2
    assert "--only no-rmg: there is no such defect" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_runs_without_verdicts_are_a_failure_and_say_how_to_run_them_again(
    no_verdicts, capsys, tmp_path
):
    arguments = ["--only", "no-rng", "--seeds", "1", "--json", str(tmp_path / "matrix.json")]
    assert main(["selftest", *arguments, "--reports", str(tmp_path)]) == 1
    streams = capsys.readouterr()
    assert "[2/2] healthy-1: invalid" in streams.err
    assert "replay chaosml run" in streams.out
    assert streams.out.splitlines()[-1].startswith("FAIL  0 of 1 defects caught")
    document = json.loads((tmp_path / "matrix.json").read_text())
    assert [one["result"] for one in document["defects"]] == ["invalid"]
    (root,) = (tmp_path / "selftest").iterdir()
    assert (root / "matrix.md").read_text().startswith("| defect |")
    assert (root / "no-rng" / "workflow.yaml").is_file()


def test_only_named_defects_run_and_the_healthy_pipeline_on_request(no_verdicts, capsys, tmp_path):
    main(["selftest", "--only", "no-rng", "--reports", str(tmp_path), "-q"])
    streams = capsys.readouterr()
    assert "seeds" not in streams.out
    assert "[1/1]" not in streams.err


def test_a_file_that_cannot_be_written_is_an_error_of_the_environment(
    no_verdicts, capsys, tmp_path
):
    arguments = ["--only", "no-rng", "--json", str(tmp_path / "none" / "matrix.json")]
    assert main(["selftest", *arguments, "--reports", str(tmp_path)]) == 4
    assert "cannot write" in capsys.readouterr().err
