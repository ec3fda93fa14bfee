"""What a sweep tells while it goes on: a bar on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chaosml import clock
from chaosml.document import display_path
from chaosml.reports.wording import count, printable
from chaosml.sweep.points import CrashMap
from chaosml.sweep.result import KillResult, StateResult
from chaosml.verdict import Status

__all__ = ["Silence", "Teller", "teller_on"]

_TOLD_NS = 5_000_000_000
"""How often plain lines say how far it is."""


class Teller(Protocol):
    """Is told of the life of a sweep; never raises."""

    def notice(self, message: str) -> None:
        """Something a person should know."""

    def recorded(self, crashes: CrashMap, effects: int, directory: pathlib.Path) -> None:
        """The recording is complete."""

    def began(self, states: int, workers: int) -> None:
        """So many states are about to be executed."""

    def tested(self, result: StateResult, place: str) -> None:
        """A state was executed; `place` is the name of its first point."""

    def killed(self, result: KillResult) -> None:
        """A real kill was held against the built states."""

    def close(self) -> None:
        """Nothing follows; the terminal must be usable again."""


class Silence:
    """Shows nothing."""

    def notice(self, message: str) -> None:
        """Show nothing."""

    def recorded(self, crashes: CrashMap, effects: int, directory: pathlib.Path) -> None:
        """Show nothing."""

    def began(self, states: int, workers: int) -> None:
        """Show nothing."""

    def tested(self, result: StateResult, place: str) -> None:
        """Show nothing."""

    def killed(self, result: KillResult) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


def teller_on(stream: TextIO, *, quiet: bool = False, verbose: bool = False) -> Teller:
    """Return what suits a stream."""
    if quiet:
        return Silence()
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    bar = console.is_terminal and not console.is_dumb_terminal
    return _Lines(stream, console if bar else None, verbose=verbose)


class _Lines:
    """Writes lines with the time (UTC); on a terminal a bar stands below them."""

    def __init__(self, stream: TextIO, console: Console | None, *, verbose: bool) -> None:
        self._stream = stream
        self._console = console
        self._verbose = verbose
        self._bar: Progress | None = None
        self._wanted = 0
        self._done = 0
        self._failed = 0
        self._told_ns = 0

    def notice(self, message: str) -> None:
        """Say it."""
        self._say(printable(message))

    def recorded(self, crashes: CrashMap, effects: int, directory: pathlib.Path) -> None:
        """Say what there is to test."""
        words = (
            f"recorded: {count(effects, 'durable effect')}, {count(len(crashes.points), 'point')}, "
            f"{count(len(crashes.states), 'state')}, into {display_path(directory)}"
        )
        self._say(printable(words))

    def began(self, states: int, workers: int) -> None:
        """Say how many, and show the bar."""
        self._wanted = states
        self._say(f"testing {count(states, 'state')}, {count(workers, 'worker')}")
        if self._console is not None and states:
            self._bar = Progress(
                TextColumn("states"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.add_task("states", total=states)
            with contextlib.suppress(OSError):
                self._bar.start()

    def tested(self, result: StateResult, place: str) -> None:
        """Say where a state fails, and from time to time how far it is."""
        self._done += 1
        if result.status is not Status.PASS:
            self._failed += 1
        if result.status is not Status.PASS and (self._verbose or self._failed == 1):
            causes = ", ".join(dict.fromkeys(one.cause or one.checker for one in result.verdicts))
            what = causes or result.problem
            self._say(printable(f"  {result.status.value} {place}: {what}"))
        elif self._verbose:
            self._say(printable(f"  {result.status.value} {place}"))
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.advance(self._bar.task_ids[0])
        elif clock.monotonic_ns() - self._told_ns >= _TOLD_NS:
            self._say(f"  {self._done} of {self._wanted} states, {self._failed} not PASS")

    def killed(self, result: KillResult) -> None:
        """Say where the kill landed."""
        where = "nowhere" if result.landed is None else f"in state {result.landed}"
        self._say(printable(f"  kill {result.name}: {where}, {result.status.value}"))

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()
            self._bar = None

    def _say(self, line: str) -> None:
        self._told_ns = clock.monotonic_ns()
        text = f"{clock.utc_now():%H:%M:%S} {line}"
        with contextlib.suppress(OSError, ValueError):
            if self._bar is not None and self._console is not None:
                self._console.print(text)
            else:
                self._stream.write(f"{text}\n")
                self._stream.flush()
