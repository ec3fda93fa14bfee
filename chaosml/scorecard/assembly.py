"""The scorecard of everything below some folders."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Iterable

import msgspec

from chaosml.scorecard import staleness
from chaosml.scorecard.card import card
from chaosml.scorecard.comparison import compare
from chaosml.scorecard.model import Card, Key, Row, Scorecard
from chaosml.scorecard.reading import Found, Harvest

__all__ = ["STALE_AFTER_S", "assemble"]

STALE_AFTER_S = 14 * 86_400.0
"""Two weeks."""


def assemble(
    harvest: Harvest, *, now: datetime.datetime, stale_after_s: float = STALE_AFTER_S
) -> Scorecard:
    """Put runs side by side: a row for each scenario, pipeline and substrate, by name.

    Args:
        harvest: The runs, as `read_runs` found them.
        now: The time that ages are counted to, and the time of the scorecard.
        stale_after_s: The age from which on a run is stale.
    """
    version = importlib.metadata.version("chaosml")
    rows: dict[Key, list[Card]] = {}
    for found in harvest.found:
        made = _card(found, now, stale_after_s, version)
        rows.setdefault(made.key, []).append(made)
    return Scorecard(
        made=now.isoformat(timespec="seconds"),
        version=version,
        rows=tuple(_row(rows[key]) for key in sorted(rows)),
        skipped=tuple(harvest.skipped),
    )


def _card(found: Found, now: datetime.datetime, stale_after_s: float, version: str) -> Card:
    why = staleness.reasons(found, now=now, older_than_s=stale_after_s, version=version)
    return msgspec.structs.replace(card(found.judgement, found.folder), stale=why)


def _row(cards: Iterable[Card]) -> Row:
    # A run whose name is no time comes before those whose name is one, by its name.
    latest, *earlier = sorted(
        cards, key=lambda one: (one.started or "", one.run, one.folder), reverse=True
    )
    changes = compare(earlier[0], latest) if earlier else ()
    return Row(latest=latest, earlier=tuple(earlier), changes=changes)
