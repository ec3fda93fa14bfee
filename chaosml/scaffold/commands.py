"""The verb `chaosml init`: the first scenario for somebody's own pipeline."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml.errors import UsageError
from chaosml.terminal import Terminal

if TYPE_CHECKING:
    from chaosml.scaffold.life import Request, Written

__all__ = ["mount"]

_HELP = """Write the first scenario for your own pipeline: a workflow, or a training command.

Of a workflow it takes tasks, parameters and what its arguments name; --watch also runs it
once, undisturbed, in local processes. A command becomes a workflow of one task and is run
once: what it stores shows what its checkpoints are. Everything guessed is marked GUESS.

\b
  chaosml init workflow.yaml
  chaosml init workflow.yaml --watch --output chaos/spot.yaml
  chaosml init -- python train.py --out {store}
  chaosml init --env CKPT={store} --timeout 5m -- torchrun train.py

\b
In a command and in --env each execution has its own: {store} is s3://BUCKET/PREFIX, {bucket}
its bucket, {run} an id. Endpoint and credentials are in AWS_ENDPOINT_URL_S3 and so on.

\b
Exit codes: 0 written, 2 it cannot be run here, fails or stores nothing, or the file is
there already, 4 the environment failed, 130 interrupted.
"""

_Subject = Annotated[
    list[str], typer.Argument(metavar="WORKFLOW | -- COMMAND…", show_default=False)
]


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verb to the command line."""

    @app.command("init", help=_HELP, short_help="Write a scenario for your own pipeline.")
    def init(
        subject: _Subject,
        output: Annotated[
            pathlib.Path | None,
            typer.Option(metavar="FILE", help="The scenario; default: NAME.chaos.yaml, here."),
        ] = None,
        name: Annotated[
            str | None, typer.Option(help="Its name; default: that of the file or script.")
        ] = None,
        watch: Annotated[
            bool, typer.Option("--watch", help="Run the workflow once and see what it stores.")
        ] = False,
        env: Annotated[
            list[str] | None,
            typer.Option(metavar="NAME=VALUE", help="A variable of the command; repeatable."),
        ] = None,
        timeout: Annotated[
            str, typer.Option(metavar="DURATION", help="Limit of the run that is watched.")
        ] = "2m",
        reports: Annotated[
            pathlib.Path, typer.Option(metavar="DIR", help="Where it is recorded meanwhile.")
        ] = pathlib.Path("reports"),
        force: Annotated[bool, typer.Option("--force", help="Replace files.")] = False,
    ) -> None:
        def do() -> int:
            request = _request(output, name, force, timeout, reports)
            written = _init(subject, env or [], watch, request, terminal)
            terminal.emit(_show(written))
            return 0

        raise typer.Exit(terminal.attempt(do))


def _request(
    output: pathlib.Path | None,
    name: str | None,
    force: bool,
    timeout: str,
    reports: pathlib.Path,
) -> Request:
    import re

    from chaosml.scaffold.life import Request
    from chaosml.scenario.model import parse_duration

    try:
        timeout_s = float(parse_duration(timeout))
    except ValueError as error:
        raise UsageError(f"--timeout {timeout}: {error}") from error
    if name is not None and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", name):
        raise UsageError(f"--name {name}: use at most 42 small letters, digits and dashes")
    return Request(output=output, name=name, force=force, timeout_s=timeout_s, reports=reports)


def _init(
    subject: list[str], env: list[str], watch: bool, request: Request, terminal: Terminal
) -> Written:
    from chaosml.scaffold import life
    from chaosml.scaffold.training_command import read_environment

    file = pathlib.Path(subject[0])
    if len(subject) == 1 and file.suffix in {".yaml", ".yml", ".json"}:
        if env:
            raise UsageError("--env belongs to a command; a workflow names its own variables")
        return life.from_workflow(file, request, terminal.say, watched=watch)
    if file.suffix in {".yaml", ".yml"}:
        raise UsageError(f"one workflow at a time, found: {' '.join(subject)}")
    return life.from_command(subject, read_environment(env), request, terminal.say)


def _show(written: Written) -> str:
    """Return what was written and what to do now."""
    from chaosml.document import display_path

    draft = written.draft
    lines = [f"{display_path(written.scenario)}: {len(draft.strikes)} faults at "]
    lines[0] += f"{draft.subject.training}, {len(draft.artifacts)} artifacts"
    if written.workflow is not None:
        lines.append(f"{display_path(written.workflow)}: the workflow")
    for one in draft.artifacts:
        lines.append(f"  {one.role:10}  {one.key}  {one.format}: {'; '.join(one.reasons[:1])}")
    lines += [f"  note: {note}" for note in written.notes]
    lines.append(f"next: chaosml run {display_path(written.scenario)}")
    return "\n".join(lines) + "\n"
