"""Mending: what changes, what stays, and when nothing is done."""

import os
import pathlib
import stat

import pytest

from chaosml.errors import HarnessError
from chaosml.lint import fixing
from chaosml.lint.engine import examine
from chaosml.lint.rules import rules

PATH = pathlib.Path("pipeline.yaml")
HEAD = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n"


def mended(text, *names):
    chosen = {name: rules()[name] for name in names} if names else rules()
    return fixing.fix(text, PATH, examine(text, PATH, chosen))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # A block: the new key stands before the first, at its column.
        (
            "retryStrategy:\n        limit: 3 # three\n",
            "retryPolicy: Always\n        limit: 3 # three\n",
        ),
        ("retryStrategy: {limit: 3} # three\n", "retryStrategy: {retryPolicy: Always, limit: 3}"),
        ("retryStrategy: {}\n", "retryStrategy: {retryPolicy: Always}\n"),
        # Quotes stay as they are.
        (
            "retryStrategy: {retryPolicy: 'OnFailure', limit: 3}\n",
            "{retryPolicy: 'Always', limit: 3}",
        ),
        ('retryStrategy: {"retryPolicy": "OnFailure"}\n', '{"retryPolicy": "Always"}'),
        (
            "retryStrategy: &r\n        limit: 3\n",
            "&r\n        retryPolicy: Always\n        limit: 3\n",
        ),
    ],
)
def test_a_missing_or_wrong_policy_is_written_in_the_layout_of_its_place(before, after):
    text = f"{HEAD}    - name: train # first\n      {before}      container: {{image: a}}\n"
    fixed = mended(text, "retry-misses-error")
    assert after in fixed.text
    assert len(fixed.mended) == 1
    assert "# first" in fixed.text


def test_templates_that_share_a_strategy_by_an_alias_are_mended_by_one_edit():
    text = (
        f"{HEAD}    - name: a\n      retryStrategy: &r {{limit: 3}}\n      container: {{}}\n"
        "    - name: b\n      retryStrategy: *r\n      container: {}\n"
    )
    fixed = mended(text, "retry-misses-error")
    assert fixed.text == text.replace("&r {", "&r {retryPolicy: Always, ")


def test_what_is_merged_is_mended_where_it_stands():
    text = (
        "x: &base {limit: 3, retryPolicy: OnError}\n"
        f"{HEAD}    - name: a\n      retryStrategy:\n        <<: *base\n      container: {{}}\n"
    )
    fixed = mended(text, "retry-misses-failed")
    # The anchor would change, too, and nobody has asked for that.
    assert (fixed.text, fixed.mended) == (text, ())


def test_a_removed_key_takes_its_line_and_leaves_the_comment_beside_it():
    text = (
        f"{HEAD}    - name: a\n      dag:\n        failFast: false   # a colleague said so\n"
        "        tasks: []\n"
    )
    fixed = mended(text, "fail-fast-folklore")
    assert fixed.text == text.replace("failFast: false   # a", "# a")


@pytest.mark.parametrize("flow", ["{failFast: true, tasks: []}", "{tasks: [], failFast: true}"])
def test_a_removed_key_takes_its_comma(flow):
    fixed = mended(f"{HEAD}    - name: a\n      dag: {flow}\n", "fail-fast-folklore")
    assert fixed.text.endswith("dag: {tasks: []}\n")


def test_windows_line_ends_and_every_other_character_stay():
    text = (
        f"{HEAD}    - name: 'é'\n      retryStrategy:\n        limit:   3\n"
        "      container: {image: a}\t\n\n\n"
    ).replace("\n", "\r\n")
    fixed = mended(text, "retry-misses-error")
    assert fixed.text == text.replace("limit:   3", "retryPolicy: Always\r\n        limit:   3")


def test_later_documents_are_mended_in_their_own_place():
    first = "# a service\nkind: Service\nmetadata: {name: s}\n---\n"
    text = f"{first}{HEAD}    - name: a\n      retryStrategy: {{limit: 3}}\n      container: {{}}\n"
    fixed = mended(text, "retry-misses-error")
    assert fixed.text == text.replace("{limit", "{retryPolicy: Always, limit")


def test_a_script_in_a_block_is_left_to_people():
    text = (
        f"{HEAD}    - name: a\n      container:\n        image: a\n        command: [sh, -c]\n"
        "        args:\n          - |\n            python train.py\n"
    )
    assert mended(text, "shell-in-front").mended == ()


def test_what_is_suppressed_stays():
    text = (
        f"{HEAD}    - name: a\n      # chaosml: ignore[retry-misses-error] our own controller\n"
        "      retryStrategy: {limit: 3}\n      container: {}\n"
    )
    assert mended(text, "retry-misses-error").text == text


def test_mending_twice_changes_nothing_more():
    texts = [rule.bad for rule in rules().values() if rule.fixable]
    for text in texts:
        once = mended(text).text
        assert mended(once).text == once


def test_a_file_keeps_its_permissions_its_mark_and_its_link(tmp_path):
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_bytes(b"\xef\xbb\xbfa: 1\n")
    real.chmod(0o640)
    link.symlink_to(real)
    fixing.write(link, "a: 2\n")
    assert real.read_bytes() == b"\xef\xbb\xbfa: 2\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]


def test_a_file_that_cannot_be_replaced_is_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\n")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match=r"a\.yaml: cannot be written: No space left on device"):
        fixing.write(path, "a: 2\n")
    assert path.read_text() == "a: 1\n"
    assert [one.name for one in tmp_path.iterdir()] == ["a.yaml"]
