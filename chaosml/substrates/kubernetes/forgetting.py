"""Successes that nobody shall see: pods that are deleted as soon as they have succeeded.

Argo looks at a pod that has ended up to 10 s later; where it was faster, it shows the success.
"""

from __future__ import annotations

from chaosml import clock
from chaosml.substrates.kubernetes.observer import Observer
from chaosml.substrates.kubernetes.removals import Removals

__all__ = ["Forgetting"]


class Forgetting:
    """The pods of one execution whose success is to be missed."""

    def __init__(self, removals: Removals) -> None:
        self._removals = removals
        self._awaited: dict[str, str] = {}
        """Who wants it, by uid of the pod."""

    def add(self, uid: str, by: str) -> None:
        """Delete a pod once it has succeeded; one that fails is left alone."""
        self._awaited[uid] = by

    def act(self, observer: Observer) -> None:
        """Delete what has succeeded by now."""
        for uid, by in list(self._awaited.items()):
            pod = observer.find_ended(uid)
            if pod is None or not pod.succeeded:
                continue
            del self._awaited[uid]
            at_ns = clock.monotonic_ns()
            if self._removals.delete(pod, 0.0):
                observer.note_deletion(uid, how="forgotten", grace_s=0.0, by=by, at_ns=at_ns)

    def clear(self) -> None:
        """Expect nothing more."""
        self._awaited.clear()
