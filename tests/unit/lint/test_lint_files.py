"""Which files are looked at, and how a whole call ends."""

import io
import os
import pathlib
import types

import pytest

from chaosml.errors import UsageError
from chaosml.lint.rule import Severity
from chaosml.lint.rules import rules
from chaosml.lint.run import lint

BAD = rules()["retry-transient"].bad
SOUND = "\n".join(
    [
        "apiVersion: argoproj.io/v1alpha1",
        "kind: Workflow",
        "metadata: {generateName: t-}",
        "spec:",
        "  entrypoint: train",
        "  podSpecPatch: '{\"terminationGracePeriodSeconds\": 100}'",
        "  templates:",
        "    - name: train",
        "      retryStrategy: {limit: 3, retryPolicy: Always}",
        "      container: {image: 'a@sha256:0f', command: [python, train.py]}",
        "",
    ]
)
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/").replace("_yaml", ".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return types.SimpleNamespace(path=tmp_path, write=write)


def files_of(outcome):
    return [one.file for one in outcome.examined]


def test_a_sound_file_ends_with_0_a_finding_with_1(folder):
    folder.write(sound_yaml=SOUND, bad_yaml=BAD)
    assert lint(["sound.yaml"]).exit_code() == 0
    assert lint(["bad.yaml"]).exit_code() == 1
    assert lint(["sound.yaml", "bad.yaml"]).exit_code() == 1


def test_a_broken_file_keeps_nobody_else_from_being_read_and_ends_with_2(folder):
    folder.write(a_yaml=BAD, b_yaml="spec: [\n", c_yaml=BAD)
    outcome = lint(["a.yaml", "b.yaml", "c.yaml"])
    assert files_of(outcome) == ["a.yaml", "b.yaml", "c.yaml"]
    assert [problem.file for problem in outcome.problems] == ["b.yaml"]
    assert {finding.file for finding in outcome.findings} == {"a.yaml", "c.yaml"}
    assert outcome.exit_code() == 2


def test_a_broken_workflow_in_a_folder_is_told_and_a_broken_stranger_is_not(folder):
    folder.write(
        p__a_yaml="apiVersion: argoproj.io/v1alpha1\nspec: [\n",
        p__chart_yaml="{{- if .Values.on }}\nkind: Service\n{{- end }}\n",
        p__sound_yaml=SOUND,
    )
    outcome = lint(["p"])
    assert [problem.file for problem in outcome.problems] == ["p/a.yaml"]
    assert (outcome.skipped, outcome.exit_code()) == (1, 2)


def test_a_folder_is_read_to_its_depth_and_strangers_are_passed_over(folder):
    folder.write(
        p__a_yaml=SOUND, p__q__b_yaml=SOUND, p__s_yaml=SERVICE, p__hidden=SOUND, p__q__c_yaml="a: 1"
    )
    os.makedirs("p/.git")
    pathlib.Path("p/.git/d.yaml").write_text(BAD)
    outcome = lint(["p"])
    assert files_of(outcome) == ["p/a.yaml", "p/q/b.yaml"]
    assert (outcome.skipped, outcome.exit_code()) == (2, 0)


def test_a_pattern_means_what_it_fits(folder):
    folder.write(p__a_yaml=SOUND, p__q__b_yaml=SOUND)
    assert files_of(lint(["p/**/*.yaml"])) == ["p/a.yaml", "p/q/b.yaml"]


def test_a_file_that_is_meant_twice_is_read_once(folder):
    folder.write(p__a_yaml=SOUND)
    assert files_of(lint(["p/a.yaml", "p", "p/*.yaml"])) == ["p/a.yaml"]


@pytest.mark.parametrize("argument", ["nothing.yaml", "nothing/*.yaml", "nothing/"])
def test_an_argument_that_means_nothing_is_wrong_usage(folder, argument):
    with pytest.raises(UsageError, match="there is no such file or folder"):
        lint([argument])


def test_a_check_that_checks_nothing_is_not_green(folder):
    folder.write(s_yaml=SERVICE, p__t_yaml=SERVICE)
    named = lint(["s.yaml"])
    assert named.others == {"s.yaml": 'kind "Service"'}
    assert (named.exit_code(), lint(["p"]).exit_code()) == (2, 2)


def test_standard_input_is_read_and_is_not_mended(folder, monkeypatch):
    stdin = types.SimpleNamespace(buffer=io.BytesIO(BAD.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    assert {finding.file for finding in lint(["-"]).findings} == {"<stdin>"}
    with pytest.raises(UsageError, match="cannot mend standard input"):
        lint(["-"], fix=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a: \xff\n", "is not UTF-8"), (b"#" * 1_048_577, "is larger than"), (b"\x00", "not YAML")],
)
def test_what_is_no_text_is_a_problem_of_its_file(folder, content, said):
    folder.write(sound_yaml=SOUND)
    pathlib.Path("a.yaml").write_bytes(content)
    outcome = lint(["a.yaml", "sound.yaml"])
    assert said in outcome.problems[0].message
    assert outcome.documents == 1


def test_a_file_that_cannot_be_opened_is_a_problem(folder):
    folder.write(sound_yaml=SOUND)
    pathlib.Path("gone.yaml").symlink_to("nowhere")
    outcome = lint(["gone.yaml", "sound.yaml"])
    assert "cannot be read: no such file" in outcome.problems[0].message
    assert outcome.documents == 1


def test_mending_writes_the_file_and_what_is_left_is_told(folder):
    folder.write(bad_yaml=BAD)
    outcome = lint(["bad.yaml"], fix=True)
    assert [finding.rule.name for finding in outcome.mended] == ["retry-transient"]
    assert "retryPolicy: Always" in pathlib.Path("bad.yaml").read_text()
    assert "retry-transient" not in {finding.rule.name for finding in outcome.findings}
    assert outcome.exit_code() == 1


def test_nothing_is_written_where_nothing_is_mended(folder):
    folder.write(sound_yaml=SOUND)
    before = pathlib.Path("sound.yaml").stat()
    lint(["sound.yaml"], fix=True)
    after = pathlib.Path("sound.yaml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_rules_are_asked_and_left_out_by_name(folder):
    folder.write(bad_yaml=BAD)
    only = lint(["bad.yaml"], only=["retry-transient"])
    assert {finding.rule.name for finding in only.findings} == {"retry-transient"}
    without = lint(["bad.yaml"], ignored=["retry-transient"])
    assert "retry-transient" not in {finding.rule.name for finding in without.findings}
    with pytest.raises(UsageError, match='there is no rule "retry-transiet"; did you mean'):
        lint(["bad.yaml"], only=["retry-transiet"])


def test_a_finding_fails_from_the_severity_on_that_is_asked(folder):
    folder.write(a_yaml=SOUND.replace("a@sha256:0f", "a:1"))
    outcome = lint(["a.yaml"])
    assert [finding.severity for finding in outcome.findings] == [Severity.WARNING]
    codes = [outcome.exit_code(severity) for severity in Severity]
    assert codes == [0, 1, 1]
