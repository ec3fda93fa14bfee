"""What a scorecard says: `schema: 1` of its JSON, read again by `chaosml compare`."""

from __future__ import annotations

import statistics

import msgspec

from chaosml.verdict import Status

__all__ = [
    "KIND",
    "SCHEMA",
    "Card",
    "Change",
    "Corruption",
    "Count",
    "Coverage",
    "Expectation",
    "Figures",
    "Grade",
    "Key",
    "Row",
    "Scorecard",
    "Skipped",
]

KIND = "chaosml.scorecard"
SCHEMA = 1

Key = tuple[str, str, str]
"""Scenario, pipeline and substrate: what makes two runs comparable."""


class Count(msgspec.Struct, frozen=True):
    """So many of so many."""

    hits: int
    of: int


class Corruption(msgspec.Struct, frozen=True, kw_only=True):
    """Corrupt trials of those that were decided, and what that says about the rate."""

    hits: int
    of: int
    bound: float
    """Exact one-sided upper bound of the rate at `confidence`; 1.0 where nothing was decided."""
    confidence: float


class Figures(msgspec.Struct, frozen=True):
    """A measure in every valid trial that has it, in the order of the trials."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The one to show; there is at least one value."""
        return statistics.median(self.values)

    @property
    def largest(self) -> float:
        """The worst."""
        return max(self.values)


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One expectation over a run."""

    name: str
    status: Status
    held: int
    """Trials (or whole-run verdicts, where there are only these) in which it held."""
    failed: int
    unknown: int
    causes: tuple[str, ...] = ()
    """Slugs of the defects and doubts that were named, most frequent first."""


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that gates cap before a score decides; see `grade`."""

    letter: str | None
    """`A` to `D`, `F`; None where nothing was proved."""
    score: float | None
    """Mean of `earned`, from 0 to 1."""
    earned: dict[str, float]
    """By expectation, from 0 to 1."""
    caps: tuple[str, ...] = ()
    """Why the letter is lower than the score alone would give, as sentences."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the run quantifies over."""

    cases: tuple[str, ...]
    shown: tuple[str, ...]
    missing: dict[str, str]
    """Case to the reason why no valid trial showed it."""
    places: tuple[str, ...]
    views: tuple[str, ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What one run showed."""

    scenario: str
    pipeline: str
    substrate: str
    run: str
    folder: str
    started: str | None
    """ISO 8601, from the name of the run; None where the name is no time."""
    status: Status
    interrupted: bool
    headline: str
    trials: int
    invalid: int
    """Trials that prove nothing; they are counted in `trials` and nowhere else."""
    succeeded: Count
    resume: Count
    lineage: Count
    corruption: Corruption
    expectations: tuple[Expectation, ...]
    figures: dict[str, Figures]
    """By the names of the measures: `mttr_s` and its parts, `lost_steps`, `waste`."""
    coverage: Coverage
    grade: Grade
    causes: tuple[str, ...]
    """The defects that the run named, most frequent first."""
    replay: str
    version: str
    """Of chaosml."""
    stale: tuple[str, ...] = ()
    """Why it may not speak for today, as sentences."""

    @property
    def key(self) -> Key:
        """What makes it comparable with other runs."""
        return (self.scenario, self.pipeline, self.substrate)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two runs of the same row."""

    kind: str
    """`regression`, `doubt` (what was proved is not any more) or `improvement`."""
    name: str
    """A stable slug, such as `expectation-broken`."""
    subject: str
    """The expectation, measure or case."""
    says: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one scenario with one pipeline on one substrate."""

    latest: Card
    earlier: tuple[Card, ...] = ()
    """The older ones, newest first."""
    changes: tuple[Change, ...] = ()
    """From the run before to the latest."""


class Skipped(msgspec.Struct, frozen=True, order=True):
    """Something in the folders that is not on the scorecard."""

    path: str
    why: str
    harmless: bool = False
    """True for a run that still goes on: it will come."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    kind: str = KIND
    schema: int = SCHEMA
    made: str
    """ISO 8601."""
    version: str
    """Of the chaosml that made it."""
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...] = ()

    @property
    def cards(self) -> list[Card]:
        """Every run, row by row, the newest first."""
        return [card for row in self.rows for card in (row.latest, *row.earlier)]
