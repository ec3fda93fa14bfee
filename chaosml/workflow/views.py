"""How the death of a pod can surface in Argo.

Which of these the controller gets to see is a race that nobody controls; which
are legal depends on the way to die. The counts come from measured trials (Argo
v4.0.5 and v3.7.18, status-capture finalizer off and on, Kubernetes 1.34).
"""

from __future__ import annotations

import enum

__all__ = ["View", "WayToDie", "legal_views"]


class View(enum.StrEnum):
    """What the controller gets to see of a pod's death."""

    GONE = "gone"
    """No pod object: the node turns `Error`, message "pod deleted"."""
    SEEN = "seen"
    """A terminated pod: `Failed` with the exit code, or `Succeeded` where it is 0."""
    RESTARTED = "restarted"
    """The object went without grace: the same attempt gets a new pod, no retry is consumed."""
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
    SELF = "self"
    """The process ends by itself, such as after reading a notice."""


_LEGAL: dict[WayToDie, tuple[View, ...]] = {
    WayToDie.DELETE: (View.GONE, View.SEEN, View.WAIT_FAILED),
    WayToDie.EVICT: (View.GONE, View.SEEN, View.WAIT_FAILED),
    WayToDie.FORCE: (View.RESTARTED, View.SEEN),
    WayToDie.NODE_LOST: (View.RESTARTED, View.GONE),
    WayToDie.SELF: (View.SEEN,),
}


def legal_views(way: WayToDie, *, has_outputs: bool) -> tuple[View, ...]:
    """Return the views that this way to die can have.

    Args:
        way: How the pod dies.
        has_outputs: Whether its template declares output parameters read from files, without
            which the wait container has nothing to miss.
    """
    return tuple(view for view in _LEGAL[way] if has_outputs or view is not View.WAIT_FAILED)
