"""The file of a survey: every trial as it ends, and the summary that is made of them."""

from __future__ import annotations

import pathlib
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chaosml.errors import HarnessError, UsageError
from chaosml.store.directory import replace_file
from chaosml.workflow.survey import SCHEMA, Cell, Measured, Outcome, Spread, Survey, Trial
from chaosml.workflow.views import View

__all__ = ["encode", "published_form", "read", "summarise", "write"]

_TWENTIETHS = 20


def read(path: pathlib.Path) -> Survey:
    """Read a survey with its trials.

    Raises:
        UsageError: it is none, or one of another version, or a summary without trials.
    """
    try:
        survey = msgspec.json.decode(path.read_bytes(), type=Survey)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: is not the file of a survey: {error}") from error
    if survey.schema != SCHEMA:
        raise UsageError(f"{path}: has schema {survey.schema}; this chaosml reads {SCHEMA}")
    if not survey.trials and any(one.trials for one in survey.cells):
        raise UsageError(f"{path}: is a summary; the file that --out wrote has the trials")
    return survey


def write(path: pathlib.Path, survey: Survey) -> None:
    """Write a survey, whole or not at all.

    Raises:
        HarnessError: the disk refuses.
    """
    try:
        replace_file(path, encode(survey))
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error.strerror}") from error


def encode(survey: Survey) -> bytes:
    """Return the document, a line for each cell and each trial, so that changes can be read."""
    head = msgspec.to_builtins(survey)
    lists = {name: head.pop(name, []) for name in ("cells", "trials")}
    text = msgspec.json.encode(head).decode().removesuffix("}")
    for name, items in lists.items():
        if items:
            rows = ",\n".join(msgspec.json.encode(item).decode() for item in items)
            text += f',\n"{name}":[\n{rows}\n]'
        elif name == "cells":
            text += ',\n"cells":[]'
    return f"{text}}}\n".encode()


def published_form(survey: Survey) -> Survey:
    """Return the summary alone: what `chaosml.workflow` carries."""
    return msgspec.structs.replace(survey, trials=())


def summarise(
    cells: Sequence[Cell], trials: Iterable[Trial], missed: Mapping[str, int]
) -> tuple[Measured, ...]:
    """Return what the trials of each cell showed; cells without any are left out."""
    by_cell: dict[str, list[Trial]] = {}
    for trial in trials:
        by_cell.setdefault(trial.cell, []).append(trial)
    return tuple(
        _measured(cell, by_cell.get(str(cell), []), missed.get(str(cell), 0))
        for cell in cells
        if str(cell) in by_cell or missed.get(str(cell))
    )


def _measured(cell: Cell, trials: Sequence[Trial], missed: int) -> Measured:
    counts = Counter((trial.view, trial.exit_code) for trial in trials)
    return Measured(
        cell=cell,
        trials=len(trials),
        missed=missed,
        outcomes=tuple(
            Outcome(view=view, exit_code=code, count=count)
            for (view, code), count in sorted(counts.items(), key=_rank)
        ),
        decided=_spread([one.decided_s for one in trials if one.decided_s is not None]),
        running=_spread([one.running_s for one in trials if one.running_s is not None]),
    )


def _rank(item: tuple[tuple[View | None, int | None], int]) -> tuple[int, int, int]:
    (view, code), count = item
    return (
        -count,
        len(View) if view is None else list(View).index(view),
        -1 if code is None else code,
    )


def _spread(seconds: Sequence[float]) -> Spread | None:
    if not seconds:
        return None
    low, high = min(seconds), max(seconds)
    cuts = statistics.quantiles(seconds, n=_TWENTIETHS, method="inclusive") if seconds[1:] else []
    p95 = cuts[-1] if cuts else high
    return Spread(p50=round(statistics.median(seconds), 1), p95=round(p95, 1), min=low, max=high)
