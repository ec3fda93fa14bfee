"""Which view of a pod's death the controller had: read off what it did next.

A vertex that turned `Error` "pod deleted" may get a new pod for the same attempt
(`restarted`) or be left for the next attempt (`gone`): only that tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chaosml.event import PodGone, TaskPhase
from chaosml.substrates.kubernetes.pods import Pod
from chaosml.substrates.kubernetes.workflows import TERMINAL
from chaosml.workflow.views import View

__all__ = ["Deaths"]

_POD_DELETED = "pod deleted"
_WAIT_FAILED = "wait: "


@dataclass(slots=True)
class _Death:
    pod: Pod
    said: bool = False


class Deaths:
    """Waits for the controller's answer to every death."""

    def __init__(self) -> None:
        self._latest: dict[str, _Death] = {}
        """The last pod of each name."""
        self._phases: dict[str, TaskPhase] = {}
        """The last word on each vertex."""

    def add(self, pod: Pod) -> Iterator[tuple[Pod, PodGone]]:
        """Take a new pod; one of the same name before it was replaced."""
        before = self._latest.get(pod.name)
        if before is not None and before.pod.uid != pod.uid:
            yield from self._say(before, View.RESTARTED)
        if before is None or before.pod.uid != pod.uid:
            self._latest[pod.name] = _Death(pod)

    def take(self, phase: TaskPhase) -> None:
        """Take what the controller says of a vertex."""
        self._phases[phase.vertex] = phase

    def settle(
        self, *, of: Pod | None = None, ended: bool = False
    ) -> Iterator[tuple[Pod, PodGone]]:
        """Yield the views that are known by now.

        Args:
            of: The pod that has changed, where nothing else has: there may be thousands.
            ended: Whether the controller will do nothing more.
        """
        for death in self._candidates(of):
            if death.said or death.pod.exists:
                continue
            phase = self._phases.get(death.pod.vertex)
            if phase is None or phase.phase not in TERMINAL:
                continue
            if phase.phase != "Error":
                yield from self._say(death, View.SEEN)
            elif phase.message.startswith(_WAIT_FAILED):
                yield from self._say(death, View.WAIT_FAILED)
            elif phase.message != _POD_DELETED:
                yield from self._say(death, View.SEEN)
            elif ended or self._went_on(phase):
                yield from self._say(death, View.GONE)

    def _candidates(self, of: Pod | None) -> Iterable[_Death]:
        if of is None:
            return self._latest.values()
        latest = self._latest.get(of.name)
        return () if latest is None else (latest,)

    def _went_on(self, phase: TaskPhase) -> bool:
        """Whether the controller has left the attempt behind: with the next one, or for good."""
        for other in self._phases.values():
            if other.task != phase.task or other.vertex == phase.vertex:
                continue
            if other.attempt is not None and other.attempt > (phase.attempt or 0):
                return True
            if other.type == "Retry" and other.phase in TERMINAL:
                return True
        return False

    @staticmethod
    def _say(death: _Death, view: View) -> Iterator[tuple[Pod, PodGone]]:
        if not death.said:
            death.said = True
            yield death.pod, PodGone(uid=death.pod.uid, view=view.value)
