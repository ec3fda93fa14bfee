"""The verb `chaosml sweep`.

The command line hands in how it turns errors into exit codes and where it writes, as it
does for the verbs of clusters.
"""

from __future__ import annotations

import enum
import pathlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml import completion
from chaosml.errors import UsageError
from chaosml.store.directory import LATEST
from chaosml.terminal import Doubt, Form, Terminal, set_values

if TYPE_CHECKING:
    from chaosml.runner import RunOptions
    from chaosml.sweep.options import SweepOptions, SweepResult
    from chaosml.sweep.telling import Teller

__all__ = ["judge_sweep", "mount"]

_HELP = """Test recovery from a crash at every durable effect of a pipeline.

An undisturbed execution is recorded with everything that it stores. The store as a crash
before and after each write leaves it is put together from that, and only the retry and
what follows it is executed.

\b
  chaosml sweep scenarios/spot.yaml                    every point
  chaosml sweep scenarios/spot.yaml --sample 20        a seeded sample of the points
  chaosml sweep scenarios/spot.yaml --point 17         one point again
  chaosml sweep scenarios/spot.yaml --kills 5          and real kills, held against the states
  chaosml sweep scenarios/spot.yaml --resume reports/spot-sweep/latest

\b
Exit codes: 0 recovery holds at every point, 1 it does not, 2 wrong usage or scenario,
3 unknown, 4 the harness or its environment failed, 130 interrupted (--resume goes on).
"""


class _View(enum.StrEnum):
    """What Argo's controller gets to see of the crash."""

    RESTARTED = "restarted"
    GONE = "gone"
    SEEN = "seen"


_Scenario = Annotated[
    pathlib.Path,
    typer.Argument(metavar="SCENARIO", show_default=False, autocompletion=completion.scenarios),
]
_Pipeline = Annotated[
    pathlib.Path | None,
    typer.Option(metavar="WORKFLOW", help="Another Workflow document for the same scenario."),
]
_Point = Annotated[int | None, typer.Option(min=1, help="Only the point of this number.")]
_Sample = Annotated[
    int | None, typer.Option(min=1, help="Only so many points, chosen by the seed.")
]
_Views = Annotated[
    list[_View] | None, typer.Option(help="What Argo sees of the crash; default: restarted.")
]
_Kills = Annotated[
    int, typer.Option(min=0, help="Real kills, each of which must land in a built state.")
]
_Workers = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Executions side by side; default: three for two processors."),
]
_Resume = Annotated[
    pathlib.Path | None, typer.Option(metavar="RUN", help="Go on with a sweep that was cut short.")
]
_Seed = Annotated[int | None, typer.Option(help="Decides samples.")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value of the scenario."),
]
_Reports = Annotated[pathlib.Path, typer.Option(metavar="DIR", help="Where sweeps are recorded.")]
_Output = Annotated[Form, typer.Option(help="json: the document alone, on stdout.")]
_Unknown = Annotated[Doubt, typer.Option(help="warn: exit 0 although something stays unknown.")]
_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
_Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Every state as it is tested.")]


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verb to the command line."""

    @app.command("sweep", help=_HELP, short_help="Test recovery from a crash at every write.")
    def sweep(
        scenario: _Scenario,
        pipeline: _Pipeline = None,
        point: _Point = None,
        sample: _Sample = None,
        view: _Views = None,
        kills: _Kills = 0,
        workers: _Workers = None,
        resume: _Resume = None,
        seed: _Seed = None,
        set_: _Set = None,
        reports: _Reports = pathlib.Path("reports"),
        output: _Output = Form.TEXT,
        unknown: _Unknown = Doubt.FAIL,
        quiet: _Quiet = False,
        verbose: _Verbose = False,
    ) -> None:
        def do() -> int:
            from chaosml.runner import RunOptions
            from chaosml.sweep.telling import teller_on

            options = RunOptions(
                pipeline=pipeline,
                seed=seed,
                set_values=set_values(set_ or (), example="seed=3"),
                reports=reports,
            )
            choices = _choices(point, sample, view, kills, workers, resume)
            teller = teller_on(sys.stderr, quiet=quiet, verbose=verbose)
            try:
                result = _sweep(scenario, options, choices, teller)
            finally:
                teller.close()
            return _show(result, output, unknown, terminal)

        raise typer.Exit(terminal.attempt(do))


def _choices(
    point: int | None,
    sample: int | None,
    views: Iterable[_View] | None,
    kills: int,
    workers: int | None,
    resume: pathlib.Path | None,
) -> SweepOptions:
    from chaosml.sweep.options import SweepOptions
    from chaosml.workflow.views import View

    if point is not None and sample is not None:
        raise UsageError("--point names one, --sample chooses some: give one of the two")
    chosen = tuple(View(one.value) for one in dict.fromkeys(views or [_View.RESTARTED]))
    return SweepOptions(
        point=point, sample=sample, views=chosen, kills=kills, workers=workers, resume=resume
    )


def _sweep(
    scenario: pathlib.Path, options: RunOptions, choices: SweepOptions, teller: Teller
) -> SweepResult:
    from chaosml.sweep import life

    return life.sweep(scenario, options, choices, teller)


def judge_sweep(path: pathlib.Path, output: Form, unknown: Doubt, terminal: Terminal) -> int | None:
    """Judge a sweep again and print its report; return the exit code, None for what is no sweep.

    Raises:
        HistoryError: what it holds cannot be judged.
    """
    if not any((one / "recording" / "course.json").is_file() for one in (path, path / LATEST)):
        return None
    from chaosml.sweep.rejudging import rejudge

    return _show(rejudge(path), output, unknown, terminal)


def _show(result: SweepResult, output: Form, unknown: Doubt, terminal: Terminal) -> int:
    """Print a report and return its exit code."""
    from chaosml.reports.layout import screen
    from chaosml.sweep import documents, text
    from chaosml.verdict import exit_code

    if output is Form.JSON:
        terminal.emit(documents.render_json(result.report).decode())
    else:
        terminal.emit(text.render(result.report, result.directory, screen(sys.stdout)))
    return exit_code(result.report, tolerate_unknown=unknown is Doubt.WARN)
