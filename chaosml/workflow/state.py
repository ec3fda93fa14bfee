"""Where a workflow stands: an immutable value, and the working copy of one operation on it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaosml.workflow.model import Template, Workflow
from chaosml.workflow.names import display_name, own_name
from chaosml.workflow.protocol import Change, Command, CreatePod, PodSpec, StopPod, Vertex, WakeAt

__all__ = [
    "ControllerError",
    "Invocation",
    "MemoEntry",
    "Operation",
    "ParallelismReached",
    "Reduction",
    "State",
    "TemplateTimeout",
    "is_active_pod",
    "is_completed",
    "is_fulfilled",
]

_FULFILLED = frozenset(("Succeeded", "Skipped", "Failed", "Error", "Omitted"))


class ControllerError(Exception):
    """The controller cannot execute a vertex, which therefore turns `Error`.

    It never leaves `reduce`.
    """


class ParallelismReached(Exception):
    """A vertex may not be executed yet: a `parallelism` is used up, or `failFast` holds it back.

    It never leaves `reduce`.
    """

    def __init__(self) -> None:
        super().__init__("Max parallelism reached")


class TemplateTimeout(Exception):
    """A pod was still waiting when its template's `timeout` was over; its vertex is Failed.

    It never leaves `reduce`.
    """

    def __init__(self) -> None:
        super().__init__("timeout")


def is_fulfilled(vertex: Vertex) -> bool:
    """Tell whether nothing more happens at the vertex."""
    return vertex.phase in _FULFILLED


def is_completed(vertex: Vertex) -> bool:
    """Tell whether the vertex ran and has ended."""
    return vertex.phase in ("Succeeded", "Failed", "Error")


def is_active_pod(vertex: Vertex) -> bool:
    """Tell whether the vertex is a pod that waits or runs."""
    return vertex.type == "Pod" and vertex.phase in ("Pending", "Running")


@dataclass(frozen=True, slots=True)
class MemoEntry:
    """What a memoized template gave when it last succeeded."""

    outputs: Mapping[str, str]
    result: str | None
    exit_code: str | None
    saved_at: datetime.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A workflow and what has become of it so far."""

    workflow: Workflow
    templates: Mapping[str, Template]
    """By name, `templateDefaults` merged in."""
    name: str
    uid: str
    variables: Mapping[str, str]
    """`workflow.*`."""
    started_ns: int
    created_at: datetime.datetime
    now_ns: int
    phase: str = "Running"
    message: str = ""
    vertices: Mapping[str, Vertex] = field(default_factory=dict)
    """By Argo's node name, in the order of creation."""
    specs: Mapping[str, PodSpec] = field(default_factory=dict)
    """By pod name."""
    deadlines: Mapping[str, int] = field(default_factory=dict)
    """When Argo ends an attempt because of `maxDuration`, by pod name."""
    timeouts: Mapping[str, int] = field(default_factory=dict)
    """When the `timeout` of a template is over, by pod name."""
    ends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The children with which a dag or steps vertex ends, by its name."""
    alarms: frozenset[int] = frozenset()
    """Times that a `WakeAt` asked for already."""
    shutdown: str | None = None
    memo: Mapping[tuple[str, str], MemoEntry] | None = None
    """What memoized templates gave, by the cache's name and the key; None: `memoize` is ignored."""
    memo_keys: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Where in `memo` a vertex is kept once it succeeds, by its name."""

    @property
    def is_finished(self) -> bool:
        """Whether the workflow, its exit handler included, has ended."""
        return self.phase != "Running"

    @property
    def deadline_ns(self) -> int | None:
        """When the workflow's `activeDeadlineSeconds` is over."""
        seconds = self.workflow.spec.active_deadline_seconds
        return None if seconds is None else self.started_ns + seconds * 1_000_000_000

    def timestamp(self, at_ns: int) -> datetime.datetime:
        """Return a monotonic time as wall clock, in whole seconds as Kubernetes keeps it."""
        elapsed = datetime.timedelta(microseconds=(at_ns - self.started_ns) // 1000)
        return (self.created_at + elapsed).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Reduction:
    """What follows from an observation."""

    state: State
    commands: tuple[Command, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A template in its place: what is executed as which vertex."""

    vertex: str
    template: str
    """The key of the template in `State.templates`."""
    task: str
    boundary: str | None = None
    """The vertex of the dag or steps around it."""
    boundary_template: str | None = None
    hooked: bool = False
    """Whether it is part of a hook or of the exit handler."""
    on_exit: bool = False
    """Whether it is part of an exit hook or the exit handler."""
    depth: int = 0
    attempt: int | None = None
    """Number of the attempt inside of a Retry vertex."""
    deadline_ns: int | None = None
    """When `maxDuration` ends this attempt."""
    avoiding: str | None = None
    """The Retry vertex whose failed attempts' nodes it avoids."""


class Operation:
    """One pass of the controller: a working copy of the state, which `finish` freezes."""

    def __init__(self, state: State, now_ns: int) -> None:
        self.before = state
        self.now_ns = max(now_ns, state.now_ns)
        self.shutdown = state.shutdown
        self.phase, self.message = state.phase, state.message
        self.specs = dict(state.specs)
        self.deadlines = dict(state.deadlines)
        self.timeouts = dict(state.timeouts)
        self.ends = dict(state.ends)
        self.memo = None if state.memo is None else dict(state.memo)
        self.memo_keys = dict(state.memo_keys)
        self.failed_fast: set[str] = set()
        """Dags and steps whose next child `failFast` held back while no pod of theirs ran."""
        self.commands: list[Command] = []
        self._changes: list[Change] = []
        self._vertices = dict(state.vertices)
        self._alarms = set(state.alarms)
        self._active_pods: int | None = None

    def finish(self) -> Reduction:
        """Return the new state with the commands and changes of this pass."""
        state = dataclasses.replace(
            self.before,
            now_ns=self.now_ns,
            phase=self.phase,
            message=self.message,
            vertices=self._vertices,
            specs=self.specs,
            deadlines=self.deadlines,
            timeouts=self.timeouts,
            ends=self.ends,
            alarms=frozenset(self._alarms),
            shutdown=self.shutdown,
            memo=self.memo,
            memo_keys=self.memo_keys,
        )
        return Reduction(state, tuple(self.commands), tuple(self._changes))

    def extend_variables(self, variables: Mapping[str, str]) -> None:
        """Let tags name these too, from here on."""
        extended = {**self.before.variables, **variables}
        self.before = dataclasses.replace(self.before, variables=extended)

    @property
    def past_deadline(self) -> bool:
        """Whether the workflow's own deadline is over."""
        deadline_ns = self.before.deadline_ns
        return deadline_ns is not None and self.now_ns >= deadline_ns

    @property
    def active_pods(self) -> int:
        """How many pods waited or ran when it was first asked for, and were added since.

        Those that end in between count on until the next pass, as they do in Argo.
        """
        if self._active_pods is None:
            self._active_pods = sum(map(is_active_pod, self._vertices.values()))
        return self._active_pods

    def may_run(self, *, on_exit: bool) -> bool:
        """Tell whether a shutdown lets a vertex run: `Stop` spares exit hooks and handlers."""
        return self.shutdown is None or (self.shutdown == "Stop" and on_exit)

    def find(self, name: str) -> Vertex | None:
        """Return the vertex of this name, if it exists yet."""
        return self._vertices.get(name)

    def vertex(self, name: str) -> Vertex:
        """Return the vertex of this name, which exists."""
        return self._vertices[name]

    def vertices(self) -> Iterator[Vertex]:
        """Yield every vertex in the order of creation."""
        yield from tuple(self._vertices.values())

    def add(self, invocation: Invocation, kind: str, phase: str, **details: Any) -> Vertex:
        """Create the vertex of an invocation."""
        vertex = Vertex(
            name=invocation.vertex,
            display_name=display_name(invocation.vertex, invocation.boundary),
            template=own_name(invocation.template),
            type=kind,
            phase=phase,
            task=invocation.task,
            attempt=(invocation.attempt or 0) if kind == "Pod" else None,
            retried=invocation.attempt is not None,
            hooked=invocation.hooked,
            on_exit=invocation.on_exit,
            boundary=invocation.boundary,
            started_ns=self.now_ns,
            finished_ns=self.now_ns if phase in _FULFILLED else None,
            **details,
        )
        self._vertices[vertex.name] = vertex
        self._changes.append(Change(vertex))
        if self._active_pods is not None and is_active_pod(vertex):
            self._active_pods += 1
        return vertex

    def mark(self, name: str, phase: str, message: str | None = None, **details: Any) -> Vertex:
        """Set the phase of a vertex, and its message unless None; note what really changed.

        What a memoized vertex gave is kept when it succeeds.
        """
        before = self._vertices[name]
        finished_ns = None
        if phase in _FULFILLED:
            finished_ns = before.finished_ns if is_fulfilled(before) else self.now_ns
        after = dataclasses.replace(
            before,
            phase=phase,
            message=before.message if message is None else message,
            finished_ns=finished_ns,
            **details,
        )
        self._vertices[name] = after
        if after != before:
            self._changes.append(Change(after))
        if phase == "Succeeded" and not after.memoized:
            self._memoize(after)
        return after

    def _memoize(self, vertex: Vertex) -> None:
        key = self.memo_keys.get(vertex.name)
        if key is not None and self.memo is not None:
            at = self.before.timestamp(self.now_ns)
            self.memo[key] = MemoEntry(vertex.outputs, vertex.result, vertex.exit_code, at)

    def mark_error(self, invocation: Invocation, message: str) -> Vertex:
        """Turn a vertex to Error; one that does not exist yet is born so, with the type Skipped."""
        if invocation.vertex in self._vertices:
            return self.mark(invocation.vertex, "Error", message)
        return self.add(invocation, "Skipped", "Error", message=message)

    def connect(self, parent: str, child: str) -> None:
        """Make one vertex the child of another."""
        before = self._vertices[parent]
        if child not in before.children:
            children = (*before.children, child)
            self._vertices[parent] = dataclasses.replace(before, children=children)

    def create_pod(self, spec: PodSpec) -> None:
        """Ask for a pod, for the first time or again."""
        self.specs[spec.pod] = spec
        self.commands.append(CreatePod(spec))

    def stop_pod(self, pod: str, why: str) -> None:
        """Ask for the end of a pod's processes."""
        self.commands.append(StopPod(pod, why))

    def wake_at(self, at_ns: int) -> None:
        """Ask for a tick, once for each time."""
        if at_ns not in self._alarms:
            self._alarms.add(at_ns)
            self.commands.append(WakeAt(at_ns))
