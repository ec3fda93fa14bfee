"""The verb `lint`: options, exit codes, and what goes to which stream."""

import json
import pathlib

import pytest

from chaosml.cli import main
from chaosml.lint.rules import rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "scenarios" / "pipelines"
RESILIENT, ADHOC = str(PIPELINES / "resilient.yaml"), str(PIPELINES / "adhoc.yaml")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([RESILIENT], 0),
        ([ADHOC], 1),
        ([str(PIPELINES)], 1),
        ([ADHOC, "--rule", "cron-overlap"], 0),
        ([ADHOC, "--rule", "image-tag", "--fail-on", "error"], 0),
        ([], 2),
        (["no-such-file.yaml"], 2),
        ([ADHOC, "--rule", "no-such-rule"], 2),
        ([ADHOC, "--output", "xml"], 2),
        ([str(ROOT / "kind-config.yaml")], 2),
        (["--explain", "no-such-rule"], 2),
        (["--list"], 0),
    ],
)
def test_every_end_has_its_exit_code(capsys, arguments, code):
    assert main(["lint", *arguments]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_finding_says_where_how_bad_what_what_to_do_and_where_it_is_explained(capsys):
    main(["lint", ADHOC, "--rule", "retry-transient"])
    first, fix, page, summary = capsys.readouterr().out.splitlines()
    assert "adhoc.yaml:30:" in first
    assert ": error [retry-transient] " in first
    assert fix == "    fix: write retryPolicy: Always (--fix does it)"
    assert page == "    why: docs/lint/retry-transient.md (chaosml lint --explain retry-transient)"
    assert summary == "1 error in 1 document"


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_a_document_for_programs_is_alone_on_stdout(capsys, form):
    main(["lint", ADHOC, "--output", form])
    shown = capsys.readouterr()
    assert json.loads(shown.out)
    assert shown.err == ""


def test_annotations_are_for_github(capsys):
    main(["lint", ADHOC, "--output", "github", "--rule", "retry-transient"])
    assert capsys.readouterr().out.startswith("::error file=")


def test_a_file_without_a_workflow_that_stands_alone_is_named(capsys):
    assert main(["lint", str(ROOT / "kind-config.yaml")]) == 2
    said = capsys.readouterr().err
    assert 'kind-config.yaml: no workflow and no pipeline package (kind "Cluster")' in said
    assert "there was nothing to look at" in said


def test_the_page_of_a_rule_is_shown(capsys):
    assert main(["lint", "--explain", "shell-in-front"]) == 0
    shown = capsys.readouterr().out
    assert shown == (ROOT / "docs/lint/shell-in-front.md").read_text(encoding="utf-8")


def test_the_list_has_every_rule(capsys):
    main(["lint", "--list"])
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == sorted(rules())


def test_files_are_mended_in_place(tmp_path, capsys):
    copy = tmp_path / "adhoc.yaml"
    copy.write_text(pathlib.Path(ADHOC).read_text())
    assert main(["lint", str(copy), "--fix"]) == 1
    assert "mended [retry-transient]" in capsys.readouterr().out
    before = pathlib.Path(ADHOC).read_text().splitlines()
    after = copy.read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new for _, new in changed] == [changed[0][0].replace("OnTransientError", "Always")]
