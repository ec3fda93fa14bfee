"""What the pods of a recording did, as observations that a controller may have made.

The reducer is told what happened to the pods; what follows from it is its own to say.
What happened is taken from the pods themselves as far as they were seen: an exit code,
a deletion. Only what no pod shows (the outputs) is taken from Argo's status.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from chaosml.shadow.recording import Node, PodState, Recording
from chaosml.workflow.protocol import (
    FOUND_DEAD,
    Observation,
    PodCompleted,
    PodPending,
    PodRunning,
    PodVanished,
    Vertex,
)

__all__ = ["DELETED", "Pods", "wall_ns"]

DELETED = "pod deleted"
_ENDS = frozenset(("Succeeded", "Failed", "Error"))
_BY_THE_CONTROLLER = (
    "timeout",
    "Step exceeded its deadline",
    "workflow shutdown with strategy",
)
"""How the messages of vertices begin that end although their pods did nothing."""


def wall_ns(stamp: str) -> int | None:
    """Return one of the API's stamps as nanoseconds since 1970; None for an empty one."""
    if not stamp:
        return None
    moment = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    return int(moment.timestamp()) * 1_000_000_000


class Pods:
    """What became of every pod of a recording."""

    def __init__(self, recording: Recording) -> None:
        self._lives: dict[str, dict[str, PodState]] = {}
        """The last state of every pod by uid, the oldest first, by vertex."""
        for state in recording.pods:
            self._lives.setdefault(state.vertex, {})[state.uid] = state
        self._shown: dict[str, list[tuple[int, Node]]] = {}
        """What Argo showed of a vertex, with the number of the status."""
        for number, status in enumerate(recording.statuses):
            for node in status.nodes:
                self._shown.setdefault(node.name, []).append((number, node))

    def observe(
        self, vertex: Vertex, node: Node, number: int, at_ns: int, *, runs_first: bool
    ) -> Observation | None:
        """Return the next observation on the way from a vertex to what Argo showed of it.

        Args:
            vertex: Where the reducer is, which is not what was shown.
            node: What Argo showed.
            number: The status that shows it.
            at_ns: When that was seen.
            runs_first: Whether the controller has seen a pod running whose end is shown first.
        """
        assert vertex.pod is not None
        vanished = node.phase == "Error" and node.message == DELETED
        if vertex.phase == "Pending":
            if node.phase == "Pending":
                return PodPending(vertex.pod, node.message, at_ns)
            if node.phase == "Running" or vanished or runs_first:
                begun_ns = min(at_ns, wall_ns(node.finished) or at_ns)
                return PodRunning(vertex.pod, begun_ns, node.host)
        elif node.phase not in _ENDS:
            # It ran already and waits or runs anew: for the same attempt there is another pod.
            return self._vanish(vertex, node, at_ns, graceless=True)
        if vanished:
            return self._vanish(vertex, node, at_ns, graceless=self._goes_on(node, number))
        if node.phase not in _ENDS or node.message.startswith(_BY_THE_CONTROLLER):
            return None
        return self._complete(vertex, node, at_ns)

    def _vanish(
        self, vertex: Vertex, node: Node, at_ns: int, *, graceless: bool
    ) -> Observation | None:
        """Let a pod vanish, if nothing that was seen of its pods speaks against it.

        Argo knows an exit code of one that it saw between the ends of program and pod.
        """
        lives = self._lives.get(vertex.name, {}).values()
        if vertex.pod is None or (lives and not any(one.deleted or one.gone for one in lives)):
            return None
        _, shown = self._shown[node.name][-1]
        codes = {str(one.exit_code) for one in lives if one.exit_code is not None}
        if shown.exit_code not in codes:
            return PodVanished(vertex.pod, at_ns, graceless=graceless)
        return PodVanished(
            vertex.pod,
            at_ns,
            graceless=graceless,
            exit_code=int(shown.exit_code),
            outputs=shown.outputs,
            result=shown.result,
        )

    def _goes_on(self, node: Node, number: int) -> bool:
        """Tell whether a vertex whose pod was deleted is shown to live on later."""
        later = (one for at, one in self._shown[node.name] if at > number)
        return any((one.phase, one.message) != ("Error", DELETED) for one in later)

    def _complete(self, vertex: Vertex, node: Node, at_ns: int) -> Observation:
        assert vertex.pod is not None
        last = _last(self._lives.get(vertex.name, {}).values())
        _, shown = self._shown[node.name][-1]
        finished_ns = min(at_ns, wall_ns(node.finished) or at_ns)
        code = None if last is None else last.exit_code
        if code is None and node.exit_code is not None:
            code = int(node.exit_code)
        message = last.message if last is not None and last.phase == "Failed" else ""
        if code is None:
            # Nobody knows how its process ended, so why the pod failed is Argo's to say.
            code, message = (0, "") if node.phase == "Succeeded" else (1, message or node.message)
        return PodCompleted(
            pod=vertex.pod,
            at_ns=finished_ns,
            exit_code=code,
            outputs=shown.outputs,
            result=shown.result,
            message="" if last is None else last.termination,
            pod_message=message,
            unreported=last is not None and last.wait_exit_code == FOUND_DEAD,
        )


def _last(lives: Iterable[PodState]) -> PodState | None:
    """Return the pod that a vertex ended with: what ended is not made anew."""
    return next(reversed(list(lives)), None)
