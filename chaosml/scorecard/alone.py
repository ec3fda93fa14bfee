"""Runs by themselves: neither a trend, nor an age, nor a comparison.

What a run leaves in its own directory must say the same whenever and wherever it is judged
again; what a test session ends with must show each of its runs.
"""

from __future__ import annotations

import importlib.metadata
import pathlib
from collections.abc import Sequence

from chaosml.scorecard import page
from chaosml.scorecard.card import card
from chaosml.scorecard.model import Row, Scorecard
from chaosml.scorecard.reading import Found, Harvest
from chaosml.verdict import Judgement

__all__ = ["page_of", "scorecard_of"]


def scorecard_of(found: Sequence[Found]) -> Scorecard:
    """Return a scorecard with a row for each run, in their order."""
    cards = [card(one.judgement, one.folder) for one in found]
    return Scorecard(
        made=max((one.started or "" for one in cards), default=""),
        version=importlib.metadata.version("chaosml"),
        rows=tuple(Row(latest=one) for one in cards),
    )


def page_of(directory: pathlib.Path, judgement: Judgement) -> bytes:
    """Return the page of one run, the same bytes wherever it is read."""
    found = Found(directory, judgement, called=directory.name)
    return page.render(scorecard_of([found]), Harvest([found]))
