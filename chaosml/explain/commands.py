"""The verbs `chaosml explain` and `chaosml faults`.

The command line hands in how it turns errors into exit codes and where it writes.
"""

from __future__ import annotations

from typing import Annotated

import typer

from chaosml import completion
from chaosml.terminal import Form, Terminal

__all__ = ["mount"]

_EXPLAIN_HELP = """Say what a key of a scenario is: its values, its default, what it is for.

\b
  chaosml explain                    the keys of a scenario
  chaosml explain faults.when        those below one
  chaosml explain expect.mttr

docs/scenario.md has all of them on one page.
"""

_FAULTS_HELP = """List the faults, or show one: options, substrates, views, receipt, heal.

\b
  chaosml faults
  chaosml faults spot.reclaim

docs/faults.md has all of them on one page.
"""


def mount(app: typer.Typer, terminal: Terminal) -> None:
    """Add the verbs to the command line."""

    @app.command("explain", help=_EXPLAIN_HELP, short_help="Say what a key of a scenario is.")
    def explain(
        path: Annotated[str, typer.Argument(metavar="PATH", show_default=False)] = "",
    ) -> None:
        raise typer.Exit(terminal.attempt(lambda: _explain(path, terminal)))

    @app.command("faults", help=_FAULTS_HELP, short_help="List the faults, or show one.")
    def faults(
        kind: Annotated[
            str,
            typer.Argument(metavar="KIND", show_default=False, autocompletion=completion.faults),
        ] = "",
        output: Annotated[Form, typer.Option(help="json: the document alone.")] = Form.TEXT,
    ) -> None:
        raise typer.Exit(terminal.attempt(lambda: _faults(kind, output, terminal)))


def _explain(path: str, terminal: Terminal) -> int:
    from chaosml.explain import scenario_text

    terminal.emit(scenario_text.terminal(path))
    return 0


def _faults(name: str, output: Form, terminal: Terminal) -> int:
    from chaosml.explain import fault_text
    from chaosml.explain.kinds import facts, named
    from chaosml.faults.catalogue import CATALOGUE

    shown = [facts(named(name))] if name else [facts(kind) for kind in CATALOGUE.values()]
    if output is Form.JSON:
        import msgspec

        terminal.emit(msgspec.json.format(msgspec.json.encode(shown)).decode() + "\n")
    else:
        terminal.emit(fault_text.detail(shown[0]) if name else fault_text.listing(shown))
    return 0
