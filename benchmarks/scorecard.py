"""What is usually claimed of a resilient pipeline beside what was measured, as Markdown.

    python benchmarks/scorecard.py --resilient RUN … --adhoc RUN …

The runs themselves side by side: `chaosml scorecard reports --output markdown`. Bounds are exact
one-sided 95 % bounds; a trial that is not valid proves nothing and counts nowhere.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
from collections.abc import Callable, Iterable, Sequence

from chaosml.checkers.rate import upper_bound
from chaosml.reports.wording import duration, share
from chaosml.scorecard.card import CONFIDENCE, card
from chaosml.scorecard.model import Card
from chaosml.scorecard.reading import read_runs

NOTHING = "-"


def values(cards: Iterable[Card], measure: str) -> list[float]:
    """Return a measure of every valid trial that has it."""
    found = (one.figures.get(measure) for one in cards)
    return [value for figures in found if figures is not None for value in figures.values]


def middle(measured: Sequence[float], write: Callable[[float], str]) -> str:
    """Show the median and the largest value."""
    if not measured:
        return NOTHING
    return f"{write(statistics.median(measured))} (at most {write(max(measured))})"


def regained(cards: Sequence[Card]) -> str:
    """Show how many trials regained their progress, and how soon."""
    times = values(cards, "mttr_s")
    struck = sum(
        one.held + one.failed for card in cards for one in card.expectations if one.name == "mttr"
    )
    return f"{len(times)} of {struck} by themselves; {middle(times, duration)}"


def corrupt(cards: Sequence[Card]) -> str:
    """Show how many trials were corrupt, with the bound of the rate."""
    hits = sum(card.corruption.hits for card in cards)
    of = sum(card.corruption.of for card in cards)
    return f"{hits} of {of} (bound {share(upper_bound(hits, of, CONFIDENCE))})" if of else NOTHING


def waste(cards: Sequence[Card]) -> str:
    """Show the compute that was wasted."""
    return middle(values(cards, "waste"), share)


def lineage(cards: Sequence[Card]) -> str:
    """Show how many trials left every artifact traceable."""
    hits, of = sum(card.lineage.hits for card in cards), sum(card.lineage.of for card in cards)
    return f"{hits} of {of}" if of else NOTHING


CLAIMS = (
    ("progress regained", "hours → 5 to 15 min", regained),
    ("corrupt results", "18 to 25 % → under 2 %", corrupt),
    ("compute wasted", "35 to 45 % → 8 to 12 %", waste),
    ("lineage whole", NOTHING, lineage),
)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--resilient", nargs="+", required=True, metavar="RUN", type=pathlib.Path)
    options.add_argument("--adhoc", nargs="+", required=True, metavar="RUN", type=pathlib.Path)
    given = options.parse_args()
    arms = [
        [card(found.judgement, found.folder) for found in read_runs(paths).found]
        for paths in (given.adhoc, given.resilient)
    ]
    print("|  | usually claimed | measured, ad-hoc | measured, resilient |")
    print("| --- | --- | --- | --- |")
    for name, claimed, show in CLAIMS:
        print(f"| {name} | {claimed} | {show(arms[0])} | {show(arms[1])} |")


if __name__ == "__main__":
    main()
