"""The verbs `chaosml recover` and those of other parts; what dry runs and differences show.

The command line hands in how it turns errors into exit codes and where it writes, as it
does for the verbs of clusters.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Annotated

import typer

from chaosml import completion
from chaosml.errors import UsageError
from chaosml.experiment import commands as experiment_verb
from chaosml.explain import commands as explain_verbs
from chaosml.lint import commands as lint_verb
from chaosml.scaffold import commands as init_verb
from chaosml.scorecard import commands as scorecard_verbs
from chaosml.selftest import command as selftest
from chaosml.sweep import commands as sweep_verb
from chaosml.terminal import Doubt, Form, Terminal

__all__ = ["SEVEREST_FIRST", "judge_other", "mount", "show_differences", "show_rehearsal"]

SEVEREST_FIRST = (130, 4, 2, 1, 3, 0)
"""Exit codes; that of several is the first that occurs."""
_REFUSED = 4

_RECOVER_HELP = """Heal what runs that died have left; living runs stay as they are.

On this machine: processes, temporary folders. In the clusters where they ran: workflows,
pods, nodes that are closed or stopped, the Lease of the namespace.

\b
  chaosml recover                                  every run recorded in reports/
  chaosml recover --on kind --namespace chaosml    this namespace, whoever left it so
  chaosml recover --on cluster --context staging --namespace ml-chaos

\b
Exit codes: 0 all is healed, 2 no such context, 4 something is not, or a living run uses
the namespace.
"""

_SCHEMA_HELP = """Print the JSON Schema of scenarios, for editors.

\b
  chaosml schema > chaosml.schema.json
"""

_COMPLETION_HELP = """Print what makes your shell complete verbs, options, scenarios and runs.

\b
  chaosml completion bash      in ~/.bashrc: source <(chaosml completion bash)
  chaosml completion zsh       in ~/.zshrc, after compinit: source <(chaosml completion zsh)
  chaosml completion fish      into ~/.config/fish/completions/chaosml.fish
"""

_MERGE_HELP = """Put the reports together that the jobs of `pytest --chaosml-shard I/N` left.

Copies their runs into one folder, writes one junit.xml there and prints one overview. A
missing shard, or a scenario that was not run, is named and is no success.

\b
  chaosml merge shards/ --into reports
  chaosml merge job-1/reports job-2/reports job-3/reports

\b
Exit codes: those of `chaosml run` over all scenarios; 3 too where a part is missing or a
run broke.
"""
_ABSENT = 3


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verbs to the command line."""
    init_verb.mount(app, terminal)
    explain_verbs.mount(app, terminal)
    lint_verb.mount(app, terminal)
    selftest.mount(app, terminal)
    sweep_verb.mount(app, terminal)
    experiment_verb.mount(app, terminal)
    scorecard_verbs.mount(app, terminal)
    _mount_recover(app, terminal)
    _mount_merge(app, terminal)
    _mount_schema(app, terminal)
    _mount_completion(app, terminal)


