"""What a substrate must do, and what only some can: the contract of the runner and the faults.

A substrate is driven from one thread. Its own threads only put messages into the
inbox that it was given, as `(substrate, message)`; the loop hands each back to
`handle`. Nothing here blocks, except `prepare`, `finish` and `close`, which have limits.

    prepare ─► submit ─► handle / tick … ─► finish ─► (submit …) ─► close
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from chaosml.history import Entry
from chaosml.workflow.protocol import EnvironmentVariable

__all__ = [
    "CutsOffPods",
    "DeletesPods",
    "DrainsNodes",
    "EvictsPods",
    "GuardsNodes",
    "KillsContainers",
    "LosesSuccesses",
    "PausesContainers",
    "PodView",
    "ReturnsNodes",
    "StepPattern",
    "StopsNodes",
    "Submission",
    "Substrate",
    "TerminatesPods",
    "WatchesDrains",
    "merge_overlay",
]


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod that exists now."""

    uid: str
    pod: str
    task: str
    attempt: int
    node: str
    running: bool


def _say_nothing(pod: PodView) -> None:
    """Announce to nobody."""


@dataclass(frozen=True, slots=True)
class StepPattern:
    """How the lines of one task's programs name the step, where no probe does."""

    task: str
    expression: str
    """A regular expression with the group `step`, which costs little on any line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A workflow to execute."""

    name: str
    """Name of the Workflow object; unique in the run."""
    workflow_file: pathlib.Path
    parameters: Mapping[str, str]
    overlay: tuple[EnvironmentVariable, ...]
    """Variables that are added to every container: endpoints, credentials, control channel.

    `fieldRef`s `metadata.uid`, `metadata.name` and `spec.nodeName` are resolved for each pod,
    and `$(NAME)` refers to earlier variables, as in Kubernetes.
    """
    overlays: Mapping[str, tuple[EnvironmentVariable, ...]] = field(default_factory=dict)
    """By template: variables of its pods alone, instead of those of the same name in `overlay`."""
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    images: Mapping[str, pathlib.Path] = field(default_factory=dict)
    """Image pattern (`registry/trainer*`) to the Python interpreter that stands for it."""
    folders: Mapping[str, pathlib.Path] = field(default_factory=dict)
    """Image pattern to the folder that stands for the files in the image's working directory."""
    lineage_variables: tuple[str, ...] = ()
    """The variables whose values `PodCreated` records."""
    logs: pathlib.Path
    """Folder for `UID.log`, one file a pod."""
    steps: StepPattern | None = None
    recording: pathlib.Path | None = None
    """File for what a real Argo shows of the workflow; a substrate without one leaves it away."""
    incarnations: Mapping[str, int] = field(default_factory=dict)
    """How many pods of a name there were before, in a workflow that is taken up again."""
    announce: Callable[[PodView], None] = _say_nothing
    """Called with every pod before its process may start: its credential must be known by then."""

    def step_pattern_of(self, task: str) -> str | None:
        """Return what finds the step in the lines of a task's pods; None where nothing does."""
        return self.steps.expression if self.steps and self.steps.task == task else None

    def overlay_of(self, template: str | None) -> tuple[EnvironmentVariable, ...]:
        """Return the variables for the containers of a template."""
        return merge_overlay(self.overlay, self.overlays.get(template or "", ()))


def merge_overlay(
    general: Sequence[EnvironmentVariable], own: Sequence[EnvironmentVariable]
) -> tuple[EnvironmentVariable, ...]:
    """Return the general variables with a template's own in the place of those they replace."""
    left = {variable.name: variable for variable in own}
    merged = [left.pop(variable.name, variable) for variable in general]
    return (*merged, *left.values())


class Substrate(Protocol):
    """Where pipelines run."""

    name: str

    def prepare(self) -> None:
        """Get ready to run pods; may take seconds.

        Raises:
            SubstrateError: it cannot.
        """

    def submit(self, submission: Submission) -> Sequence[Entry]:
        """Start a workflow; only one at a time.

        Raises:
            ScenarioError: the workflow uses what this substrate does not support.
        """

    def handle(self, message: Any) -> Sequence[Entry]:
        """Take a message of one of this substrate's threads and act on it."""

    def tick(self, now_ns: int) -> Sequence[Entry]:
        """Do what has become due."""

    @property
    def due_ns(self) -> int | None:
        """When `tick` is next needed; None if not before a message."""

    @property
    def finished(self) -> tuple[str, str] | None:
        """Phase and message of the workflow once it has ended, None before."""

    def pods(self) -> Sequence[PodView]:
        """Return the pods that exist."""

    def finish(self) -> Sequence[Entry]:
        """End every pod of the workflow, wait for them (with a limit) and close its sources."""

    def close(self) -> None:
        """Leave nothing behind; safe to call twice and after a failure."""


@runtime_checkable
class DeletesPods(Protocol):
    """Pods can be deleted through the API."""

    def delete_pod(
        self, uid: str, *, by: str, view: str, grace_s: float | None = None, force: bool = False
    ) -> Sequence[Entry]:
        """Delete a pod: preStop, SIGTERM, grace, SIGKILL; `force` means at once.

        Args:
            uid: The pod.
            by: Id of the injection.
            view: What the controller shall get to see, where that can be chosen.
            grace_s: Instead of the pod's own grace period.
            force: Without a grace period.
        """


