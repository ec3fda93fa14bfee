"""Progress for people while a run goes on: a live display, or plain lines without a terminal.

Both keep to their stream and never raise: a terminal that went away must not end a run.
"""

from __future__ import annotations

import contextlib
import pathlib
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from chaosml import clock
from chaosml.document import display_path
from chaosml.event import Event
from chaosml.plan.model import Plan
from chaosml.reports.course import Course, describe_end, describe_event, describe_strike
from chaosml.reports.figures import verdict_name
from chaosml.reports.progress import Progress, Silence
from chaosml.reports.wording import count, printable
from chaosml.scenario.model import Scenario
from chaosml.verdict import ExecutionSummary, Judgement

__all__ = ["LiveProgress", "PlainProgress", "progress_on"]

_REFRESH_NS = 100_000_000
_WAITING_NS = 10_000_000_000
"""How often plain lines repeat what is being waited for."""


def progress_on(stream: TextIO, *, quiet: bool = False, verbose: bool = False) -> Progress:
    """Return the progress that suits a stream: a display, plain lines, or silence."""
    if quiet:
        return Silence()
    console = _Display(file=stream, highlight=False, markup=False, emoji=False)
    # A dumb terminal cannot move its cursor.
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console, verbose=verbose)
    return PlainProgress(stream, verbose=verbose)


class _Display(Console):
    """A console whose reader may leave without taking the run along."""

    def on_broken_pipe(self) -> None:
        """Show nothing more; rich itself would end the process here."""
        self.quiet = True


def _unless_gone() -> contextlib.AbstractContextManager[None]:
    """Do without the display where its terminal has gone or cannot show the text."""
    return contextlib.suppress(OSError, ValueError)


def _announcement(scenario: Scenario, plan: Plan, directory: pathlib.Path) -> str:
    return printable(
        f"{scenario.metadata.name}: {count(plan.controls, 'control')} and "
        f"{count(len(plan.trials), 'trial')}, seed {plan.seed}, into {display_path(directory)}"
    )


class PlainProgress:
    """Writes a line with the time (UTC) for everything that a person would want to know."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._course = Course()
        self._told_ns = clock.monotonic_ns()

    def run_started(self, scenario: Scenario, plan: Plan, directory: pathlib.Path) -> None:
        """Say what will happen and where it is recorded."""
        self._course.plan(plan)
        self._say(_announcement(scenario, plan, directory))

    def execution_started(self, execution: str, case: str | None, deadline_s: float) -> None:
        """Say which execution begins."""
        self._course.begin(execution, case, deadline_s)
        self._say(self._course.title)

    def event(self, execution: str, event: Event) -> None:
        """Say what a fault did; with `verbose` everything that happens."""
        self._course.take(event)
        words = describe_event(event) if self._verbose else describe_strike(event)
        if words is not None:
            self._say(f"  {words}")

    def waiting(self, what: str, left_s: float) -> None:
        """Say from time to time what is being waited for."""
        self._course.wait(what, left_s)
        if clock.monotonic_ns() - self._told_ns >= _WAITING_NS:
            where = self._course.position
            self._say(f"  {where + ', ' if where else ''}{self._course.patience}")

    def execution_ended(self, execution: str, summary: ExecutionSummary | None) -> None:
        """Say how the execution went."""
        self._say(describe_end(execution, summary))

    def judged(self, judgement: Judgement, directory: pathlib.Path) -> None:
        """Say that the reports are there."""
        self._say(f"judged: {verdict_name(judgement)}, reports in {display_path(directory)}")

    def notice(self, message: str) -> None:
        """Say it."""
        self._say(printable(message))

    def close(self) -> None:
        """Nothing is left open."""

    def _say(self, line: str) -> None:
        self._told_ns = clock.monotonic_ns()
        with _unless_gone():
            self._stream.write(f"{clock.utc_now():%H:%M:%S} {line}\n")
            self._stream.flush()


class LiveProgress:
    """Keeps two lines at the bottom of a terminal up to date and leaves what is over above."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._course = Course()
        self._strike = ""
        self._drawn_ns = 0
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def run_started(self, scenario: Scenario, plan: Plan, directory: pathlib.Path) -> None:
        """Say what will happen and where it is recorded, and open the display."""
        self._course.plan(plan)
        self._print(Text(_announcement(scenario, plan, directory), style="bold"))
        with _unless_gone():
            self._live.start()

    def execution_started(self, execution: str, case: str | None, deadline_s: float) -> None:
        """Show which execution runs."""
        self._course.begin(execution, case, deadline_s)
        self._strike = ""
        self._draw(at_once=True)

    def event(self, execution: str, event: Event) -> None:
        """Show task, step and what a fault did; with `verbose` leave every event above."""
        self._course.take(event)
        strike = describe_strike(event)
        self._strike = strike or self._strike
        if self._verbose:
            self._print(Text(describe_event(event), style="dim"))
        self._draw(at_once=strike is not None)

    def waiting(self, what: str, left_s: float) -> None:
        """Show what is being waited for."""
        self._course.wait(what, left_s)
        self._draw(at_once=True)

    def execution_ended(self, execution: str, summary: ExecutionSummary | None) -> None:
        """Leave a line with how it went."""
        with _unless_gone():
            self._live.update(_cut(Text("  reading what was recorded", style="dim")))
        self._print(Text(describe_end(execution, summary)))

    def judged(self, judgement: Judgement, directory: pathlib.Path) -> None:
        """Remove the display and leave a blank line: the summary follows."""
        self.close()
        self._print(Text())

    def notice(self, message: str) -> None:
        """Leave it above the display."""
        self._print(Text(printable(message), style="yellow"))

    def close(self) -> None:
        """Remove the display and give the cursor back; a second call does nothing."""
        with _unless_gone():
            self._live.stop()

    def _print(self, text: Text) -> None:
        with _unless_gone():
            self._console.print(text)

    def _draw(self, *, at_once: bool = False) -> None:
        now = clock.monotonic_ns()
        if not self._live.is_started or not (at_once or now - self._drawn_ns >= _REFRESH_NS):
            return
        self._drawn_ns = now
        with _unless_gone():
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        course = self._course
        lines = [
            Text.assemble((course.title, "bold"), f"  {course.position}"),
            Text(f"  {course.patience}", style="dim"),
        ]
        if self._strike:
            lines.append(Text(f"  {self._strike}", style="yellow"))
        return _cut(*lines)


def _cut(*lines: Text) -> Group:
    """Return lines that end at the edge of the screen instead of going on below."""
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)
