"""The latest run of every row as OpenMetrics text, such as for Prometheus' textfile collector.

What was not measured has no sample: a zero here is a zero that was seen.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from chaosml.reports.wording import printable
from chaosml.scorecard.model import Card, Row, Scorecard
from chaosml.verdict import Status

__all__ = ["render"]

_ROW = ("scenario", "pipeline", "substrate")


def render(scorecard: Scorecard) -> bytes:
    """Return the exposition, ended by `# EOF`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(scorecard))
    return bytes(generate_latest(registry))  # type: ignore[no-untyped-call]  # of the library


class _Collected(Collector):
    """Hands the metrics of a scorecard to the library."""

    def __init__(self, scorecard: Scorecard) -> None:
        self._scorecard = scorecard

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from _families(self._scorecard)


def _families(scorecard: Scorecard) -> Iterator[Metric]:
    rows = scorecard.rows
    yield _statuses(rows)
    yield _gauge(
        "chaosml_grade_score",
        "Score from 0 to 1, before the gates.",
        {_labels(row): row.latest.grade.score for row in rows},
    )
    yield _gauge(
        "chaosml_trials",
        "Disturbed executions of the latest run.",
        {key: value for row in rows for key, value in _trials(row.latest).items()},
        "validity",
    )
    yield _gauge(
        "chaosml_expectation_trials",
        "Trials by what they decided about an expectation.",
        {key: value for row in rows for key, value in _expectations(row.latest).items()},
        "expectation",
        "verdict",
    )
    yield _gauge(
        "chaosml_corruption_rate_bound",
        "Upper bound of the rate of corrupt trials at 95 percent confidence.",
        {
            _labels(row): row.latest.corruption.bound if row.latest.corruption.of else None
            for row in rows
        },
    )
    for name, family, words in _FIGURES:
        yield _gauge(family, words, _statistics(rows, name), "statistic")
    yield _gauge(
        "chaosml_cases",
        "Legal cases, and those that valid trials showed.",
        {key: value for row in rows for key, value in _cases(row.latest).items()},
        "coverage",
    )
    yield _gauge(
        "chaosml_regressions",
        "What became worse since the run before.",
        {_labels(row): sum(one.kind == "regression" for one in row.changes) for row in rows},
    )
    yield _gauge(
        "chaosml_stale",
        "1 where the latest run may not speak for today.",
        {_labels(row): int(bool(row.latest.stale)) for row in rows},
    )
    yield _gauge(
        "chaosml_run_started_timestamp_seconds",
        "When the latest run began.",
        {_labels(row): _timestamp(row.latest) for row in rows},
    )


_FIGURES = (
    ("mttr_s", "chaosml_mttr_seconds", "Time to recovery."),
    ("detect_s", "chaosml_mttr_detect_seconds", "Until the orchestrator knew."),
    ("reschedule_s", "chaosml_mttr_reschedule_seconds", "Until the next pod ran."),
    ("start_s", "chaosml_mttr_start_seconds", "Until its program worked."),
    ("restore_s", "chaosml_mttr_restore_seconds", "Until its state was restored."),
    ("catch_up_s", "chaosml_mttr_catch_up_seconds", "Until lost progress was regained."),
    ("lost_steps", "chaosml_lost_steps", "Steps that had to be done again."),
    ("waste", "chaosml_compute_waste_ratio", "Pod-seconds over the controls' mean, minus 1."),
)


def _labels(row: Row) -> tuple[str, ...]:
    return _key(row.latest)


def _key(card: Card, *more: str) -> tuple[str, ...]:
    return tuple(printable(one) for one in (*card.key, *more))


def _gauge(
    name: str, words: str, values: Mapping[tuple[str, ...], float | None], *labels: str
) -> Metric:
    family = GaugeMetricFamily(name, words, labels=[*_ROW, *labels])
    for key, value in values.items():
        if value is not None:
            family.add_metric(key, value)
    return family


def _statuses(rows: tuple[Row, ...]) -> Metric:
    family = StateSetMetricFamily("chaosml_run_status", "Verdict of the latest run.", labels=_ROW)
    for row in rows:
        states = {status.value: row.latest.status is status for status in Status}
        family.add_metric(_labels(row), states)
    return family


def _trials(card: Card) -> dict[tuple[str, ...], float]:
    return {
        _key(card, "valid"): card.trials - card.invalid,
        _key(card, "invalid"): card.invalid,
    }


def _expectations(card: Card) -> dict[tuple[str, ...], float]:
    return {
        _key(card, one.name, verdict): counted
        for one in card.expectations
        for verdict, counted in (("PASS", one.held), ("FAIL", one.failed), ("UNKNOWN", one.unknown))
    }


def _cases(card: Card) -> dict[tuple[str, ...], float]:
    return {
        _key(card, "legal"): len(card.coverage.cases),
        _key(card, "shown"): len(card.coverage.shown),
    }


def _statistics(rows: tuple[Row, ...], name: str) -> dict[tuple[str, ...], float]:
    found = {}
    for row in rows:
        figures = row.latest.figures.get(name)
        if figures is not None:
            found[_key(row.latest, "median")] = figures.median
            found[_key(row.latest, "max")] = figures.largest
    return found


def _timestamp(card: Card) -> float | None:
    if card.started is None:
        return None
    return datetime.datetime.fromisoformat(card.started).timestamp()
