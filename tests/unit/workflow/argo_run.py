"""A workflow under the reducer, driven by what a test lets the controller observe."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import yaml

from chaosml.workflow.model import Workflow
from chaosml.workflow.protocol import (
    CreatePod,
    Finished,
    Observation,
    PodCompleted,
    PodPending,
    PodRunning,
    PodSpec,
    PodVanished,
    Stop,
    StopPod,
    Tick,
    Vertex,
    WakeAt,
)
from chaosml.workflow.reducer import Reduction, reduce, start

SECOND = 1_000_000_000


def parse_workflow(spec: str, metadata: str = "name: wf") -> Workflow:
    """Read the spec of a workflow called `wf`."""
    body = textwrap.indent(textwrap.dedent(spec), "  ")
    return Workflow.model_validate(
        yaml.safe_load(
            f"apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{{metadata}}}\n"
            f"spec:\n{body}"
        )
    )


class Run:
    """One workflow; vertices are called as Argo names them, seconds count from its start."""

    def __init__(
        self,
        spec: str,
        parameters: Mapping[str, str] | None = None,
        metadata: str = "name: wf",
    ) -> None:
        self.workflow = parse_workflow(spec, metadata)
        self.seconds = 0.0
        self.trail: list[tuple[str, str, str]] = []
        self.specs: dict[str, PodSpec] = {}
        self.created: list[str] = []
        self.stopped: list[str] = []
        self.alarms: list[float] = []
        self.finished: tuple[str, str] | None = None
        self._take(
            start(self.workflow, name="wf", uid="uid-1", parameters=parameters or {}, at_ns=0)
        )

    def _take(self, reduction: Reduction) -> None:
        self.state = reduction.state
        for change in reduction.changes:
            vertex = change.vertex
            self.trail.append((vertex.name, vertex.phase, vertex.message))
        for command in reduction.commands:
            match command:
                case CreatePod():
                    self.specs[command.spec.vertex] = command.spec
                    self.created.append(command.spec.vertex)
                case StopPod():
                    self.stopped.append(command.pod)
                case WakeAt():
                    self.alarms.append(command.at_ns / SECOND)
                case Finished():
                    assert self.finished is None
                    self.finished = (command.phase, command.message)

    def observe(self, observation: Observation) -> None:
        self._take(reduce(self.state, observation))

    def _at(self, after: float) -> int:
        self.seconds += after
        return int(self.seconds * SECOND)

    def pod(self, vertex: str) -> str:
        return self.specs[vertex].pod

    def pending(self, vertex: str, message: str) -> None:
        self.observe(PodPending(self.pod(vertex), message, self._at(0)))

    def running(self, vertex: str, after: float = 1) -> None:
        self.observe(PodRunning(self.pod(vertex), self._at(after), "node-1"))

    def complete(self, vertex: str, code: int = 0, after: float = 1, **seen: object) -> None:
        self.observe(
            PodCompleted(pod=self.pod(vertex), at_ns=self._at(after), exit_code=code, **seen)  # type: ignore[arg-type]
        )

    def vanish(self, vertex: str, *, graceless: bool = False, after: float = 1) -> None:
        self.observe(PodVanished(self.pod(vertex), self._at(after), graceless))

    def delete(self, vertex: str) -> None:
        """Let the controller see the pod running, and then no pod any more."""
        self.running(vertex)
        self.vanish(vertex)

    def tick(self, after: float) -> None:
        self.observe(Tick(self._at(after)))

    def stop(self, strategy: str = "Stop") -> None:
        self.observe(Stop(strategy, self._at(1)))

    def vertex(self, name: str) -> Vertex:
        return self.state.vertices[name]

    def phase(self, name: str) -> str:
        return self.vertex(name).phase

    def has(self, name: str) -> bool:
        return name in self.state.vertices

    def shown(self, name: str) -> list[tuple[str, str]]:
        """Return the phases and messages that a vertex went through."""
        return [(phase, message) for vertex, phase, message in self.trail if vertex == name]
