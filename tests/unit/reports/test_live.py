"""Progress: plain lines without a terminal, a display on one, and never an exception."""

import io
import re

import judgements
import occasions
import pytest
from rich.console import Console

from chaosml.event import ClaimStep, HoldStarted, InjectionApplied, PodGone, TaskPhase
from chaosml.reports.live import LiveProgress, PlainProgress, progress_on
from chaosml.reports.progress import Silence

RUNNING = TaskPhase(
    vertex="train(0)",
    display_name="train(0)",
    template="train",
    type="Pod",
    phase="Running",
    task="train",
    attempt=0,
)


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text):
        raise BrokenPipeError


def step(number):
    return occasions.event(ClaimStep(n=number, pid=1, step=number, batch="ab" * 32))


def tell(progress):
    """Tell the course of a short run."""
    progress.run_started(occasions.SCENARIO, occasions.plan(), occasions.DIRECTORY)
    progress.execution_started("control/1", None, 120.0)
    progress.event("control/1", occasions.event(RUNNING, "task/train"))
    progress.execution_ended("control/1", judgements.control())
    progress.execution_started("trial/1", "drained/gone", 120.0)
    progress.event("trial/1", occasions.event(RUNNING, "task/train"))
    progress.event("trial/1", step(61))
    progress.waiting("train(0) (Running)", 101.2)
    progress.event(
        "trial/1", occasions.event(HoldStarted(hold="h", rule="r", uid="u", place="step 61"))
    )
    applied = InjectionApplied(injection="t1.drained", action="drain", target="node-1")
    progress.event("trial/1", occasions.event(applied))
    progress.event("trial/1", occasions.event(PodGone(uid="u", view="gone")))
    progress.event("trial/1", occasions.event(PodGone(uid="v", view="seen")))
    progress.notice("something\x1b[2J to know")
    progress.execution_ended("trial/1", judgements.trial(1, "drained"))
    progress.execution_started("control/2", None, 120.0)
    progress.execution_ended("control/2", None)
    progress.judged(judgements.passed(), occasions.DIRECTORY)
    progress.close()
    progress.close()


def test_without_a_terminal_every_turn_of_the_run_is_a_line_with_its_time():
    stream = io.StringIO()
    tell(PlainProgress(stream))
    lines = stream.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert [line[9:] for line in lines] == [
        "spot: 1 control and 1 trial, seed 7, into reports/spot/20261124T221500Z",
        "[1/2] control/1, undisturbed",
        "control/1: Succeeded, 5.2 s",
        "[2/2] trial/1, drained/gone",
        "  held at step 61",
        "  t1.drained: drain node-1",
        "  pod gone, seen as gone",
        "something\\x1b[2J to know",
        "trial/1: Succeeded, 8.5 s, struck at step 61, MTTR 3.1 s, lost steps 0, waste 31 %",
        "[3/3] control/2, undisturbed",
        "control/2: broke off",
        "judged: PASS, reports in reports/spot/20261124T221500Z",
    ]


def test_verbose_lines_show_every_event():
    stream = io.StringIO()
    progress = PlainProgress(stream, verbose=True)
    progress.event("trial/1", step(61))
    assert stream.getvalue()[9:].startswith(
        "  41 harness step pod/u1 n=61 pid=1 step=61 batch=abab"
    )


def test_a_long_event_is_cut():
    stream = io.StringIO()
    progress = PlainProgress(stream, verbose=True)
    progress.event("t", occasions.event(HoldStarted(hold="h" * 5000, rule="r", uid="u", place="p")))
    assert len(stream.getvalue()) < 260
    assert stream.getvalue().endswith("…\n")


def test_an_invalid_trial_says_why():
    stream = io.StringIO()
    receipt = judgements.receipt(1, "drained", why_invalid="target-finished", took_effect=False)
    ended = judgements.trial(1, "drained", valid=False, receipts=(receipt,), measures={"a": 1})
    PlainProgress(stream).execution_ended("trial/1", ended)
    assert stream.getvalue()[9:] == "trial/1: INVALID, Succeeded, 8.5 s, target-finished\n"


def on_terminal(width=80, **options):
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None, _environ={})
    return LiveProgress(console, **options), stream


def test_a_terminal_shows_which_execution_which_fault_which_step_and_what_is_awaited():
    progress, stream = on_terminal()
    tell(progress)
    shown = stream.getvalue()
    assert "[2/2] trial/1, drained/gone  train at step 61" in shown
    assert "waiting for train(0) (Running); 0 s gone, at most 1 min 41 s left" in shown
    assert "t1.drained: drain node-1" in shown
    assert "\x1b[2J" not in shown


def test_a_terminal_has_its_cursor_back_when_the_run_is_over():
    progress, stream = on_terminal()
    tell(progress)
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l") >= 0


def test_a_narrow_terminal_cuts_lines_instead_of_wrapping_them():
    progress, stream = on_terminal(width=30)
    progress.run_started(occasions.SCENARIO, occasions.plan(), occasions.DIRECTORY)
    begun = len(stream.getvalue())
    progress.execution_started("trial/1", "drained/gone-with-a-long-name", 120.0)
    progress.waiting("train(0) (Running)", 101.2)
    progress.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()[begun:])
    lines = re.split(r"[\r\n]+", shown)
    assert any(line.endswith("…") for line in lines)
    assert max(map(len, lines)) <= 30


def test_verbose_leaves_every_event_above_the_display():
    progress, stream = on_terminal(verbose=True, width=120)
    tell(progress)
    assert "41 harness hold-started pod/u1 hold=h rule=r uid=u place=step 61" in stream.getvalue()


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_reader_who_went_away_does_not_end_the_run(monkeypatch, terminal, verbose):
    stream = Gone()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    progress = progress_on(stream, verbose=verbose)
    assert isinstance(progress, LiveProgress if terminal else PlainProgress)
    tell(progress)


def test_the_stream_decides_what_kind_of_progress_there_is(monkeypatch):
    stream = io.StringIO()
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(progress_on(stream), PlainProgress)
    assert isinstance(progress_on(stream, quiet=True), Silence)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress_on(stream), LiveProgress)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(progress_on(stream), PlainProgress)
