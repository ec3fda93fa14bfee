"""The verb `chaosml lint`.

The command line hands in how it turns errors into exit codes and where it writes.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from chaosml.errors import UsageError
from chaosml.terminal import Terminal

if TYPE_CHECKING:
    from chaosml.lint.run import Outcome

__all__ = ["mount"]

_HELP = """Say what in workflow files will not survive the loss of a node.

Reads Argo Workflow, WorkflowTemplate and CronWorkflow documents and compiled Kubeflow
Pipelines packages: files, folders, patterns, or - for standard input.

\b
  chaosml lint pipelines/
  chaosml lint train.yaml --fix
  chaosml lint --explain retry-transient
  chaosml lint pipelines/ --output sarif > chaosml.sarif

\b
Exit codes: 0 nothing found, 1 something found, 2 wrong usage, a file that cannot be read,
or nothing to look at.
"""


class _Form(enum.StrEnum):
    """Who reads the findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class _Least(enum.StrEnum):
    """From which severity on a finding fails."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verb to the command line."""

    @app.command("lint", help=_HELP, short_help="Say what in workflow files will not survive.")
    def lint(
        file: Annotated[
            list[str] | None, typer.Argument(metavar="FILE…", show_default=False)
        ] = None,
        output: Annotated[_Form, typer.Option(help="Who reads the findings.")] = _Form.TEXT,
        fix: Annotated[
            bool, typer.Option("--fix", help="Mend what can be mended mechanically.")
        ] = False,
        rule: Annotated[
            list[str] | None, typer.Option(metavar="RULE", help="Ask this rule; default: all.")
        ] = None,
        ignore: Annotated[
            list[str] | None, typer.Option(metavar="RULE", help="Do not ask this rule.")
        ] = None,
        fail_on: Annotated[
            _Least, typer.Option(help="Exit 1 from this severity on.")
        ] = _Least.NOTE,
        explain: Annotated[
            str | None, typer.Option(metavar="RULE", help="Show the page of a rule.")
        ] = None,
        list_: Annotated[bool, typer.Option("--list", help="Show every rule.")] = False,
    ) -> None:
        def look() -> int:
            if list_:
                return _show_rules(terminal)
            if explain is not None:
                return _show_page(explain, terminal)
            if not file:
                raise UsageError("name a file, a folder or - for standard input")
            from chaosml.lint.rule import Severity
            from chaosml.lint.run import lint as look_at

            outcome = look_at(file, only=rule or (), ignored=ignore or (), fix=fix)
            terminal.emit(_rendered(outcome, output))
            _say_what_is_missing(outcome, terminal)
            return outcome.exit_code(Severity(fail_on.value))

        raise typer.Exit(terminal.attempt(look))


def _rendered(outcome: Outcome, form: _Form) -> str:
    from chaosml.lint.formats import as_json, github, sarif, text

    renderers = {
        _Form.TEXT: text.render,
        _Form.JSON: as_json.render,
        _Form.SARIF: sarif.render,
        _Form.GITHUB: github.render,
    }
    return renderers[form](outcome)


def _say_what_is_missing(outcome: Outcome, terminal: Terminal) -> None:
    """Say that nothing was looked at: a check that checks nothing must not look green."""
    from chaosml.lint.rule import printable

    if outcome.documents or outcome.problems:
        return
    for file, found in outcome.others.items():
        terminal.say(printable(f"{file}: no workflow and no pipeline package ({found})"))
    terminal.say("there was nothing to look at")


def _show_rules(terminal: Terminal) -> int:
    from chaosml.lint.rules import rules

    width = max(map(len, rules()))
    for name, rule in rules().items():
        fixable = " (--fix)" if rule.fixable else ""
        terminal.emit(f"{name:{width}}  {rule.severity:7}  {rule.summary}{fixable}\n")
    return 0


def _show_page(name: str, terminal: Terminal) -> int:
    from chaosml.lint.pages import page
    from chaosml.lint.run import chosen

    terminal.emit(page(chosen([name], [])[name]))
    return 0
