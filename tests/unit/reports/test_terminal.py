"""The summary on a terminal: nothing missing at any width, nothing that acts, colors on demand."""

import io

import golden
import judgements
import pytest
from rich.console import Console

from chaosml.reports import terminal
from chaosml.reports.layout import screen


def colored(judged):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    return terminal.render(judged, golden.RUN, console)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_every_failed_expectation_is_named_with_cause_and_the_file_to_open(width):
    lines = golden.text(judgements.failed(), width).splitlines()
    whole = " ".join(" ".join(lines).split())
    assert "FAIL outcome: pod-deleted-not-retried trial/2" in whole
    assert "FAIL corruption: half-trained-model-registered trial/3, trial/2" in whole
    assert "was registered as digits/1 after the training had exited 0" in whole
    # In one piece, to be copied.
    path = "reports/spot/20261124T221500Z/trials/3/history.jsonl:41"
    assert f"  open     {path}" in lines
    assert "replay   chaosml run scenarios/spot.yaml --seed 7" in lines


@pytest.mark.parametrize("width", [40, 80, 120])
def test_tables_keep_to_the_width_of_the_screen(width):
    lines = golden.text(judgements.failed(), width).splitlines()
    whole = [line for line in lines if "reports/" in line or line.startswith("replay")]
    assert [line for line in lines if len(line) > width and line not in whole] == []


def test_the_verdict_is_the_first_and_the_last_word():
    lines = golden.text(judgements.failed(), 200).splitlines()
    assert lines[0].startswith("FAIL  spot: resilient.yaml on embedded")
    assert lines[-1].startswith("FAIL  outcome: pod-deleted-not-retried")


def test_an_interrupted_run_is_not_called_passed():
    lines = golden.text(judgements.passed(interrupted=True), 200).splitlines()
    assert lines[0].startswith("INTERRUPTED  spot")
    assert lines[-1].startswith("INTERRUPTED  stopped after 2 controls and 2 trials")


def test_what_is_unknown_beside_a_failure_is_named_without_the_way_to_its_evidence():
    text = golden.text(judgements.failed())
    assert "UNKNOWN  lineage: checker-raised  trial/1\n  the checker raised KeyError\n" in text
    assert "Traceback" not in text


def test_hostile_text_controls_no_terminal():
    text = golden.text(judgements.hostile())
    assert all(line.isprintable() for line in text.splitlines())


def test_hostile_text_is_no_markup_of_the_display():
    judged = judgements.passed(scenario="[bold red]spot[/]")
    assert "[bold red]spot[/]: resilient.yaml" in golden.text(judged)


def test_a_terminal_gets_colors_and_a_file_does_not(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mPASS" in colored(judgements.passed())
    assert "\x1b" not in golden.text(judgements.passed())


def test_who_wants_no_colors_gets_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in colored(judgements.passed())


def test_a_file_gets_a_width_that_is_read_well(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert screen(io.StringIO()).width == 100
    monkeypatch.setenv("COLUMNS", "60")
    assert screen(io.StringIO()).width == 60
    monkeypatch.setenv("COLUMNS", "500")
    assert screen(io.StringIO()).width == 140
