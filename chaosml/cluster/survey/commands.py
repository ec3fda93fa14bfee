"""The verb `chaosml cluster survey`."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Annotated

import typer

__all__ = ["add"]

_HELP = """Measure how Argo surfaces the deaths of pods, on a cluster made for it.

Each trial runs a workflow of one container, strikes its pod in one way, and watches
what the controller makes of it. chaosml carries such a survey: the views that it
plans for the embedded substrate come from it (docs/survey.md).

\b
  chaosml cluster survey --trials 10 --parallel 8 --out survey.json
  chaosml cluster survey --resume survey.json
  chaosml cluster survey --argo-version v4.0.5 --only way=force,finalizer=on --trials 3
  chaosml cluster survey --resume survey.json --trials 0 --output markdown

The file is written after each trial, so Ctrl-C loses nothing that has ended.
"""


class _Form(enum.StrEnum):
    """Who reads the result."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


_Name = Annotated[str, typer.Option(help="Name of the kind cluster; made if it is not there.")]
_Namespace = Annotated[str, typer.Option(help="Where the workflows run.")]
_Versions = Annotated[
    list[str] | None,
    typer.Option("--argo-version", metavar="VERSION", help="Can be repeated; default: both lines."),
]
_Trials = Annotated[int, typer.Option(min=0, help="Of each cell; 0: only show what there is.")]
_Parallel = Annotated[int, typer.Option(min=1, max=50, help="Trials at a time.")]
_Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE,…",
        help="Only cells with this way, signal, program, outputs, timing or finalizer.",
    ),
]
_Seed = Annotated[int, typer.Option(help="Decides the order of the trials.")]
_Out = Annotated[
    pathlib.Path | None, typer.Option(metavar="FILE", help="Where every trial is kept.")
]
_Resume = Annotated[
    pathlib.Path | None, typer.Option(metavar="FILE", help="Go on from there, and into it.")
]
_Keep = Annotated[bool, typer.Option("--keep", help="Leave a cluster there that was made for it.")]
_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
_Output = Annotated[
    _Form, typer.Option(help="json: the summary; markdown: the page of docs/survey.md.")
]


def add(
    app: typer.Typer,
    attempt: Callable[[Callable[[], int]], int],
    emit: Callable[[str], None],
    say: Callable[[str], None],
) -> None:
    """Add the verb; the arguments are those of the command line's terminal."""

    @app.command("survey", help=_HELP, short_help="Measure how Argo surfaces deaths.")
    def survey(
        name: _Name = "chaosml-survey",
        namespace: _Namespace = "chaosml",
        argo_version: _Versions = None,
        trials: _Trials = 10,
        parallel: _Parallel = 8,
        only: _Only = None,
        seed: _Seed = 1,
        out: _Out = None,
        resume: _Resume = None,
        keep: _Keep = False,
        quiet: _Quiet = False,
        output: _Output = _Form.TEXT,
    ) -> None:
        def measure() -> int:
            from chaosml.cluster.survey import record, tables
            from chaosml.cluster.survey.book import ARGO_VERSIONS, SurveyOptions
            from chaosml.cluster.survey.cells import parse_only
            from chaosml.cluster.survey.life import survey

            options = SurveyOptions(
                name=name,
                namespace=namespace,
                argo_versions=tuple(argo_version or ARGO_VERSIONS),
                trials=trials,
                parallel=parallel,
                only=parse_only(only or []),
                seed=seed,
                out=out,
                resume=resume,
                keep=keep,
            )
            found = survey(options, (lambda _: None) if quiet else say)
            match output:
                case _Form.JSON:
                    emit(record.encode(record.published_form(found)).decode())
                case _Form.MARKDOWN:
                    emit(tables.page(found))
                case _Form.TEXT:
                    emit(tables.text(found))
            return 0

        raise typer.Exit(attempt(measure))
