"""Whether a defect was caught: by the checker that must see it, with the cause that names it.

UNKNOWN is no catch, and neither is a FAIL for another cause, nor one in a run whose fault
did not strike as planned. The healthy pipeline must pass everything.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from chaosml.selftest.running import Ended
from chaosml.verdict import Judgement, Status, Verdict, exit_code, worst

__all__ = ["Catch", "Finding", "assess", "cells_of", "succeeded"]

_EFFECT = "effect"


class Catch(enum.Enum):
    """What became of a defect."""

    CAUGHT = "caught"
    WRONGLY = "caught wrongly"
    """Something failed, but not the checker that must, or for another cause."""
    MISSED = "missed"
    SILENT = "silent"
    """The healthy pipeline, and nobody complained."""
    FALSE_ALARM = "false alarm"
    """The healthy pipeline, and somebody did."""
    INVALID = "invalid"
    """No verdict, or the fault did not strike as planned: nothing is shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A run of the selftest and what it shows."""

    ended: Ended
    catch: Catch
    words: str

    @property
    def is_good(self) -> bool:
        """Whether it is as it should be."""
        return self.catch in (Catch.CAUGHT, Catch.SILENT)


def assess(ended: Ended) -> Finding:
    """Return what a run shows."""
    judgement, defect = ended.judgement, ended.job.defect
    if judgement is None:
        return Finding(ended, Catch.INVALID, f"the run left no verdict: see {ended.printed}")
    idle = [
        one
        for one in judgement.verdicts
        if one.checker == _EFFECT and one.status is not Status.PASS
    ]
    if idle:
        return Finding(ended, Catch.INVALID, f"{idle[0].cause}: {idle[0].message}")
    if defect is None:
        if exit_code(judgement) == 0:
            return Finding(ended, Catch.SILENT, "every expectation held")
        return Finding(ended, Catch.FALSE_ALARM, _complaints(judgement))
    named = [
        one
        for one in _failures(judgement)
        if (one.checker, one.cause) == (defect.named.checker, defect.named.cause)
        and defect.named.words in one.message
    ]
    if named:
        return Finding(ended, Catch.CAUGHT, named[0].message)
    failures = list(_failures(judgement))
    catch = Catch.WRONGLY if failures else Catch.MISSED
    return Finding(ended, catch, _complaints(judgement) or "every expectation held")


def _failures(judgement: Judgement) -> Iterable[Verdict]:
    return (one for one in judgement.verdicts if one.status is Status.FAIL)


def _complaints(judgement: Judgement) -> str:
    """Return every cause that is not PASS, FAIL first, each once."""
    bad = [one for one in judgement.verdicts if one.status is not Status.PASS]
    bad.sort(key=lambda one: -one.status.severity)
    said = [f"{one.status.value} {one.checker}: {one.cause}" for one in bad]
    return ", ".join(dict.fromkeys(said))


def cells_of(judgement: Judgement) -> dict[str, Status]:
    """Return the worst status of each checker that had something to decide."""
    statuses: dict[str, list[Status]] = {}
    for one in judgement.verdicts:
        statuses.setdefault(one.checker, []).append(one.status)
    return {checker: worst(found) for checker, found in statuses.items()}


def succeeded(findings: Iterable[Finding]) -> bool:
    """Return whether every defect was caught and the healthy pipeline passed every seed."""
    return all(finding.is_good for finding in findings)
