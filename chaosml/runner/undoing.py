"""Faults of programs that a dead run has left: taken back as its journal says.

The journal is the history: `injection-intended` holds the undo before its command starts,
`heal-done` says that it is not needed any more. A last line that was cut is no hindrance.
"""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Callable, Iterator

import msgspec

from chaosml.errors import HistoryError
from chaosml.event import Event, HealDone, InjectionIntended
from chaosml.runner.commands import answer_of
from chaosml.runner.journalling import RUN_COMMAND, UNDO_COMMAND, read_undo
from chaosml.runner.programs import Host, environment_of, run_program
from chaosml.store.directory import RunDirectory
from chaosml.substrates.redaction import Redaction

__all__ = ["undo_left"]

_ACTIONS = (RUN_COMMAND.encode(), UNDO_COMMAND.encode())


def undo_left(directory: RunDirectory, notice: Callable[[str], None], problems: list[str]) -> int:
    """Take back what programs have done in a run that died; return how much that was.

    Args:
        directory: The run directory.
        notice: Called with what was taken back, one line each.
        problems: Gets what could not be.
    """
    healed = 0
    for path in directory.histories("trial"):
        for intended in _pending(path):
            failure = _undo(intended)
            if failure is None:
                healed += 1
                notice(f"{directory.path}: took back the fault of {intended.injection}")
            else:
                problems.append(f"{directory.path}: the undo of {intended.injection} {failure}")
    return healed


def _pending(path: pathlib.Path) -> list[InjectionIntended]:
    """Return what was begun and not taken back, the latest first."""
    left: dict[str, InjectionIntended] = {}
    for event in _events(path):
        said = event.data
        if isinstance(said, InjectionIntended) and said.action == RUN_COMMAND:
            if "undo" in said.prior:
                left[said.injection] = said
        elif isinstance(said, HealDone) and said.action == UNDO_COMMAND:
            left.pop(said.injection, None)
    return list(reversed(left.values()))


def _events(path: pathlib.Path) -> Iterator[Event]:
    """Yield the events that are about programs, as far as they can be read."""
    try:
        with open(path, "rb") as file:
            for line in file:
                if any(action in line for action in _ACTIONS):
                    try:
                        yield msgspec.json.decode(line, type=Event)
                    except msgspec.MsgspecError:
                        continue
    except OSError as error:
        raise HistoryError(f"cannot read the history {path}: {error.strerror}") from error


def _undo(intended: InjectionIntended) -> str | None:
    """Run an undo; return what went wrong, None where nothing did."""
    program, folder = read_undo(intended.prior)
    environment = environment_of(program.environment, Host(folder=folder), intended.injection)
    secrets = {name: environment.get(name, "") for name in program.environment}
    hide = Redaction({"environment": secrets})
    ended, _ = answer_of(program, run_program(program, environment, folder, hide=hide))
    if ended.outcome == "done":
        return None
    why = ended.detail or f"exit code {ended.exit_code}"
    return f"{ended.outcome} ({why}); by hand, in {folder}: {shlex.join(program.argv)}"
