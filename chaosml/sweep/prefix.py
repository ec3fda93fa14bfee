"""What had happened before a crash: the recorded events up to it, moved to just before now.

    recording   ───1───2───3───x┄┄4┄┄5┄┄     cut at the crash
    history             1───2───3───x ── what is executed now ──►

The moving keeps every distance and lets the crash lie at the begin of what follows. The
deaths that the crash stands for were not observed but follow from it: their basis is
`inferred`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from chaosml.event import (
    ArtifactObserved,
    Basis,
    Emission,
    Event,
    Fact,
    PodDeletion,
    PodExited,
    PodGone,
    Request,
    TaskPhase,
    WorkflowPhase,
)
from chaosml.substrates.redaction import Redaction
from chaosml.sweep.points import State
from chaosml.sweep.recording import Recording
from chaosml.timeline.model import Pod
from chaosml.timeline.sources import ARGO, AUDIT, GATE, HARNESS, KUBELET, log_of
from chaosml.workflow.protocol import Change

__all__ = ["CRASH", "Prefix"]

CRASH = "crash"
"""Who ended the pods, as an injection would be named."""
_KILLED = 137
_LEFT_OUT = frozenset({HARNESS, ARGO, AUDIT})


class Prefix:
    """The beginning of a state's history."""

    def __init__(self, recording: Recording, state: State, *, view: str, shift_ns: int) -> None:
        """Cut the recording at a state's crash.

        Args:
            recording: The recorded control.
            state: What the crash left.
            view: What Argo's controller gets to see of the deaths.
            shift_ns: From the clock of the recording to the one of now.
        """
        self._recording = recording
        self._state = state
        self._view = view
        self._shift_ns = shift_ns
        self._stored = {recording.effects[number - 1].request for number in state.effects}
        self._effects = {effect.request for effect in recording.effects}

    @property
    def ended(self) -> list[Pod]:
        """The pods that had ended before the crash."""
        return [
            pod
            for pod in self._recording.timeline.pods.values()
            if pod.exited is not None
            and pod.uid not in self._state.crashed
            and pod.exited.at.earliest_ns < self._state.at_ns
        ]

    @property
    def crashed(self) -> list[Pod]:
        """The pods that the crash ended."""
        return [self._recording.timeline.pods[uid] for uid in self._state.crashed]

    def running(self) -> Mapping[str, bool]:
        """Return the names of the crashed pods, with whether they ran when the crash came."""
        at_ns = self._state.at_ns
        return {
            pod.created.fact.pod: pod.started is not None and pod.started.at.latest_ns <= at_ns
            for pod in self.crashed
            if pod.created is not None
        }

    def incarnations(self) -> Mapping[str, int]:
        """Return how many pods of a name there were."""
        found: dict[str, int] = {}
        for pod in (*self.ended, *self.crashed):
            if pod.created is not None:
                name = pod.created.fact.pod
                found[name] = found.get(name, 0) + 1
        return found

    def emissions(self) -> Iterator[Emission]:
        """Yield what the recorded sources had said, in the order of the recording."""
        for event in self._recording.events:
            if event.source not in _LEFT_OUT and self._had_happened(event):
                yield self._moved(event)
        for pod in self.crashed:
            yield from self._death(pod)

    def log_sources(self) -> list[str]:
        """Return the sources that said their last word before the crash, or by it."""
        return [log_of(pod.uid) for pod in (*self.ended, *self.crashed)]

    def phases(self, changes: list[tuple[int, Change]], redaction: Redaction) -> list[Emission]:
        """Return what Argo had shown, as the taken up reducer says it."""
        header = self._recording.header
        running = WorkflowPhase(phase="Running", message="")
        began_ns = self._recording.course.started_ns + self._shift_ns
        said = [_emission(ARGO, f"workflow/{header.workflow}", running, began_ns)]
        for at_ns, change in changes:
            phase: TaskPhase = redaction.phase_of(change.vertex)
            said.append(_emission(ARGO, f"task/{change.vertex.task}", phase, at_ns))
        return said

    def _had_happened(self, event: Event) -> bool:
        if event.source == GATE and event.source_seq in self._effects:
            return event.source_seq in self._stored
        uid = event.subject.removeprefix("pod/")
        pod = self._recording.timeline.pods.get(uid)
        if pod is not None and pod in self.ended:
            return True
        assert not isinstance(event.data, ArtifactObserved)
        return event.latest_ns <= self._state.at_ns

    def _moved(self, event: Event) -> Emission:
        fact, latest_ns = event.data, event.latest_ns
        if isinstance(fact, Request) and latest_ns > self._state.at_ns:
            # It was on its way: it reached the store, and its answer nobody.
            crashed = fact.uid in self._state.crashed
            latest_ns = self._state.at_ns if crashed else latest_ns
            if crashed:
                fact = msgspec.structs.replace(fact, status=None, outcome="client-gone")
        return Emission(
            source=event.source,
            source_seq=event.source_seq,
            earliest_ns=min(event.earliest_ns, latest_ns) + self._shift_ns,
            latest_ns=latest_ns + self._shift_ns,
            basis=event.basis,
            subject=event.subject,
            data=fact,
        )

    def _death(self, pod: Pod) -> Iterator[Emission]:
        at_ns = self._state.at_ns + self._shift_ns
        facts: list[Fact] = [PodDeletion(uid=pod.uid, how="node-lost", grace_s=0.0, by=CRASH)]
        if pod.started is not None and pod.started.at.latest_ns <= self._state.at_ns:
            facts.append(PodExited(uid=pod.uid, exit_code=_KILLED))
        facts.append(PodGone(uid=pod.uid, view=self._view))
        for fact in facts:
            yield _emission(KUBELET, f"pod/{pod.uid}", fact, at_ns)


def _emission(source: str, subject: str, fact: Fact, at_ns: int) -> Emission:
    return Emission(
        source=source,
        source_seq=0,
        earliest_ns=at_ns,
        latest_ns=at_ns,
        basis=Basis.INFERRED,
        subject=subject,
        data=fact,
    )
