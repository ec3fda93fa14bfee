"""What a person sees of a sweep when it is over; the verdict comes first and last."""

from __future__ import annotations

import pathlib

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from chaosml.document import display_path
from chaosml.reports.layout import without_padding
from chaosml.reports.wording import printable, printable_lines
from chaosml.sweep import words
from chaosml.sweep.margins import lines_of
from chaosml.sweep.result import Failure, SweepReport
from chaosml.verdict import Status, Verdict

__all__ = ["render"]

_COLORS = {"PASS": "green", "FAIL": "bold red", "UNKNOWN": "yellow", "INTERRUPTED": "yellow"}
_EVIDENCE_MAX = 3
_LABEL_WIDTH = 8
_UNREACHED_MAX = 8


def render(report: SweepReport, directory: pathlib.Path, console: Console) -> str:
    """Return the summary as text for this console."""
    shown = display_path(directory)
    with console.capture() as capture:
        about = f"{report.scenario} swept: {report.pipeline}, seed {report.seed}, run {report.run}"
        console.print(_headed(words.verdict(report), printable(about)))
        for failure in report.failures:
            console.print()
            _print_failure(console, failure, shown)
        for verdict in report.controls:
            console.print()
            _print_undisturbed(console, verdict)
        console.print()
        for kill in report.kills:
            if kill.status is not Status.PASS:
                _line(console, "kill", f"{kill.status.value} {kill.name}: {kill.message}")
        _line(console, "recorded", words.effects(report))
        _line(console, "coverage", words.coverage(report))
        for line in words.unreached(report)[:_UNREACHED_MAX]:
            _line(console, "missing", line)
        _line(console, "kills", words.kills(report))
        for line in lines_of(report.margins):
            _line(console, "margins", line)
        if words.speed(report):
            _line(console, "states", words.speed(report))
        _whole(console, "report", f"{shown}/summary.md")
        _whole(console, "replay", printable_lines(report.replay))
        console.print()
        console.print(_headed(words.verdict(report), words.headline(report)))
    return without_padding(capture.get(), console)


def _headed(name: str, line: str) -> Text:
    return Text.assemble((name, _COLORS[name]), ("  " + line, "bold"))


def _print_failure(console: Console, failure: Failure, shown: str) -> None:
    what = f"{failure.checker}: {failure.cause}"
    console.print(_headed(failure.status.value, printable(f"{what}  point {failure.point}")))
    _indent(console, printable(failure.place))
    _indent(console, printable(failure.message))
    for line in failure.evidence[:_EVIDENCE_MAX]:
        _whole(console, "evidence", f"{shown}/{printable(line)}", indent="  ")
    if also := words.also_at(failure):
        _indent(console, f"also at points {also}")
    if failure.advice is not None:
        _indent(console, f"advice: {printable(failure.advice)}")
    _whole(console, "replay", printable(failure.replay), indent="  ")


def _print_undisturbed(console: Console, verdict: Verdict) -> None:
    what = f"{verdict.checker}: {verdict.cause}  {verdict.execution}"
    console.print(_headed(verdict.status.value, printable(what)))
    _indent(console, "without any crash, so it is not counted at any point")
    _indent(console, printable(verdict.message))


def _indent(console: Console, line: str) -> None:
    console.print(Padding(Text(line), (0, 0, 0, 2)))


def _line(console: Console, label: str, line: str) -> None:
    console.print(
        Padding(Text.assemble((f"{label:<{_LABEL_WIDTH}} ", "dim"), printable(line)), (0, 0, 0, 0))
    )


def _whole(console: Console, label: str, line: str, indent: str = "") -> None:
    """Print a path or command in one piece, so it can be copied."""
    text = Text(indent).append(f"{label:<{_LABEL_WIDTH}} ", style="dim").append(line)
    console.print(text, no_wrap=True, overflow="ignore", crop=False)
