"""The verb `chaosml sweep`.

The command line hands in how it turns errors into exit codes and where it writes, as it
does for the verbs of clusters.
"""

from __future__ import annotations

import enum
import pathlib
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from chaosml.cluster.commands import Terminal
from chaosml.errors import UsageError

__all__ = ["mount"]

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


class _Form(enum.StrEnum):
    """Who reads the result."""

    TEXT = "text"
    JSON = "json"


class _Doubt(enum.StrEnum):
    """What becomes of a sweep that proves nothing."""

    FAIL = "fail"
    WARN = "warn"


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verb to the command line."""

    @app.command("sweep", help=_HELP, short_help="Test recovery from a crash at every write.")
    def sweep(
        scenario: Annotated[pathlib.Path, typer.Argument(metavar="SCENARIO", show_default=False)],
        pipeline: Annotated[
            pathlib.Path | None,
            typer.Option(metavar="WORKFLOW", help="Another Workflow document."),
        ] = None,
        point: Annotated[int | None, typer.Option(min=1, help="Only this point.")] = None,
        sample: Annotated[
            int | None, typer.Option(min=1, help="Only so many points, chosen by the seed.")
        ] = None,
        view: Annotated[
            list[_View] | None,
            typer.Option(help="What Argo sees of the crash; default: restarted."),
        ] = None,
        kills: Annotated[
            int, typer.Option(min=0, help="Real kills that must land in a built state.")
        ] = 0,
        workers: Annotated[
            int | None, typer.Option(min=1, max=64, help="Side by side; default: processors.")
        ] = None,
        resume: Annotated[
            pathlib.Path | None, typer.Option(metavar="RUN", help="Go on with this sweep.")
        ] = None,
        seed: Annotated[int | None, typer.Option(help="Decides samples.")] = None,
        set_: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="PATH=VALUE", help="Override a value."),
        ] = None,
        reports: Annotated[
            pathlib.Path, typer.Option(metavar="DIR", help="Where sweeps are recorded.")
        ] = pathlib.Path("reports"),
        output: Annotated[_Form, typer.Option(help="json: the document alone.")] = _Form.TEXT,
        unknown: Annotated[
            _Doubt, typer.Option(help="warn: exit 0 although something stays unknown.")
        ] = _Doubt.FAIL,
        quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
        verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Every state.")] = False,
    ) -> None:
        def do() -> int:
            from chaosml.reports.layout import screen
            from chaosml.runner import RunOptions
            from chaosml.sweep import documents, text
            from chaosml.sweep.life import sweep as run
            from chaosml.sweep.options import SweepOptions
            from chaosml.sweep.result import exit_code
            from chaosml.sweep.telling import teller_on
            from chaosml.workflow.views import View

            if point is not None and sample is not None:
                raise UsageError("--point names one, --sample chooses some: give one of the two")
            views = tuple(View(one.value) for one in dict.fromkeys(view or [_View.RESTARTED]))
            teller = teller_on(sys.stderr, quiet=quiet, verbose=verbose)
            try:
                result = run(
                    scenario,
                    RunOptions(
                        pipeline=pipeline,
                        seed=seed,
                        set_values=_values(set_ or ()),
                        reports=reports,
                    ),
                    SweepOptions(
                        point=point,
                        sample=sample,
                        views=views,
                        kills=kills,
                        workers=workers,
                        resume=resume,
                    ),
                    teller,
                )
            finally:
                teller.close()
            if output is _Form.JSON:
                terminal.emit(documents.render_json(result.report).decode())
            else:
                terminal.emit(text.render(result.report, result.directory, screen(sys.stdout)))
            return exit_code(result.report, tolerate_unknown=unknown is _Doubt.WARN)

        raise typer.Exit(terminal.attempt(do))


def _values(given: Iterable[str]) -> dict[str, str]:
    values = {}
    for item in given:
        path, equals, value = item.partition("=")
        if not path or not equals:
            raise UsageError(f"--set {item}: is not PATH=VALUE, such as seed=3")
        values[path] = value
    return values
