"""Resilient and ad-hoc pipelines side by side, from the verdicts of finished runs, as Markdown.

    python benchmarks/scorecard.py --resilient RUN … --adhoc RUN …

Everything is read from the `verdict.json` of each run's directory; the bounds are exact one-sided
95 % bounds. A trial that is not valid proves nothing and counts nowhere.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chaosml.checkers.rate import upper_bound

PARTS = ("detect_s", "reschedule_s", "start_s", "restore_s", "catch_up_s")
CONFIDENCE = 0.95
NOTHING = "-"


@dataclass(frozen=True)
class Counted:
    """So many of so many."""

    hits: int
    of: int

    def __str__(self) -> str:
        return f"{self.hits} of {self.of}" if self.of else NOTHING

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.hits + other.hits, self.of + other.of)


@dataclass(frozen=True)
class Card:
    """What one run showed."""

    folder: pathlib.Path
    verdict: dict[str, Any]

    @property
    def name(self) -> str:
        """Scenario and pipeline."""
        return f"{self.verdict['scenario']} · {self.verdict['pipeline']}"

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The valid trials."""
        executions = self.verdict["executions"]
        return [one for one in executions if one["execution"].startswith("trial/") and one["valid"]]

    def measured(self, name: str) -> list[float]:
        """Return a measure of every trial that has it."""
        return [one["measures"][name] for one in self.trials if name in one["measures"]]

    def held(self, expectation: str, status: str = "PASS") -> Counted:
        """Count the trials on which the verdict was that one, of those that have one."""
        valid = {one["execution"] for one in self.trials}
        found = [
            one["status"]
            for one in self.verdict["verdicts"]
            if one["expectation"] == expectation and one["execution"] in valid
        ]
        decided = [one for one in found if one in ("PASS", "FAIL")]
        return Counted(decided.count(status), len(decided))

    @property
    def succeeded(self) -> Counted:
        """Trials whose workflow succeeded."""
        return Counted(sum(one["phase"] == "Succeeded" for one in self.trials), len(self.trials))

    @property
    def causes(self) -> list[str]:
        """The defects that the run named, most frequent first."""
        causes = [one["cause"] for one in self.verdict["verdicts"] if one["status"] == "FAIL"]
        named = [one for one in causes if one is not None]
        return sorted(set(named), key=lambda cause: (-named.count(cause), cause))


def read(folder: str) -> Card:
    """Read the verdict in a run's directory."""
    path = pathlib.Path(folder)
    return Card(path, json.loads((path / "verdict.json").read_text(encoding="utf-8")))


def seconds(value: float) -> str:
    """Show a time."""
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


def middle(values: Sequence[float], form: Any) -> str:
    """Show the median and the largest value."""
    if not values:
        return NOTHING
    return f"{form(statistics.median(values))} (at most {form(max(values))})"


def percent(value: float) -> str:
    """Show a share."""
    return f"{100 * value:.0f} %"


def bounded(count: Counted) -> str:
    """Show a count with its bound."""
    if not count.of:
        return NOTHING
    return f"{count} (bound {percent(upper_bound(count.hits, count.of, CONFIDENCE))})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def overview(cards: Sequence[Card]) -> str:
    """Show each run in a line."""
    header = ["run", "verdict", "valid trials", "succeeded", "resumed equal", "corrupt"]
    header += ["lineage whole", "MTTR", "lost steps", "waste", "named"]
    rows = [
        [
            f"[{card.name}]({card.folder.name}/summary.md)",
            card.verdict["status"],
            str(len(card.trials)),
            str(card.succeeded),
            str(card.held("resume")),
            bounded(card.held("corruption", "FAIL")),
            str(card.held("lineage")),
            middle(card.measured("mttr_s"), seconds),
            middle(card.measured("lost_steps"), "{:.0f}".format),
            middle(card.measured("waste"), percent),
            ", ".join(f"`{cause}`" for cause in card.causes) or NOTHING,
        ]
        for card in cards
    ]
    return table(header, rows)


def parts(cards: Sequence[Card]) -> str:
    """Show what the MTTR of each run is made of."""
    names = [name.removesuffix("_s").replace("_", " ") for name in PARTS]
    rows = [
        [card.name, *(middle(card.measured(part), seconds) for part in PARTS)]
        for card in cards
        if card.measured("mttr_s")
    ]
    return table(["run", *names], rows)


def regained(cards: Sequence[Card]) -> str:
    """Show how many trials regained their progress, and how soon."""
    times = [one for card in cards for one in card.measured("mttr_s")]
    struck = sum((card.held("mttr") for card in cards), Counted(0, 0))
    return f"{len(times)} of {struck.of} by themselves; {middle(times, seconds)}"


def promises(resilient: Sequence[Card], adhoc: Sequence[Card]) -> str:
    """Show what was measured beside what is usually claimed."""

    def corrupt(cards: Sequence[Card]) -> str:
        return bounded(sum((card.held("corruption", "FAIL") for card in cards), Counted(0, 0)))

    def waste(cards: Sequence[Card]) -> str:
        return middle([one for card in cards for one in card.measured("waste")], percent)

    def lineage(cards: Sequence[Card]) -> str:
        return str(sum((card.held("lineage") for card in cards), Counted(0, 0)))

    claims = [
        ("progress regained", "hours → 5 to 15 min", regained),
        ("corrupt results", "18 to 25 % → under 2 %", corrupt),
        ("compute wasted", "35 to 45 % → 8 to 12 %", waste),
        ("lineage whole", NOTHING, lineage),
    ]
    rows = [[name, claimed, show(adhoc), show(resilient)] for name, claimed, show in claims]
    return table(["", "usually claimed", "measured, ad-hoc", "measured, resilient"], rows)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--resilient", nargs="+", required=True, metavar="RUN")
    options.add_argument("--adhoc", nargs="+", required=True, metavar="RUN")
    given = options.parse_args()
    resilient = [read(folder) for folder in given.resilient]
    adhoc = [read(folder) for folder in given.adhoc]
    print("## Ad-hoc against resilient\n")
    print(promises(resilient, adhoc))
    print("\n## Runs\n")
    print(overview([*resilient, *adhoc]))
    print("\n## MTTR in parts\n")
    print(parts([*resilient, *adhoc]))


if __name__ == "__main__":
    main()
