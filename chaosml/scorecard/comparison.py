"""What became worse, doubtful or better from one run to another of the same row.

A regression is something that held and fails now, a new defect, corruption that is certainly
more frequent, or figures that are larger by more than chance and by more than matters. What
was proved and is not any more is a doubt: nothing passes by default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from chaosml.checkers.rate import lower_bound
from chaosml.reports.figures import MTTR_PARTS
from chaosml.reports.wording import duration, share, steps
from chaosml.scorecard.model import Card, Change, Expectation, Figures, Key, Scorecard
from chaosml.scorecard.significance import larger
from chaosml.verdict import Status

__all__ = ["DOUBT", "IMPROVEMENT", "REGRESSION", "compare", "compare_all"]

REGRESSION, DOUBT, IMPROVEMENT = "regression", "doubt", "improvement"
_ORDER = (REGRESSION, DOUBT, IMPROVEMENT)

_CHANCE_MAX = 0.01
"""Below this a difference is not by chance; two sets of five can reach it, of four cannot."""
_SHARE_MIN = 0.2
_MEASURES: Mapping[str, tuple[float, Callable[[float], str]]] = {
    "mttr_s": (1.0, duration),
    "lost_steps": (1.0, steps),
    "waste": (0.05, share),
}
"""The smallest difference that matters, and how a figure is written."""


def compare(before: Card, after: Card) -> tuple[Change, ...]:
    """Return every change from one run to another, regressions first."""
    found = [
        *_expectations(before, after),
        *_causes(before, after),
        *_corruption(before, after),
        *_measures(before, after),
        *_coverage(before, after),
    ]
    return tuple(sorted(found, key=lambda change: _ORDER.index(change.kind)))


def compare_all(before: Scorecard, after: Scorecard) -> dict[Key, tuple[Change, ...]]:
    """Return the changes of every row that either scorecard has."""
    old = {row.latest.key: row.latest for row in before.rows}
    new = {row.latest.key: row.latest for row in after.rows}
    changes: dict[Key, tuple[Change, ...]] = {}
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            changes[key] = (
                _change(DOUBT, "run-missing", key[0], "there is no run of it any more"),
            )
        elif key not in old:
            changes[key] = _first(new[key])
        else:
            changes[key] = compare(old[key], new[key])
    return changes


def _first(card: Card) -> tuple[Change, ...]:
    """Return what a row that is there for the first time says; a failing one is no regression."""
    says = f"is there for the first time: {card.headline}"
    return (_change(IMPROVEMENT, "run-added", card.scenario, says),)


def _change(kind: str, name: str, subject: str, says: str) -> Change:
    return Change(kind=kind, name=name, subject=subject, says=says)


def _expectations(before: Card, after: Card) -> Iterator[Change]:
    new = {one.name: one for one in after.expectations}
    for old in before.expectations:
        now = new.get(old.name)
        if now is None:
            if old.status is Status.PASS:
                yield _change(
                    DOUBT, "expectation-gone", old.name, "held and is not judged any more"
                )
        elif now.status is not old.status:
            yield _turned(old, now)


def _turned(old: Expectation, now: Expectation) -> Change:
    of = now.held + now.failed + now.unknown
    named = f": {', '.join(now.causes)}" if now.causes else ""
    if now.status is Status.FAIL:
        was = "held" if old.status is Status.PASS else "was unknown"
        says = f"{was} and fails now in {now.failed} of {of}{named}"
        return _change(REGRESSION, "expectation-broken", now.name, says)
    if now.status is Status.PASS:
        was = "failed" if old.status is Status.FAIL else "was unknown"
        return _change(
            IMPROVEMENT, "expectation-held", now.name, f"{was} and holds now in all {of}"
        )
    if old.status is Status.PASS:
        says = f"held and is unknown now in {now.unknown} of {of}{named}"
        return _change(DOUBT, "proof-lost", now.name, says)
    says = f"failed and is unknown now in {now.unknown} of {of}{named}"
    return _change(DOUBT, "failure-undecided", now.name, says)


def _causes(before: Card, after: Card) -> Iterator[Change]:
    """Tell the defects that came or went; those of an expectation that broke are told there."""
    broken = {one.name for one in before.expectations if one.status is not Status.FAIL}
    told = {cause for one in after.expectations if one.name in broken for cause in one.causes}
    for cause in after.causes:
        if cause not in before.causes and cause not in told:
            yield _change(
                REGRESSION, "defect-added", cause, "is a defect that was not there before"
            )
    for cause in before.causes:
        if cause not in after.causes:
            yield _change(IMPROVEMENT, "defect-gone", cause, "is not found any more")


def _corruption(before: Card, after: Card) -> Iterator[Change]:
    old, new = before.corruption, after.corruption
    if not old.hits or new.hits * old.of <= old.hits * new.of:
        return
    least = lower_bound(new.hits, new.of, new.confidence)
    if least > old.bound:
        says = (
            f"{new.hits} of {new.of} are corrupt, so at least {share(least)}; "
            f"it was {old.hits} of {old.of}, at most {share(old.bound)}"
        )
        yield _change(REGRESSION, "more-corrupt", "corruption", says)


def _measures(before: Card, after: Card) -> Iterator[Change]:
    for name in _MEASURES:
        old, new = before.figures.get(name), after.figures.get(name)
        if old is None or new is None:
            continue
        if _is_larger(old, new, name):
            says = _moved(name, old, new) + (_part(before, after) if name == "mttr_s" else "")
            yield _change(REGRESSION, "figure-worse", name, says)
        elif _is_larger(new, old, name):
            yield _change(IMPROVEMENT, "figure-better", name, _moved(name, old, new))


def _is_larger(old: Figures, new: Figures, name: str) -> bool:
    matters = max(_MEASURES[name][0], _SHARE_MIN * abs(old.median))
    grown = new.median - old.median
    return grown > matters and larger(old.values, new.values) <= _CHANCE_MAX


def _moved(name: str, old: Figures, new: Figures) -> str:
    _, write = _MEASURES[name]
    return (
        f"went from {write(old.median)} to {write(new.median)} "
        f"(medians of {len(old.values)} and {len(new.values)} trials)"
    )


def _part(before: Card, after: Card) -> str:
    """Name the part of the recovery that grew most."""
    grown = {
        words: after.figures[name].median - before.figures[name].median
        for name, words in MTTR_PARTS.items()
        if name in before.figures and name in after.figures
    }
    if not grown:
        return ""
    most = max(grown, key=lambda words: grown[words])
    return f", most of it in {most} (+{duration(grown[most])})" if grown[most] > 0 else ""


def _coverage(before: Card, after: Card) -> Iterator[Change]:
    for case in before.coverage.shown:
        if case not in after.coverage.shown:
            why = after.coverage.missing.get(case, "it is no case any more")
            yield _change(DOUBT, "case-lost", case, f"was shown and is not any more: {why}")
    for case in after.coverage.shown:
        if case not in before.coverage.shown:
            yield _change(IMPROVEMENT, "case-shown", case, "was not shown before and is now")
