"""The verb `chaosml export`, and what `chaosml judge` does with a journal."""

from __future__ import annotations

import pathlib
import sys
from typing import Annotated

import typer

from chaosml.errors import HarnessError, UsageError
from chaosml.terminal import Doubt, Form, Terminal, set_values

__all__ = ["judge_journal", "mount"]

_HELP = """Write a scenario as an experiment of the Chaos Toolkit, which `chaos run` executes.

The experiment runs the whole scenario with the seed and the options given here, asks for its
status, and heals what a killed run left. It names the environment variables of secrets and
holds no value. What it came to is judged from its journal.

\b
  chaosml export --chaostoolkit scenarios/spot.yaml --output spot.json
  chaos run spot.json
  chaosml judge journal.json

\b
Exit codes: 0 written, 2 the scenario or an option is wrong, 4 the file cannot be written.
"""


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verb to the command line."""

    @app.command("export", help=_HELP, short_help="Write a scenario for another tool.")
    def export(
        scenario: Annotated[pathlib.Path, typer.Argument(metavar="SCENARIO", show_default=False)],
        chaostoolkit: Annotated[
            bool, typer.Option("--chaostoolkit", help="As an experiment of the Chaos Toolkit.")
        ] = False,
        output: Annotated[
            pathlib.Path | None,
            typer.Option(metavar="FILE", help="Where it is written; default: stdout."),
        ] = None,
        pipeline: Annotated[
            pathlib.Path | None,
            typer.Option(metavar="WORKFLOW", help="Another Workflow for the same scenario."),
        ] = None,
        trials: Annotated[int | None, typer.Option(min=1, help="Disturbed executions.")] = None,
        seed: Annotated[int | None, typer.Option(help="Decides places and cases.")] = None,
        set_: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="PATH=VALUE", help="Override a value of the scenario."),
        ] = None,
        reports: Annotated[
            pathlib.Path, typer.Option(metavar="DIR", help="Where runs are recorded.")
        ] = pathlib.Path("reports"),
        on: Annotated[
            str, typer.Option(metavar="SUBSTRATE", help="embedded, kind or cluster.")
        ] = "embedded",
        context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
        namespace: Annotated[str | None, typer.Option(help="Namespace of the cluster.")] = None,
    ) -> None:
        def write() -> int:
            from chaosml import runner
            from chaosml.experiment.export import experiment_of, render

            if not chaostoolkit:
                raise UsageError("say what for: --chaostoolkit")
            options = runner.RunOptions(
                pipeline=pipeline,
                trials=trials,
                seed=seed,
                set_values=set_values(set_ or (), example="faults.0.when.step=61"),
                reports=reports,
                on=on,
                context=context,
                namespace=namespace,
            )
            _ = options.place
            loaded, planned = runner.plan(scenario, options)
            document = render(experiment_of(scenario, loaded, planned, options))
            if output is None:
                terminal.emit(document)
            else:
                _write(output, document)
            return 0

        raise typer.Exit(terminal.attempt(write))


def _write(path: pathlib.Path, document: str) -> None:
    try:
        path.write_text(document, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror}") from error


def judge_journal(path: pathlib.Path, output: Form, unknown: Doubt, terminal: Terminal) -> int:
    """Judge the runs that a journal names; return the exit code.

    Raises:
        HistoryError: it is no journal, or a run that it names cannot be read.
    """
    from chaosml.experiment import journal, judging
    from chaosml.reports import terminal as screens
    from chaosml.reports.layout import screen
    from chaosml.verdict import exit_code

    concluded = judging.judge(journal.read(path))
    if output is Form.JSON:
        terminal.emit(judging.json_of(concluded))
    else:
        for result in concluded.results:
            shown = screens.render(result.judgement, result.directory, screen(sys.stdout))
            terminal.emit(shown + "\n")
        terminal.emit(judging.text_of(concluded))
    return exit_code(concluded, tolerate_unknown=unknown is Doubt.WARN)
