"""The cells of a survey: what is combined with what, and which of them are wanted.

Not everything is combined with everything. The program matters where it gets SIGTERM
and time to answer; outputs matter where it exits with 0; a machine's death asks
nobody. What is alike is measured once, so that the trials go where the races are.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from chaosml.errors import UsageError
from chaosml.workflow.survey import Cell, Program, Signal, Timing
from chaosml.workflow.views import WayToDie

__all__ = ["NODE_WAYS", "enumerate_cells", "parse_only", "select", "shuffle"]

NODE_WAYS = (WayToDie.NODE_LOST, WayToDie.NODE_RETURNED)

_Shape = tuple[WayToDie, Signal | None, Program, bool, Timing]

_D, _143, _0, _IGNORE = Program.DEFAULT, Program.EXIT_143, Program.EXIT_0, Program.IGNORE
_LATE, _EARLY = Timing.SETTLED, Timing.EARLY

_SHAPES: tuple[_Shape, ...] = (
    (WayToDie.DELETE, None, _D, False, _LATE),
    (WayToDie.DELETE, None, _143, False, _LATE),
    (WayToDie.DELETE, None, _0, False, _LATE),
    (WayToDie.DELETE, None, _0, True, _LATE),
    (WayToDie.DELETE, None, _IGNORE, False, _LATE),
    (WayToDie.DELETE, None, _D, False, _EARLY),
    (WayToDie.DELETE, None, _0, False, _EARLY),
    (WayToDie.DELETE, None, _0, True, _EARLY),
    (WayToDie.EVICT, None, _D, False, _LATE),
    (WayToDie.EVICT, None, _0, False, _LATE),
    (WayToDie.EVICT, None, _0, True, _LATE),
    (WayToDie.EVICT, None, _D, False, _EARLY),
    (WayToDie.FORCE, None, _D, False, _LATE),
    (WayToDie.FORCE, None, _0, False, _LATE),
    (WayToDie.FORCE, None, _0, True, _LATE),
    (WayToDie.FORCE, None, _D, False, _EARLY),
    (WayToDie.SIGNAL, Signal.KILL, _D, False, _LATE),
    (WayToDie.SIGNAL, Signal.KILL, _D, False, _EARLY),
    (WayToDie.SIGNAL, Signal.TERM, _D, False, _LATE),
    (WayToDie.SIGNAL, Signal.TERM, _0, True, _LATE),
    (WayToDie.NODE_LOST, None, _D, False, _LATE),
    (WayToDie.NODE_RETURNED, None, _D, False, _LATE),
)

_VALUES: Mapping[str, tuple[str, ...]] = {
    "way": tuple(dict.fromkeys(shape[0].value for shape in _SHAPES)),
    "signal": tuple(signal.value for signal in Signal),
    "program": tuple(program.value for program in Program),
    "outputs": ("no", "yes"),
    "timing": tuple(timing.value for timing in Timing),
    "finalizer": ("off", "on"),
}

_Only = Mapping[str, frozenset[str]]
"""The wanted values of a property; one that is missing is wanted with any value."""


def enumerate_cells(argo_versions: Sequence[str]) -> tuple[Cell, ...]:
    """Return every cell, those of one setting of Argo together."""
    return tuple(
        Cell(
            argo=version,
            finalizer=finalizer,
            way=way,
            signal=signal,
            program=program,
            outputs=outputs,
            timing=timing,
        )
        for version in argo_versions
        for finalizer in (False, True)
        for way, signal, program, outputs, timing in _SHAPES
    )


def parse_only(text: Sequence[str]) -> dict[str, frozenset[str]]:
    """Read filters such as `way=delete,program=exit0`; a name given twice means either value.

    Raises:
        UsageError: a name or a value is none of a cell.
    """
    wanted: dict[str, frozenset[str]] = {}
    for item in (part.strip() for one in text for part in one.split(",")):
        name, _, value = item.partition("=")
        if name not in _VALUES:
            raise UsageError(f"--only {item}: a cell has no {name!r}; it has {', '.join(_VALUES)}")
        if value not in _VALUES[name]:
            raise UsageError(f"--only {item}: {name} is one of {', '.join(_VALUES[name])}")
        wanted[name] = wanted.get(name, frozenset()) | {value}
    return wanted


def select(cells: Sequence[Cell], only: _Only) -> tuple[Cell, ...]:
    """Return the cells that a filter wants.

    Raises:
        UsageError: there is none, such as of a program that a way leaves no choice.
    """
    chosen = tuple(
        cell
        for cell in cells
        if all(dict(_properties(cell))[name] in values for name, values in only.items())
    )
    if not chosen:
        asked = ", ".join(f"{name}={value}" for name, values in only.items() for value in values)
        raise UsageError(f"--only {asked}: no cell is like that; docs/survey.md lists them")
    return chosen


def _properties(cell: Cell) -> Iterator[tuple[str, str]]:
    yield "way", cell.way
    yield "signal", cell.signal or ""
    yield "program", cell.program
    yield "outputs", "yes" if cell.outputs else "no"
    yield "timing", cell.timing
    yield "finalizer", "on" if cell.finalizer else "off"


def shuffle(cells: Sequence[Cell], missing: Mapping[Cell, int], seed: int) -> list[Cell]:
    """Return the trials to make, in an order that lets no cell have an hour of its own."""
    trials = [cell for cell in cells for _ in range(missing.get(cell, 0))]
    random.Random(f"{seed}/order").shuffle(trials)
    return trials
