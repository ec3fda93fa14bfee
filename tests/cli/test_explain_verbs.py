"""The verbs `explain` and `faults`: text, JSON, near misses."""

import json

from chaosml.cli import main
from chaosml.faults.catalogue import CATALOGUE


def test_a_key_is_explained(capsys):
    assert main(["explain", "expect.lost-steps"]) == 0
    assert "at-most: whole number from 0 (required)" in capsys.readouterr().out


def test_a_key_that_is_not_there_is_wrong_usage(capsys):
    assert main(["explain", "expct"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "a scenario has no key 'expct'; did you mean 'expect'?\n"


def test_all_faults_are_listed(capsys):
    assert main(["faults"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : len(CATALOGUE) + 1]] == list(CATALOGUE)


def test_a_fault_is_shown_with_its_options_and_its_receipt(capsys):
    assert main(["faults", "task.zombie"]) == 0
    shown = capsys.readouterr().out
    assert "wakes-after: duration such as 30s (default 0s)" in shown
    assert "receipt: the object gone" in shown
    assert "runs on: embedded, kind\n" in shown


def test_machines_get_the_same(capsys):
    assert main(["faults", "pod.delete", "--output", "json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["name"] == "pod.delete"
    assert {option["name"] for option in shown["options"]} == {"grace-period", "force"}


def test_a_fault_that_is_not_there_is_named_with_the_near_miss(capsys):
    assert main(["faults", "pod.kill"]) == 2
    assert "there is no fault 'pod.kill'" in capsys.readouterr().err
