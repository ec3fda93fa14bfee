"""Pod objects as the driver keeps them, and how their deaths surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from chaosml.event import PodCreated
from chaosml.substrates.embedded.wire import Exited
from chaosml.substrates.protocol import PodView
from chaosml.workflow.protocol import Observation, PodCompleted, PodSpec, PodVanished
from chaosml.workflow.views import View

__all__ = ["Deletion", "Loss", "PodObject", "surface"]


@dataclass(frozen=True, slots=True)
class Deletion:
    """That a pod shall die, and how its death shall surface."""

    view: View
    at_ns: int
    forced: bool
    message: str = ""
    """What the kubelet writes into the status of a pod that it ends by itself."""


@dataclass(frozen=True, slots=True)
class Loss:
    """That nobody shall see a pod's success: its object goes before the controller looks."""

    by: str
    view: View


@dataclass(slots=True)
class PodObject:
    """A pod object: it exists from its creation until its death has surfaced."""

    spec: PodSpec
    uid: str
    number: int
    """Names its folder: socket paths below it may have 107 characters, so its uid is too long."""
    node: str = ""
    """Empty until it is placed."""
    running: bool = False
    deletion: Deletion | None = None
    loss: Loss | None = None
    cut_off: bool = False
    """Whether its object is gone while its processes live: nobody hears of their end."""

    def view(self) -> PodView:
        """Return what others get to know of it."""
        spec = self.spec
        return PodView(self.uid, spec.pod, spec.task, spec.attempt, self.node, self.running)

    def loses(self, report: Exited) -> Loss | None:
        """Return how a success is lost, if this is one and it is."""
        return self.loss if report.exit_code == 0 and self.deletion is None else None

    def death(self, report: Exited) -> tuple[View, Exited]:
        """Return how the death surfaces, and as what: a pod that ended before its deletion seen."""
        if (loss := self.loses(report)) is not None:
            return loss.view, report
        if self.deletion is None or report.earliest_ns <= self.deletion.at_ns:
            return View.SEEN, report
        # Where every container exits 0, the kubelet calls the pod Succeeded and drops its words.
        message = (self.deletion.message if report.exit_code else "") or report.pod_message
        return self.deletion.view, msgspec.structs.replace(report, pod_message=message)

    def created(self, image_id: str, recorded: Mapping[str, str]) -> PodCreated:
        """Return the fact of its creation; `recorded` are the variables that carry lineage."""
        spec = self.spec
        return PodCreated(
            uid=self.uid,
            pod=spec.pod,
            task=spec.task,
            attempt=spec.attempt,
            node=self.node,
            image=spec.image,
            image_id=image_id,
            grace_s=spec.grace_s,
            requested_cpu=spec.requested_cpu,
            environment=dict(recorded),
            labels=dict(spec.labels),
        )


def surface(pod: str, view: View, report: Exited, *, unreported: bool) -> Observation:
    """Return what the controller observes of a death.

    Args:
        pod: Name of the pod.
        view: How it surfaces.
        report: What the kubelet says of it.
        unreported: Whether the machine died below it, and its wait container with it.
    """
    match view:
        case View.GONE | View.RESTARTED:
            return PodVanished(pod, report.latest_ns, graceless=view is View.RESTARTED)
        case View.SEEN | View.WAIT_FAILED:
            seen = view is View.SEEN
            return PodCompleted(
                pod,
                report.latest_ns,
                report.exit_code,
                outputs=report.outputs if seen else {},
                result=report.result if seen else None,
                message=report.message,
                pod_message=report.pod_message,
                unreported=unreported,
            )
