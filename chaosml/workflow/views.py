"""How the death of a pod can surface in Argo.

Which of these the controller gets to see is a race that nobody controls. Which can
happen at all is known from trials on real clusters (`survey`, docs/survey.md): a view
is legal for a way to die if it was seen there at least once.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaosml.workflow.survey import Measured

__all__ = ["Share", "View", "WayToDie", "legal_views", "shares"]


class View(enum.StrEnum):
    """What the controller gets to see of a pod's death; in the order in which cases are dealt."""

    GONE = "gone"
    """No pod object: the node turns `Error`, message "pod deleted"."""
    SEEN = "seen"
    """A terminated pod: `Failed` with the exit code, or `Succeeded` where it is 0."""
    RESTARTED = "restarted"
    """The object went without grace, or before the controller knew that it ran: the same
    attempt gets a new pod, no retry is consumed."""
    WAIT_FAILED = "wait-failed"
    """Main exits 0, but the wait container looked for the outputs too early: `Error` "wait: …"."""


class WayToDie(enum.StrEnum):
    """How a pod is made to die, as far as the views differ."""

    DELETE = "delete"
    """Graceful deletion through the API."""
    EVICT = "evict"
    """The Eviction API, as a drain uses it."""
    FORCE = "force"
    """Deletion with grace period 0."""
    NODE_LOST = "node-lost"
    """The machine is gone; the pod is garbage-collected later."""
    NODE_RETURNED = "node-returned"
    """The machine dies and comes back with its pods' containers ended."""
    SIGNAL = "signal"
    """A signal to the process in the container; nobody deletes the pod."""
    SELF = "self"
    """The process ends by itself, such as after reading a notice."""


@dataclass(frozen=True, slots=True)
class Share:
    """How often a view was seen."""

    view: View
    count: int
    trials: int
    """Of how many trials."""
    cells: int
    """In how many cells it was seen."""


def legal_views(
    way: WayToDie,
    *,
    has_outputs: bool,
    settled: bool = True,
    version: str | None = None,
    finalizer: bool | None = None,
) -> tuple[View, ...]:
    """Return the views that this way to die can have, in the order of `View`.

    Args:
        way: How the pod dies.
        has_outputs: Whether its template declares output parameters read from files, without
            which the wait container has nothing to miss.
        settled: Only as seen where the controller had shown the pod running for a while; False:
            also as seen earlier.
        version: Only as seen under this version of Argo; one that was not measured counts as
            any, and so does None.
        finalizer: Only as seen with `ARGO_POD_STATUS_CAPTURE_FINALIZER` on or off; None: either.
    """
    return tuple(
        share.view
        for share in shares(way, settled=settled, version=version, finalizer=finalizer)
        if has_outputs or share.view is not View.WAIT_FAILED
    )


def shares(
    way: WayToDie,
    *,
    settled: bool = True,
    version: str | None = None,
    finalizer: bool | None = None,
) -> tuple[Share, ...]:
    """Return every view that was seen for a way to die, with its count, in the order of `View`.

    The arguments are those of `legal_views`. The counts are of the trials that were made, not of
    deaths in the field: how often a cell occurs there nobody knows.
    """
    cells = [one for one in _narrowed(way, version, finalizer) if one.settled or not settled]
    trials = sum(one.trials for one in cells)
    found = []
    for view in View:
        counts = [
            sum(outcome.count for outcome in one.outcomes if outcome.view is view) for one in cells
        ]
        if any(counts):
            found.append(Share(view, sum(counts), trials, sum(count > 0 for count in counts)))
    return tuple(found)


def _narrowed(way: WayToDie, version: str | None, finalizer: bool | None) -> Iterator[Measured]:
    """Yield the cells of a way to die."""
    # Reading the survey takes milliseconds, and most imports of this module never ask.
    from chaosml.workflow.survey import published

    # A process that ends by itself leaves what one leaves that was signalled.
    measured = WayToDie.SIGNAL if way is WayToDie.SELF else way
    cells = [one for one in published() if one.cell.way is measured]
    if version not in {one.cell.argo for one in cells}:
        version = None
    for one in cells:
        if version in (None, one.cell.argo) and finalizer in (None, one.cell.finalizer):
            yield one
