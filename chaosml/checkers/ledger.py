"""The step ledger of a trial: each step once, in order, with the batches of the control.

Whole logs are compared row by row. A log that may lack lines can still convict:
a commit says how many steps were done since the restore, and if that is not
their distance, a step was skipped or applied twice, whatever lines were lost.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.timeline.analysis import Analysis
from chaosml.timeline.ledger import BATCH_BYTES, NO_LOSS, STATE_BYTES, StepLedger, chain_of
from chaosml.timeline.lineage import Part
from chaosml.timeline.model import SeenCommit
from chaosml.timeline.moment import Moment

__all__ = [
    "Difference",
    "Flaw",
    "chain_flaws",
    "contradiction",
    "first_difference",
    "ledger_flaws",
    "part_row",
]

_LOSS_BYTES = 8
_BLOCK_BYTES = 1 << 16
_ABSENT = {"loss": struct.pack("<d", NO_LOSS), "state": bytes(STATE_BYTES)}
"""What stands for a field that was not claimed: it differs from nothing."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A step that was not done exactly once."""

    cause: str
    step: int
    at: Moment
    says: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The first step at which a trial left the control's trajectory."""

    step: int
    what: str
    """`batch`, `loss` or `state`."""
    ours: Moment
    theirs: Moment


def ledger_flaws(parts: tuple[Part, ...]) -> list[Flaw]:
    """Return the first flaw of each part of a lineage; none if every step was done once."""
    return [flaw for part in parts for flaw in [_flaw_of(part)] if flaw is not None]


def _flaw_of(part: Part) -> Flaw | None:
    ledger, segment = part.claims.ledger, part.segment
    count = part.stop - part.start
    end = segment.first_row + count
    if 0 <= count <= len(segment.rows):
        expected = array("q", range(part.start + 1, part.stop + 1))
        again = end < segment.last_row and ledger.steps[end] <= part.stop
        if ledger.steps[segment.first_row : end] == expected and not again:
            return None
    return _first_flaw(part, ledger)


def _first_flaw(part: Part, ledger: StepLedger) -> Flaw | None:
    wanted = part.start + 1
    for row in part.segment.rows:
        step = ledger.steps[row]
        if step < wanted:
            return Flaw(
                "step-applied-twice",
                step,
                ledger.moment(row),
                f"step {step} again, after step {wanted - 1}",
            )
        if step > wanted:
            if wanted > part.stop:
                return None
            return Flaw(
                "step-skipped", wanted, ledger.moment(row), f"step {step} after step {wanted - 1}"
            )
        wanted += 1
    if wanted <= part.stop:
        return Flaw("step-skipped", wanted, part.segment.ended, f"no step {wanted} follows")
    return None


def chain_flaws(analysis: Analysis) -> list[Flaw]:
    """Return commits whose count of steps since the restore is not their distance."""
    timeline = analysis.timeline
    found = []
    for pod in timeline.pods_of(timeline.training_task):
        claims = timeline.claims.get(pod.uid)
        for commit in claims.commits if claims is not None else ():
            flaw = _chain_flaw(commit)
            if flaw is not None:
                found.append(flaw)
    return found


def _chain_flaw(commit: SeenCommit) -> Flaw | None:
    fact = commit.fact
    if fact.chain_from is None or fact.chain_length is None:
        return None
    distance = fact.step - fact.chain_from
    if fact.chain_length == distance:
        return None
    cause = "step-applied-twice" if fact.chain_length > distance else "step-skipped"
    return Flaw(
        cause,
        fact.step,
        commit.at,
        f"commit of step {fact.step}: {fact.chain_length} steps since step {fact.chain_from}",
    )


def contradiction(parts: tuple[Part, ...]) -> Moment | None:
    """Return a commit whose hash chain is not that of the steps in a whole log before it.

    Asked of the last commit of each part only: a chain covers everything since the restore.
    """
    for part in parts:
        commit = _last_commit(part)
        if commit is None:
            continue
        chain, length = chain_of(_rows_until(part, commit.fact.step))
        if length != commit.fact.chain_length or chain != commit.fact.chain:
            return commit.at
    return None


def _last_commit(part: Part) -> SeenCommit | None:
    found = None
    for commit in part.claims.commits:
        fact = commit.fact
        if (
            fact.chain is not None
            and fact.chain_from == part.start
            and part.start < fact.step <= part.stop
            and not commit.at.is_before(part.segment.began)
            and not commit.at.is_after(part.segment.ended)
        ):
            found = commit
    return found


def _rows_until(part: Part, step: int) -> Iterator[tuple[int, str]]:
    ledger = part.claims.ledger
    for row in part.segment.rows:
        if ledger.steps[row] > step:
            return
        yield ledger.steps[row], ledger.batch(row)


def part_row(part: Part, step: int) -> int:
    """Return the row of a step in a part without flaws."""
    return part.segment.first_row + step - part.start - 1


def first_difference(parts: tuple[Part, ...], control: Part) -> Difference | None:
    """Return the first step with another batch, loss or state than the control's.

    All parts must be without flaws, and reach no further than the control.
    """
    found = [
        difference
        for part in parts
        for difference in [_difference(part, control)]
        if difference is not None
    ]
    return min(found, key=lambda difference: difference.step, default=None)


def _difference(part: Part, control: Part) -> Difference | None:
    stop = min(part.stop, control.stop)
    count = stop - part.start
    if count <= 0:
        return None
    ours, theirs = part.claims.ledger, control.claims.ledger
    our_row, their_row = part_row(part, part.start + 1), part_row(control, part.start + 1)
    best: tuple[int, str] | None = None
    for what, width in (("batch", BATCH_BYTES), ("loss", _LOSS_BYTES), ("state", STATE_BYTES)):
        left, right = _column(ours, what), _column(theirs, what)
        if left is None or right is None:
            continue
        offset = _first_unequal(
            left[our_row * width : (our_row + count) * width],
            right[their_row * width : (their_row + count) * width],
            width,
            _ABSENT.get(what),
        )
        if offset is not None and (best is None or offset < best[0]):
            best = (offset, what)
    if best is None:
        return None
    offset, what = best
    return Difference(
        step=part.start + 1 + offset,
        what=what,
        ours=ours.moment(our_row + offset),
        theirs=theirs.moment(their_row + offset),
    )


def _column(ledger: StepLedger, what: str) -> memoryview | None:
    match what:
        case "batch":
            return memoryview(ledger.batches)
        case "loss":
            return memoryview(ledger.losses).cast("B")
        case _:
            return None if ledger.states is None else memoryview(ledger.states)


def _first_unequal(
    left: memoryview, right: memoryview, width: int, absent: bytes | None
) -> int | None:
    """Return the index of the first field that differs where both are there.

    Whole blocks are compared first: usually all of it is equal.
    """
    for start in range(0, len(left), _BLOCK_BYTES):
        ours, theirs = left[start : start + _BLOCK_BYTES], right[start : start + _BLOCK_BYTES]
        if ours == theirs:
            continue
        for offset in range(0, len(ours), width):
            one, other = (
                bytes(ours[offset : offset + width]),
                bytes(theirs[offset : offset + width]),
            )
            if one != other and absent not in (one, other):
                return (start + offset) // width
    return None
