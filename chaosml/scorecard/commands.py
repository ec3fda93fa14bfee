"""The verbs `chaosml scorecard` and `chaosml compare`.

The command line hands in how it turns errors into exit codes and where it writes. What is
heavy is imported by the verb, and the table library only by the option that needs it.
"""

from __future__ import annotations

import datetime
import enum
import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml import completion
from chaosml.errors import HarnessError, UsageError
from chaosml.terminal import Terminal

if TYPE_CHECKING:
    from chaosml.scorecard.model import Scorecard

__all__ = ["mount"]

_WORSE = 1
_DOUBTFUL = 3

_SCORECARD_HELP = """Put runs side by side: grades, figures, coverage, what became worse.

\b
  chaosml scorecard reports
  chaosml scorecard reports --html scorecard.html
  chaosml scorecard reports --output markdown      a comment for a pull request
  chaosml scorecard reports --json baseline.json   for chaosml compare

\b
Exit codes: 0 everything below the folders is on it, 2 there is no run, 3 something was
skipped and is named. Whether the runs passed is not asked here: `run` and `compare` say it.
"""

_COMPARE_HELP = """Name what became worse from A to B: runs, folders of runs, or scorecards.

Of a folder the latest run of every scenario, pipeline and substrate counts.

\b
  chaosml compare reports/spot/20261124T221500Z reports/spot/latest
  chaosml compare baseline.json reports

\b
Exit codes: 0 nothing became worse, 1 a regression, 2 wrong usage, 3 something that was
proved is not any more, or something could not be read.
"""


class _Form(enum.StrEnum):
    """Who reads the scorecard."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


_Folders = Annotated[
    list[pathlib.Path],
    typer.Argument(metavar="REPORTS", show_default=False, autocompletion=completion.runs),
]
_Side = Annotated[pathlib.Path, typer.Argument(show_default=False, autocompletion=completion.runs)]


def _file(words: str) -> object:
    return typer.Option(metavar="FILE", help=words)


_File = pathlib.Path | None


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verbs to the command line."""

    @app.command("scorecard", help=_SCORECARD_HELP, short_help="Put runs side by side.")
    def scorecard(
        reports: _Folders,
        html: Annotated[_File, _file("The page, in one file.")] = None,
        json: Annotated[_File, _file("The document for machines.")] = None,
        markdown: Annotated[_File, _file("A comment for a pull request.")] = None,
        badge: Annotated[_File, _file("An SVG for a README.")] = None,
        csv: Annotated[_File, _file("A line for every trial; needs chaosml[tables].")] = None,
        parquet: Annotated[_File, _file("The same for machines.")] = None,
        openmetrics: Annotated[_File, _file("For Prometheus' textfile collector.")] = None,
        stale_after: Annotated[
            str, typer.Option(metavar="DURATION", help="Older runs are marked stale.")
        ] = "336h",
        output: Annotated[_Form, typer.Option(help="What goes to stdout.")] = _Form.TEXT,
    ) -> None:
        files = {
            "html": html,
            "json": json,
            "markdown": markdown,
            "badge": badge,
            "csv": csv,
            "parquet": parquet,
            "openmetrics": openmetrics,
        }

        def show() -> int:
            return _show(reports, files, stale_after, output, terminal)

        raise typer.Exit(terminal.attempt(show))

    @app.command("compare", help=_COMPARE_HELP, short_help="Name what became worse.")
    def compare(
        before: _Side,
        after: _Side,
        output: Annotated[_Form, typer.Option(help="What goes to stdout.")] = _Form.TEXT,
    ) -> None:
        raise typer.Exit(terminal.attempt(lambda: _compare(before, after, output, terminal)))


def _show(
    reports: list[pathlib.Path],
    files: dict[str, pathlib.Path | None],
    stale_after: str,
    output: _Form,
    terminal: Terminal,
) -> int:
    from chaosml import clock
    from chaosml.scorecard.assembly import assemble
    from chaosml.scorecard.reading import read_runs
    from chaosml.scorecard.writing import content

    patience_s = _seconds(stale_after)
    harvest = read_runs(reports)
    made = assemble(harvest, now=clock.utc_now(), stale_after_s=patience_s)
    for form, path in files.items():
        if path is not None:
            _write(path, content(form, made, harvest))
            terminal.say(f"wrote {path}")
    terminal.emit(_text(made) if output is _Form.TEXT else content(output, made, harvest).decode())
    return _complete(made)


def _text(made: Scorecard) -> str:
    import sys

    from chaosml.reports.layout import screen
    from chaosml.scorecard import text

    return text.render(made, screen(sys.stdout))


def _complete(made: Scorecard) -> int:
    return _DOUBTFUL if any(not one.harmless for one in made.skipped) else 0


def _seconds(text: str) -> float:
    from chaosml.scenario.model import parse_duration

    try:
        return float(parse_duration(text))
    except ValueError as error:
        raise UsageError(f"--stale-after {text}: {error}") from error


def _write(path: pathlib.Path, content: bytes) -> None:
    from chaosml.store.directory import replace_file

    try:
        replace_file(path, content)
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror}") from error


def _compare(before: pathlib.Path, after: pathlib.Path, output: _Form, terminal: Terminal) -> int:
    import sys

    from chaosml import clock
    from chaosml.reports.layout import screen
    from chaosml.scorecard import text
    from chaosml.scorecard.comparison import DOUBT, REGRESSION, compare_all
    from chaosml.scorecard.writing import changes_json, changes_markdown

    now = clock.utc_now()
    old, new = _read_side(before, now), _read_side(after, now)
    changes = compare_all(old, new)
    if output is _Form.JSON:
        terminal.emit(changes_json(changes).decode())
    elif output is _Form.MARKDOWN:
        terminal.emit(changes_markdown(changes))
    else:
        terminal.emit(text.render_changes(changes, screen(sys.stdout)))
    for one in (*old.skipped, *new.skipped):
        terminal.say(f"skipped {one.path}: {one.why}")
    kinds = {change.kind for found in changes.values() for change in found}
    if REGRESSION in kinds:
        return _WORSE
    return _DOUBTFUL if DOUBT in kinds else max(_complete(old), _complete(new))


def _read_side(path: pathlib.Path, now: datetime.datetime) -> Scorecard:
    from chaosml.scorecard.assembly import assemble
    from chaosml.scorecard.reading import VERDICT, read_runs, read_scorecard

    if path.is_file() and path.name != VERDICT:
        return read_scorecard(path)
    return assemble(read_runs([path]), now=now)