def _mount_schema(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("schema", help=_SCHEMA_HELP, short_help="Print the JSON Schema of scenarios.")
    def schema() -> None:
        def show() -> int:
            import json

            from chaosml.explain.schema import schema

            terminal.emit(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
            return 0

        raise typer.Exit(terminal.attempt(show))


def _mount_completion(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("completion", help=_COMPLETION_HELP, short_help="Print a script for your shell.")
    def complete(shell: Annotated[completion.Shell, typer.Argument(show_default=False)]) -> None:
        def show() -> int:
            terminal.emit(completion.script(shell))
            return 0

        raise typer.Exit(terminal.attempt(show))


def _mount_merge(app: typer.Typer, terminal: Terminal) -> None:
    @app.command("merge", help=_MERGE_HELP, short_help="Put the reports of shards together.")
    def merge(
        folder: Annotated[list[pathlib.Path], typer.Argument(metavar="DIR", show_default=False)],
        into: Annotated[
            pathlib.Path, typer.Option(metavar="DIR", help="Where everything is put.")
        ] = pathlib.Path("reports"),
    ) -> None:
        raise typer.Exit(terminal.attempt(lambda: _merge(folder, into, terminal)))


def _merge(folders: list[pathlib.Path], into: pathlib.Path, terminal: Terminal) -> int:
    """Merge, print the overview and return the severest exit code."""
    from chaosml.reports import merged, overview
    from chaosml.reports.layout import screen
    from chaosml.verdict import exit_code

    runs = merged.merge(folders, into).runs
    terminal.emit(overview.render(runs, screen(sys.stdout)))
    codes = [_ABSENT if isinstance(run, str) else exit_code(run) for _, run in runs]
    return min(codes, key=SEVEREST_FIRST.index, default=_ABSENT)


def _mount_recover(app: typer.Typer, terminal: Terminal) -> None:

    @app.command("recover", help=_RECOVER_HELP, short_help="Heal what runs that died have left.")
    def recover(
        reports: Annotated[
            pathlib.Path, typer.Option(metavar="DIR", help="Where runs are recorded.")
        ] = pathlib.Path("reports"),
        on: Annotated[
            str | None,
            typer.Option(metavar="SUBSTRATE", help="A cluster to heal: kind or cluster."),
        ] = None,
        context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
        namespace: Annotated[str | None, typer.Option(help="Namespace to heal.")] = None,
    ) -> None:
        def heal() -> int:
            from chaosml import runner

            options = runner.RunOptions(on=on or "embedded", context=context, namespace=namespace)
            place = options.place
            if place is None and (context or namespace):
                raise UsageError("--context and --namespace belong to --on kind or --on cluster")
            healed = runner.recover(reports, terminal.say, clusters=on is None)
            if place is not None:
                healed += runner.recover_cluster(place, terminal.say)
            terminal.emit(f"{healed} left-overs removed\n" if healed else "nothing was left over\n")
            return 0

        raise typer.Exit(terminal.attempt(heal))


def show_rehearsal(
    path: pathlib.Path, options: object, *, as_json: bool, terminal: Terminal
) -> int:
    """Show every call of a run on a cluster; return the exit code.

    Raises:
        UsageError: the scenario or an option is wrong, or the run would be embedded.
    """
    from chaosml import runner
    from chaosml.runner import cluster_templates, foresight, objections, rehearsal_text
    from chaosml.runner.cluster_environment import foreseen
    from chaosml.runner.rehearsal import rehearse

    assert isinstance(options, runner.RunOptions)
    place = options.place
    if place is None:
        raise UsageError("--dry-run shows the calls to a cluster: name one by --on kind or cluster")
    with cluster_templates.completed(path, options) as complete:
        loaded, planned = runner.plan(path, complete)
        shown = rehearse(loaded, planned, complete, foreseen(complete, place))
    found = objections.find(place, shown)
    render = rehearsal_text.json_of if as_json else rehearsal_text.text_of
    terminal.emit(render(place, shown, found, foresight.NOTE))
    return _REFUSED if found.refused else 0


def show_differences(
    path: pathlib.Path, options: object, *, as_json: bool, colour: bool, terminal: Terminal
) -> int:
    """Show what a run on a cluster would submit beside the document; return the exit code.

    Raises:
        UsageError: the scenario or an option is wrong, or the run would be embedded.
    """
    from chaosml import runner
    from chaosml.runner import overlay_diff

    assert isinstance(options, runner.RunOptions)
    if options.on not in ("kind", "cluster"):
        raise UsageError("--diff shows what is submitted to a cluster: add --on kind or cluster")
    found = overlay_diff.differences(*runner.plan(path, options), options.on)
    if as_json:
        terminal.emit(overlay_diff.json_of(found))
    else:
        text = overlay_diff.text_of(found)
        terminal.emit(overlay_diff.coloured(text) if colour else text)
    return 0


def judge_other(path: pathlib.Path, output: Form, unknown: Doubt, terminal: Terminal) -> int | None:
    """Judge what is no run: a journal of the Chaos Toolkit, a sweep; None for everything else."""
    if path.is_file():
        return experiment_verb.judge_journal(path, output, unknown, terminal)
    return sweep_verb.judge_sweep(path, output, unknown, terminal)
