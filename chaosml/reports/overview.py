"""Several runs side by side, one line each, as a test session or a merge ends with."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from chaosml.reports import figures
from chaosml.reports.layout import sheet, without_padding
from chaosml.reports.wording import duration, printable, share, steps
from chaosml.verdict import ExecutionSummary, Judgement

__all__ = ["render"]

_COLUMNS = ("verdict", "held", "invalid", ">MTTR", ">lost", ">waste", ">cases", "scenario")
_COLORS = {"PASS": "green", "FAIL": "bold red"}


def render(runs: Sequence[tuple[str, Judgement | str]], console: Console) -> str:
    """Return a table of runs, with colors where the console has them.

    Args:
        runs: The scenario as people name it, and its judgement or why there is none.
        console: Gives width and colors.
    """
    table = sheet(*_COLUMNS)
    for name, run in runs:
        if not isinstance(run, str):
            verdict = figures.verdict_name(run)
            shown = Text(verdict, style=_COLORS.get(verdict, "yellow"))
            table.add_row(shown, *_cells(run), printable(name))
    with console.capture() as capture:
        if table.row_count:
            console.print(table)
        for name, run in runs:
            if isinstance(run, str):
                # Why there is none is longer than a column is wide.
                told = Text("ERROR", style="bold red").append(f"  {printable(name)}", style="bold")
                console.print(told.append(f": {printable(run)}", style="not bold"))
    return without_padding(capture.get(), console)


def _cells(judgement: Judgement) -> list[str]:
    stated = figures.expectations(judgement)
    held = sum(one.status.value == "PASS" for one in stated)
    trials = [one for one in judgement.executions if one.execution.startswith("trial/")]
    invalid = len(figures.invalid_executions(judgement))
    coverage = judgement.coverage
    shown = sum(case in coverage.exercised for case in coverage.cases)
    return [
        f"{held}/{len(stated)}",
        f"{invalid}/{len(trials)}",
        _worst(trials, "mttr_s", duration),
        _worst(trials, "lost_steps", steps),
        _worst(trials, "waste", share),
        f"{shown}/{len(coverage.cases)}",
    ]


def _worst(trials: Sequence[ExecutionSummary], name: str, write: figures.Writer) -> str:
    """Return the largest value over the valid trials that have one."""
    found = [
        value
        for trial in trials
        if trial.valid and (value := figures.number(trial.measures, name)) is not None
    ]
    return write(max(found)) if found else figures.NONE
