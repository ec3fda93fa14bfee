"""What the driver says and as whom: the kubelet of pods and nodes, Argo of the workflow."""

from __future__ import annotations

from chaosml.event import (
    Basis,
    NodeChanged,
    PodCreated,
    PodDeletion,
    PodExited,
    PodGone,
    PodPaused,
    PodResumed,
    PodSignalled,
    PodStarted,
    WorkflowPhase,
)
from chaosml.substrates.embedded.wire import Claimed
from chaosml.substrates.redaction import Redaction
from chaosml.substrates.sources import Sources
from chaosml.workflow.protocol import Vertex

__all__ = ["ARGO", "KUBELET", "PodFact", "Telling", "log_of"]

ARGO = "argo"
KUBELET = "kubelet"

PodFact = (
    PodCreated
    | PodStarted
    | PodDeletion
    | PodSignalled
    | PodPaused
    | PodResumed
    | PodExited
    | PodGone
)


class Telling:
    """Says the facts of one workflow; secrets of its pipeline are left out."""

    def __init__(self, sources: Sources, redaction: Redaction, workflow: str) -> None:
        self._sources = sources
        self._redaction = redaction
        self._workflow = workflow

    def pod(self, uid: str, fact: PodFact, between: tuple[int, int] | None = None) -> None:
        """Say a fact of a pod; without `between` it happened now."""
        self._sources.say(KUBELET, f"pod/{uid}", fact, between=between)

    def node(self, node: str, state: str, by: str) -> None:
        """Say that a node got into a state."""
        self._sources.say(KUBELET, f"node/{node}", NodeChanged(node=node, state=state, by=by))

    def claims(self, report: Claimed) -> None:
        """Say what a program says of itself."""
        for claim in report.claims:
            self._sources.say(
                log_of(report.uid),
                f"pod/{report.uid}",
                claim.fact,
                between=(claim.earliest_ns, claim.latest_ns),
                basis=Basis.CLAIMED,
            )

    def workflow(self, phase: str, message: str) -> None:
        """Say the phase of the whole workflow."""
        fact = WorkflowPhase(phase=phase, message=self._redaction.hide(message))
        self._sources.say(ARGO, f"workflow/{self._workflow}", fact)

    def task(self, vertex: Vertex) -> None:
        """Say the phase of a vertex."""
        self._sources.say(ARGO, f"task/{vertex.task}", self._redaction.phase_of(vertex))


def log_of(uid: str) -> str:
    """Return the name of the source that is a pod's log."""
    return f"log/{uid}"
