"""One line for every execution of every run, as CSV and as Parquet.

A cell of foreign text that a spreadsheet would take for a formula gets an apostrophe in
front of it in the CSV; figures stay figures. Parquet has types and keeps text as it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaosml.errors import UsageError
from chaosml.reports.wording import printable
from chaosml.scorecard.card import MEASURES, started
from chaosml.scorecard.grade import grade
from chaosml.scorecard.reading import Found, Harvest
from chaosml.verdict import ExecutionSummary, Judgement, worst

if TYPE_CHECKING:
    import pandas

__all__ = ["csv", "parquet", "safe_cell"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_TEXTS = (
    "scenario",
    "pipeline",
    "substrate",
    "run",
    "folder",
    "execution",
    "case",
    "phase",
    "place",
    "view",
    "status",
    "run_status",
    "grade",
    "replay",
)


def safe_cell(text: str) -> str:
    """Return text that no spreadsheet calculates, on one line."""
    return f"'{printable(text)}" if text.lstrip(" ").startswith(_FORMULA) else printable(text)


def csv(harvest: Harvest) -> bytes:
    """Return the table as CSV with a header.

    Raises:
        UsageError: pandas is not installed.
    """
    frame = _frame(harvest)
    for name in _TEXTS:
        frame[name] = frame[name].map(safe_cell, na_action="ignore")
    return str(frame.to_csv(index=False, lineterminator="\n")).encode()


def parquet(harvest: Harvest) -> bytes:
    """Return the table as Parquet.

    Raises:
        UsageError: pandas or pyarrow is not installed.
    """
    frame = _frame(harvest)
    file = io.BytesIO()
    try:
        frame.to_parquet(file, index=False, engine="pyarrow")
    except ImportError as error:
        raise _missing(error) from error
    return file.getvalue()


def _missing(error: ImportError) -> UsageError:
    return UsageError(f"tables need pandas and pyarrow ({error}): pip install 'chaosml[tables]'")


def _frame(harvest: Harvest) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise _missing(error) from error
    lines = [line for found in harvest.found for line in _lines(found)]
    columns = [*_TEXTS, "started", "seed", "valid", "wall_s", *MEASURES]
    types = dict.fromkeys(_TEXTS, "string") | {"wall_s": "float64", "valid": "boolean"}
    types |= {"seed": "int64"} | dict.fromkeys(MEASURES, "float64")
    frame = pandas.DataFrame(lines, columns=columns).astype(types)
    frame["started"] = pandas.to_datetime(frame["started"], utc=True)
    return frame


def _lines(found: Found) -> Iterator[dict[str, object]]:
    judgement = found.judgement
    letter = grade(judgement).letter
    for execution in judgement.executions:
        receipts = execution.receipts
        yield {
            "scenario": judgement.scenario,
            "pipeline": judgement.pipeline,
            "substrate": judgement.substrate,
            "run": judgement.run,
            "folder": found.folder,
            "execution": execution.execution,
            "case": execution.case,
            "phase": execution.phase,
            "place": ", ".join(one.actual_place for one in receipts if one.actual_place) or None,
            "view": ", ".join(one.observed_view for one in receipts if one.observed_view) or None,
            "status": _status(judgement, execution),
            "run_status": judgement.status.value,
            "grade": letter,
            "replay": judgement.replay,
            "started": started(judgement.run),
            "seed": judgement.seed,
            "valid": execution.valid,
            "wall_s": execution.wall_s,
            **{name: _number(execution, name) for name in MEASURES},
        }


def _status(judgement: Judgement, execution: ExecutionSummary) -> str:
    return worst(
        one.status for one in judgement.verdicts if one.execution == execution.execution
    ).value


def _number(execution: ExecutionSummary, name: str) -> float | None:
    value = execution.measures.get(name)
    return float(value) if isinstance(value, int | float) else None