@runtime_checkable
class EvictsPods(Protocol):
    """Pods can be evicted (the API's Eviction, as a drain does)."""

    def evict_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Evict a pod: like a graceful deletion, but subject to disruption budgets.

        Raises:
            FaultRefused: a budget does not allow it now; the message names it.
        """


@runtime_checkable
class KillsContainers(Protocol):
    """Signals can be sent to the user's program, past the orchestrator."""

    def signal_container(self, uid: str, *, by: str, signal: str) -> Sequence[Entry]:
        """Send a signal to the process group of the main container's program.

        A pod whose program does not run is left alone.

        Args:
            uid: The pod.
            by: Id of the injection.
            signal: Its name, such as `SIGKILL`.

        Raises:
            FaultRefused: the container has no means to send it.
        """


@runtime_checkable
class PausesContainers(Protocol):
    """The user's program can be stopped where it is, and told to go on."""

    def pause_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Stop every process of the program's group; `PodPaused` follows once that was seen.

        Raises:
            FaultRefused: the container has no means for it.
        """

    def resume_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Let the program go on; one that was not stopped or has ended is left alone."""


@runtime_checkable
class TerminatesPods(Protocol):
    """The kubelet can be made to end a pod by itself, which nobody asks the API for."""

    def terminate_pod(
        self,
        uid: str,
        *,
        by: str,
        how: str,
        view: str,
        message: str,
        grace_s: float,
        resource: str = "",
    ) -> Sequence[Entry]:
        """End a pod and leave its object: phase Failed and a message, Succeeded where it exits 0.

        Args:
            uid: The pod.
            by: Id of the injection.
            how: `node-shutdown` or `node-pressure`.
            view: What the controller shall get to see, where that can be chosen.
            message: What the kubelet writes into the pod's status, where that is for us to say.
            grace_s: Until SIGKILL, unless the pod's own grace period is shorter; 0 means at once.
            resource: What the node is short of.

        Raises:
            FaultRefused: the node has no means for it.
        """


@runtime_checkable
class LosesSuccesses(Protocol):
    """A pod that succeeds can be gone before the orchestrator looks."""

    def lose_success(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Let the orchestrator miss that a pod succeeds; a pod that fails is seen as ever.

        Args:
            uid: The pod.
            by: Id of the injection.
            view: What the controller shall get to see: `gone` or `restarted`.
        """


@runtime_checkable
class CutsOffPods(Protocol):
    """A pod can be gone for the orchestrator while its processes live on."""

    def cut_off_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Take the pod's object away, as with a node that does not answer, and touch nothing else.

        Args:
            uid: The pod.
            by: Id of the injection.
            view: What the controller shall get to see: `gone` or `restarted`.
        """

    def end_cut_off_pod(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Kill the processes of a pod that was cut off; one that has ended is left alone."""


@runtime_checkable
class DrainsNodes(Protocol):
    """Nodes can be closed for new pods and opened again."""

    def nodes(self) -> Sequence[str]:
        """Return the names of the nodes that are there."""

    def cordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let no new pod onto the node.

        Raises:
            FaultRefused: the node is not one that faults may strike.
        """

    def uncordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let pods onto the node again."""


@runtime_checkable
class StopsNodes(Protocol):
    """Nodes can die and capacity can return."""

    def stop_node(
        self, node: str, *, by: str, view: str, keep_object: bool = False
    ) -> Sequence[Entry]:
        """Kill the node with all its pods, without a signal to them that they could handle.

        Args:
            node: Its name.
            by: Id of the injection.
            view: What the controller shall get to see, where that can be chosen.
            keep_object: Whether the orchestrator goes on believing in the node, and so in its
                pods, until it returns; else its object is removed, as a cloud does it.
        """

    def add_node(self, *, by: str, instead_of: str = "") -> Sequence[Entry]:
        """Let a fresh node join, as a cloud's autoscaler would.

        Args:
            by: Id of the injection.
            instead_of: An emptied node whose end is due: where no machine is spare, it ends now.
        """


@runtime_checkable
class ReturnsNodes(Protocol):
    """A node that was stopped can come back under its own name."""

    def return_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Start the node again; one that was not stopped is left alone.

        The end of pods that the orchestrator still believed in becomes known by that.
        """


@runtime_checkable
class WatchesDrains(Protocol):
    """Others can drain nodes, and what they do is told apart from the rest."""

    def expect_drain(self, node: str, *, by: str) -> Sequence[Entry]:
        """From now on, whoever ends a pod of this node does it because of the injection.

        Raises:
            FaultRefused: the node is not one that faults may strike.
        """

    def end_drain(self, node: str, *, by: str) -> Sequence[Entry]:
        """Open the node again where somebody else has closed it since, and expect nothing more."""


@runtime_checkable
class GuardsNodes(Protocol):
    """Nodes belong to others: only those may be struck that their owner has set free."""

    def check_nodes(self) -> None:
        """Refuse a run with node faults where no node may be struck.

        Raises:
            UsageError: none is labelled, or the permission to look is missing.
        """
