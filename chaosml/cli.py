"""The command line: parse, call, print.

Results go to stdout, progress and messages to stderr. Everything heavy is imported
by the verb that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml import completion, verbs
from chaosml.cluster import commands as cluster_verbs
from chaosml.errors import ChaosmlError, HarnessError, ScenarioError
from chaosml.terminal import Doubt, Form, Terminal, set_values

if TYPE_CHECKING:
    from chaosml.runner import RunOptions, RunResult

__all__ = ["main"]

_INTERRUPTED = 130
_FAILED = 4
_DEBUG_VARIABLE = "CHAOSML_DEBUG"

_HELP = """Find out whether an ML pipeline survives the loss of its machines, and if not, why.

\b
  chaosml init -- python train.py --out {store}    a scenario for your own training
  chaosml plan scenarios/spot.yaml       what would be done, without doing it
  chaosml run scenarios/spot.yaml        do it and judge it
  chaosml judge reports/spot/latest      judge the same evidence again

\b
Exit codes: 0 pass, 1 fail, 2 wrong usage or scenario, 3 unknown or invalid (nothing
is proved), 4 the harness or its environment failed, 130 interrupted, after healing.
"""

_RUN_HELP = """Run scenarios and judge them: first undisturbed, then under each fault.

\b
  chaosml run scenarios/spot.yaml
  chaosml run scenarios/spot.yaml --trials 20 --seed 3
  chaosml run scenarios/spot.yaml --pipeline my-workflow.yaml --output json
"""

_PLAN_HELP = """Show what a run would do, without doing it: controls, trials, places, views.

With --diff and --on kind or cluster: what becomes of the Workflow document.

\b
  chaosml plan scenarios/spot.yaml
  chaosml plan scenarios/spot.yaml --trials 20 --output json
  chaosml plan scenarios/spot.yaml --diff --on kind
"""

_VALIDATE_HELP = """Check scenario and workflow files; print every problem as file:line:column.

\b
  chaosml validate scenarios/spot.yaml
  chaosml validate scenarios/pipelines/resilient.yaml my.chaos.yaml
"""

_VERSION_HELP = """Print the version.

\b
  chaosml version
"""

_JUDGE_HELP = """Judge a run, a sweep, or a Chaos Toolkit journal again; write the reports anew.

\b
  chaosml judge reports/spot/latest
  chaosml judge reports/spot/20261124T221500Z --output json
