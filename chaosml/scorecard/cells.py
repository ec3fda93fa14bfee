"""How the figures of a card are written, the same on the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chaosml.reports.figures import INTERRUPTED, MTTR_PARTS, NONE
from chaosml.reports.wording import duration, share, steps
from chaosml.scorecard.grade import LETTERS
from chaosml.scorecard.model import Card, Count, Scorecard

__all__ = [
    "WRITERS",
    "cases",
    "corrupt",
    "count",
    "grade",
    "headline",
    "median",
    "name",
    "parts",
    "trials",
    "verdict",
    "worst_grade",
]

WRITERS: Mapping[str, Callable[[float], str]] = {
    "mttr_s": duration,
    **dict.fromkeys(MTTR_PARTS, duration),
    "lost_steps": steps,
    "waste": share,
}
"""How each measure is written."""


def name(card: Card) -> str:
    """Return what makes the row: scenario, pipeline, substrate."""
    return f"{card.scenario} · {card.pipeline} · {card.substrate}"


def verdict(card: Card) -> str:
    """Return the verdict in one word."""
    return INTERRUPTED if card.interrupted else card.status.value


def grade(card: Card) -> str:
    """Return the letter, or a dash where nothing was proved."""
    return card.grade.letter or NONE


def count(counted: Count) -> str:
    """Return `5 of 5`; a dash where nothing was decided."""
    return f"{counted.hits} of {counted.of}" if counted.of else NONE


def corrupt(card: Card) -> str:
    """Return `0 of 5, at most 45 %`: the rate is below that bound at the card's confidence."""
    found = card.corruption
    if not found.of:
        return NONE
    return f"{found.hits} of {found.of}, at most {share(found.bound)}"


def trials(card: Card) -> str:
    """Return how many trials proved something, and how many did not."""
    valid = card.trials - card.invalid
    return f"{valid} (+{card.invalid} INVALID)" if card.invalid else str(valid)


def median(card: Card, measure: str) -> str:
    """Return the median and the worst of a measure; a dash where it was not measured."""
    figures = card.figures.get(measure)
    if figures is None:
        return NONE
    write = WRITERS[measure]
    middle, worst = write(figures.median), write(figures.largest)
    return middle if middle == worst else f"{middle} (max {worst})"


def parts(card: Card) -> dict[str, str]:
    """Return what the time to recovery is made of, by the parts' names; empty without any."""
    if "mttr_s" not in card.figures:
        return {}
    return {words: median(card, measure) for measure, words in MTTR_PARTS.items()}


def cases(card: Card) -> str:
    """Return how many of the legal cases were shown."""
    return f"{len(card.coverage.shown)} of {len(card.coverage.cases)}"


def worst_grade(scorecard: Scorecard) -> str | None:
    """Return the worst letter of all latest runs; None where any of them proves nothing."""
    letters = [row.latest.grade.letter for row in scorecard.rows]
    known = [letter for letter in letters if letter is not None]
    if not known or len(known) < len(letters):
        return None
    return max(known, key=LETTERS.index)


def headline(scorecard: Scorecard) -> str:
    """Return the scorecard in one sentence."""
    latest = [row.latest for row in scorecard.rows]
    of = f"{len(latest)} scenario" + ("" if len(latest) == 1 else "s")
    passed = sum(verdict(card) == "PASS" for card in latest)
    failed = sum(verdict(card) == "FAIL" for card in latest)
    said = [f"{of}: {passed} pass, {failed} fail, {len(latest) - passed - failed} unproved"]
    regressed = sum(change.kind == "regression" for row in scorecard.rows for change in row.changes)
    stale = sum(bool(card.stale) for card in latest)
    if regressed:
        said.append(f"{regressed} regression" + ("" if regressed == 1 else "s"))
    if stale:
        said.append(f"{stale} stale")
    if scorecard.skipped:
        said.append(f"{len(scorecard.skipped)} skipped")
    return "; ".join(said)