"""

_app = typer.Typer(
    help=_HELP,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_Scenarios = Annotated[
    list[pathlib.Path],
    typer.Argument(metavar="SCENARIO", show_default=False, autocompletion=completion.scenarios),
]
_Scenario = Annotated[
    pathlib.Path,
    typer.Argument(metavar="SCENARIO", show_default=False, autocompletion=completion.scenarios),
]
_Pipeline = Annotated[
    pathlib.Path | None,
    typer.Option(metavar="WORKFLOW", help="Another Workflow document for the same scenario."),
]
_Trials = Annotated[
    int | None, typer.Option(min=1, help="Disturbed executions; default: one for every case.")
]
_Seed = Annotated[int | None, typer.Option(help="Decides places and cases.")]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Override a value, such as faults.0.when.step=61."
    ),
]
_Reports = Annotated[pathlib.Path, typer.Option(metavar="DIR", help="Where runs are recorded.")]
_Output = Annotated[Form, typer.Option(help="json: the document alone, on stdout.")]
_Unknown = Annotated[
    Doubt, typer.Option(help="warn: exit 0 although something stays unknown or invalid.")
]
_Deadline = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Limit of every execution, such as 20m.")
]
_On = Annotated[
    str,
    typer.Option(
        metavar="SUBSTRATE",
        help="Where pipelines run: embedded, kind or cluster.",
        autocompletion=completion.substrates,
    ),
]
_Context = Annotated[
    str | None, typer.Option(help="Context of the kubeconfig; `--on cluster` needs one.")
]
_Namespace = Annotated[
    str | None, typer.Option(help="Namespace of the cluster, labelled chaosml.dev/enabled=true.")
]
_Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")]
_Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Every event as it happens.")]

_DEFAULT_REPORTS = pathlib.Path("reports")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows ASCII only gets question marks, not a traceback.
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="replace")
    if completion.VARIABLE in os.environ:
        completion.prepare()
    try:
        _app(args=arguments, prog_name="chaosml")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


@_app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help=f"Show tracebacks (also {_DEBUG_VARIABLE}=1).")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if debug:
        os.environ[_DEBUG_VARIABLE] = "1"
    if version:
        _leave(_attempt(_show_version))
    elif context.invoked_subcommand is None:
        _emit(context.get_help() + "\n")


@_app.command("run", help=_RUN_HELP, short_help="Run scenarios and judge them.")
def _run(
    scenario: _Scenarios,
    pipeline: _Pipeline = None,
    trials: _Trials = None,
    seed: _Seed = None,
    set_: _Set = None,
    deadline: _Deadline = None,
    reports: _Reports = _DEFAULT_REPORTS,
    output: _Output = Form.TEXT,
    unknown: _Unknown = Doubt.FAIL,
    on: _On = "embedded",
    context: _Context = None,
    namespace: _Namespace = None,
    image: cluster_verbs.Image = None,
    toxiproxy_image: cluster_verbs.ToxiproxyImage = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show every call to the cluster and make none.")
    ] = False,
    quiet: _Quiet = False,
    verbose: _Verbose = False,
) -> None:
    def run_one(path: pathlib.Path) -> int:
        from chaosml import runner
        from chaosml.reports.live import progress_on

        options = _options(pipeline, trials, seed, set_, deadline, reports, on, context, namespace)
        options = dataclasses.replace(options, image=image, toxiproxy_image=toxiproxy_image)
        if dry_run:
            return verbs.show_rehearsal(
                path, options, as_json=output is Form.JSON, terminal=_TERMINAL
            )
        progress = progress_on(sys.stderr, quiet=quiet, verbose=verbose)
        try:
            result = runner.run(path, options, progress)
        finally:
            progress.close()
        return _conclude(result, output, unknown)

    _leave(_attempt_all(scenario, run_one))


@_app.command("plan", help=_PLAN_HELP, short_help="Show what a run would do.")
def _plan(
    scenario: _Scenario,
    pipeline: _Pipeline = None,
    trials: _Trials = None,
    seed: _Seed = None,
    set_: _Set = None,
    on: _On = "embedded",
    difference: Annotated[
        bool, typer.Option("--diff", help="What is submitted, beside the document.")
    ] = False,
    output: _Output = Form.TEXT,
) -> None:
    def show() -> int:
        import msgspec

        from chaosml import runner
        from chaosml.reports import plan_text
        from chaosml.reports.layout import screen

        options = _options(pipeline, trials, seed, set_, None, _DEFAULT_REPORTS, on)
        if difference:
            return verbs.show_differences(
                scenario,
                options,
                as_json=output is Form.JSON,
                colour=screen(sys.stdout).color_system is not None,
                terminal=_TERMINAL,
            )
        loaded, planned = runner.plan(scenario, options)
        if output is Form.JSON:
            _emit(msgspec.json.format(msgspec.json.encode(planned)).decode() + "\n")
        else:
            workflow = loaded.workflow.path.name
            _emit(plan_text.render(loaded.scenario, workflow, planned, screen(sys.stdout)))
        return 0

    _leave(_attempt(show))


@_app.command("validate", help=_VALIDATE_HELP, short_help="Check scenarios and workflows.")
def _validate(
    file: Annotated[list[pathlib.Path], typer.Argument(metavar="FILE", show_default=False)],
) -> None:
    _leave(_attempt_all(file, _validate_one))


def _validate_one(path: pathlib.Path) -> int:
    from chaosml import document, runner
    from chaosml.workflow import load as workflow_load

    try:
        if document.read(path).get(("kind",)) == "Workflow":
            workflow_load.load(path)
            found = "a workflow that the embedded substrate can run"
        else:
            _, planned = runner.plan(path, _options())
            found = f"a scenario of {len(planned.cases)} cases"
    except ScenarioError as error:
        # The problems are what was asked for, so they are the result.
        _emit("".join(f"{problem}\n" for problem in error.problems))
        return error.exit_code
    _emit(f"{path}: {found}\n")
    return 0


@_app.command("judge", help=_JUDGE_HELP)
def _judge(
    run: Annotated[
        pathlib.Path,
        typer.Argument(metavar="RUN", show_default=False, autocompletion=completion.runs),
    ],
    output: _Output = Form.TEXT,
    unknown: _Unknown = Doubt.FAIL,
) -> None:
    def judge() -> int:
        from chaosml.runner import rejudge

        code = verbs.judge_other(run, output, unknown, _TERMINAL)
        return _conclude(rejudge(run), output, unknown) if code is None else code

    _leave(_attempt(judge))


@_app.command(
    "services",
    hidden=True,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def _services(context: typer.Context) -> None:
    """Run what pods talk to; started by a run, not by people."""
    from chaosml.services import process

    _leave(process.main(context.args))


@_app.command("version", help=_VERSION_HELP, short_help="Print the version.")
def _version() -> None:
    _leave(_attempt(_show_version))


def _show_version() -> int:
    import importlib.metadata

    _emit(f"chaosml {importlib.metadata.version('chaosml')}\n")
    return 0


def _options(
    pipeline: pathlib.Path | None = None,
    trials: int | None = None,
    seed: int | None = None,
    set_: Iterable[str] | None = None,
    deadline: str | None = None,
    reports: pathlib.Path = _DEFAULT_REPORTS,
    on: str = "embedded",
    context: str | None = None,
    namespace: str | None = None,
) -> RunOptions:
    from chaosml.runner import RunOptions

    values = set_values(set_ or (), example="faults.0.when.step=61")
    if deadline is not None:
        # As the scenario would say it, so that its units are checked and the replay knows it.
        values["deadline"] = deadline
    return RunOptions(
        pipeline=pipeline,
        trials=trials,
        seed=seed,
        set_values=values,
        reports=reports,
        on=on,
        context=context,
        namespace=namespace,
    )


def _conclude(result: RunResult, output: Form, unknown: Doubt) -> int:
    """Print a judgement and return its exit code."""
    from chaosml.verdict import exit_code

    if output is Form.JSON:
        from chaosml.reports import verdict_json

        _emit(verdict_json.render(result.judgement).decode())
    else:
        from chaosml.reports import terminal
        from chaosml.reports.layout import screen

        _emit(terminal.render(result.judgement, result.directory, screen(sys.stdout)))
    return exit_code(result.judgement, tolerate_unknown=unknown is Doubt.WARN)


def _attempt_all(paths: Iterable[pathlib.Path], action: Callable[[pathlib.Path], int]) -> int:
    """Do something with every path, until interrupted; return the severest exit code."""
    codes = []
    for path in paths:
        codes.append(_attempt(lambda path=path: action(path)))  # type: ignore[misc]
        if codes[-1] == _INTERRUPTED:
            break
    return min(codes, key=verbs.SEVEREST_FIRST.index)


def _attempt(action: Callable[[], int]) -> int:
    """Do something and return its exit code; errors become messages."""
    try:
        return action()
    except ChaosmlError as error:
        if _debugging():
            traceback.print_exc()
        _say(str(error))
        for note in getattr(error, "__notes__", ()):
            _say(f"also: {note}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the top: a bug of ours is one line, not a wall
        if _debugging():
            traceback.print_exc()
        said = " ".join(str(error).split())
        _say(f"internal error: {type(error).__name__}: {said}; traceback in {_keep_traceback()}")
        return _FAILED


def _debugging() -> bool:
    return os.environ.get(_DEBUG_VARIABLE, "") not in {"", "0"}


def _keep_traceback() -> str:
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="chaosml-error-", suffix=".txt", delete=False
        ) as file:
            file.write(traceback.format_exc())
    except OSError:
        return "no file: the disk refuses; see it with --debug"
    return file.name


def _leave(code: int) -> None:
    raise typer.Exit(code)


def _emit(text: str) -> None:
    """Write a result; be quiet where nobody reads it any more, as in `chaosml … | head`.

    Raises:
        HarnessError: stdout refuses it, such as a file on a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # What is still in the buffer must go somewhere: Python flushes again at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise HarnessError(f"cannot write the result: {error.strerror}") from error


def _say(message: str) -> None:
    """Write a message for people."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


_TERMINAL = Terminal(_attempt, _emit, _say)
cluster_verbs.mount(_app, _TERMINAL)
verbs.mount(_app, _TERMINAL)
