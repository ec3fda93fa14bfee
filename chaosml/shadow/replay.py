"""The replay of a recording through the reducer: can it show what Argo showed?

The reducer is told what the pods did, and has to get by itself to everything else. It
decides at once and Argo's controller later, several things together, or not yet; and a
watch may miss a status. So a status is not compared with *the* state of the reducer but
has to lie on the way that it went:

    of every vertex     the values that the reducer gave it, from the one shown last on
    a status            each node that it shows is one of these values, and never an earlier one
                        than before; a vertex that the reducer does not have is none
    at the end          nothing is left behind: all vertices, outputs and children are there

Where the order of what was seen is not known, several are tried (`_Way`), the likeliest
first; when none leads to a status, those before are tried otherwise, up to a limit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaosml.shadow.likeness import differences, is_like, same_text, unlike_ends
from chaosml.shadow.pods import DELETED, Pods, wall_ns
from chaosml.shadow.recording import Node, Recording, Status
from chaosml.workflow.protocol import Observation, Stop, Tick, Vertex
from chaosml.workflow.reducer import Reduction, State, reconcile
from chaosml.workflow.state import is_fulfilled

__all__ = ["Replay", "Unreachable"]

_SLACK_NS = 3_000_000_000
"""Stamps are whole seconds, on both sides of a wait."""
_TRIALS_MAX = 120
"""How many ways are tried without getting to a further status."""
_MISSING = "the reducer has no such vertex at that time"
_PARENT = "parent of"
_ENDED = frozenset(("Succeeded", "Failed", "Error"))


@dataclass(frozen=True, slots=True)
class Unreachable:
    """What Argo showed and the reducer cannot reach."""

    status: int
    """Number of the status, from 1."""
    vertex: str
    """Argo's node name; that of the workflow where it is about the whole."""
    shown: str
    """What Argo showed."""
    reachable: str
    """What the reducer has instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One order in which the controller may have seen what lies between two statuses."""

    one_by_one: bool = False
    """Whether it decided after every pod, instead of after all of them."""
    backwards: bool = False
    runs_first: bool = False
    """Whether it saw the pods running whose ends alone are shown."""
    late_ns: int | None = None
    """It looked again so long after the status was seen; None: only at what happened."""


_ORDERS: tuple[dict[str, bool], ...] = (
    {},
    {"runs_first": True},
    {"one_by_one": True},
    {"one_by_one": True, "backwards": True},
    {"one_by_one": True, "runs_first": True},
)
_LATENESS: tuple[int | None, ...] = (None, 0, _SLACK_NS)
_WAYS = tuple(_Way(late_ns=late_ns, **order) for order in _ORDERS for late_ns in _LATENESS)


@dataclass(frozen=True, slots=True)
class _Branch:
    """Where the reducer is, and what it showed since Argo did."""

    state: State
    trail: Mapping[str, tuple[Vertex, ...]]
    """The values of every vertex, from the one that Argo showed last on."""

    def is_as(self, other: _Branch) -> bool:
        """Whether what follows from here follows from there too."""
        now_ns, then_ns = self.state.now_ns, other.state.now_ns
        if now_ns != then_ns and any(alarm > min(now_ns, then_ns) for alarm in self.state.alarms):
            return False
        return self.trail == other.trail

    def follow(self, reduction: Reduction) -> _Branch:
        trail = dict(self.trail)
        for change in reduction.changes:
            name = change.vertex.name
            trail[name] = (*trail.get(name, ()), change.vertex)
        return _Branch(reduction.state, trail)


class Replay:
    """One recording under the reducer."""

    def __init__(self, recording: Recording, beginning: Reduction) -> None:
        """Prepare.

        Args:
            recording: What Argo showed.
            beginning: What the reducer makes of the workflow first.
        """
        self._statuses = recording.statuses
        self._cut = bool(recording.cut) or not _has_ended(recording.statuses)
        self._pods = Pods(recording)
        self._name = recording.header.workflow
        self._names: dict[str, str] = {}
        """Names of nodes by id."""
        self._nodes: list[Mapping[str, Node]] = []
        """All nodes by name, as each status has them."""
        self._read_nodes()
        self._trials_left = _TRIALS_MAX
        self._farthest = 0
        self._root = _Branch(beginning.state, {}).follow(beginning)
        self._worst: tuple[tuple[int, int], Unreachable] | None = None

    def run(self) -> Unreachable | None:
        """Return the first thing that cannot be reached; None where everything can."""
        waiting: list[Iterator[_Branch]] = [self._successors(self._root, 0)]
        while waiting:
            number = len(waiting)
            if number > len(self._statuses):
                return None
            branch = next(waiting[-1], None)
            if branch is None:
                waiting.pop()
                continue
            if number > self._farthest:
                self._farthest, self._trials_left = number, _TRIALS_MAX
            waiting.append(self._successors(branch, number))
        return None if self._worst is None else self._worst[1]

    def _read_nodes(self) -> None:
        now: dict[str, Node] = {}
        for status in self._statuses:
            now = {name: node for name, node in now.items() if name not in status.removed}
            now |= {node.name: node for node in status.nodes}
            self._names |= {node.id: node.name for node in status.nodes}
            self._nodes.append(now)

    def _successors(self, branch: _Branch, number: int) -> Iterator[_Branch]:
        """Yield where the reducer may be when it has shown status `number`, counted from 0."""
        if number == len(self._statuses):
            return
        tried: list[_Branch] = []
        for way in _WAYS:
            self._trials_left -= 1
            if self._trials_left < 0:
                return
            advanced = self._advance(branch, number, way)
            if any(map(advanced.is_as, tried)):
                continue
            tried.append(advanced)
            found = self._match(advanced, number)
            if isinstance(found, _Branch):
                yield found
            else:
                self._note(number, found)

    def _note(self, number: int, found: Sequence[Unreachable]) -> None:
        """Keep what stands in the way of the status that was got to farthest."""
        rank = (number, -len(found))
        if self._worst is None or rank > self._worst[0]:
            self._worst = rank, min(found, key=self._is_consequence)

    def _is_consequence(self, found: Unreachable) -> int:
        """Rank what was found: a pod is the cause of what differs around it."""
        node = self._nodes[found.status - 1].get(found.vertex)
        pod = node is not None and node.type == "Pod"
        return (found.reachable == _MISSING) + (not pod) + 2 * found.shown.startswith(_PARENT)

    # --- towards a status ---

    def _advance(self, branch: _Branch, number: int, way: _Way) -> _Branch:
        status = self._statuses[number]
        if status.shutdown is not None and branch.state.shutdown is None:
            branch = self._reconcile(branch, [Stop(status.shutdown, status.at_ns)])
        branch = self._observe_pods(branch, number, way)
        if way.late_ns is None:
            return branch
        branch = self._reconcile(branch, [Tick(status.at_ns + way.late_ns)])
        return self._observe_pods(branch, number, way)

    def _observe_pods(self, branch: _Branch, number: int, way: _Way) -> _Branch:
        """Tell the reducer what happened to pods until it shows what Argo did, or no more."""
        nodes = [node for node in self._statuses[number].nodes if node.type == "Pod"]
        if way.backwards:
            nodes.reverse()
        for _ in range(4 * len(nodes)):
            seen = [
                one
                for node in nodes
                if (one := self._observation(branch, node, number, way)) is not None
            ]
            if not seen:
                break
            branch = self._reconcile(branch, seen[:1] if way.one_by_one else seen)
        return branch

    def _observation(
        self, branch: _Branch, node: Node, number: int, way: _Way
    ) -> Observation | None:
        vertex = branch.state.vertices.get(node.name)
        if vertex is None or vertex.pod is None or is_fulfilled(vertex):
            return None
        if self._place(branch, node) is not None:
            return None
        at_ns = self._statuses[number].at_ns
        return self._pods.observe(vertex, node, number, at_ns, runs_first=way.runs_first)

    def _reconcile(self, branch: _Branch, seen: Sequence[Observation]) -> _Branch:
        return branch.follow(reconcile(branch.state, seen))

    # --- comparing ---

    def _match(self, branch: _Branch, number: int) -> _Branch | list[Unreachable]:
        """Return the branch from here on, or what of the status does not lie on its way."""
        status = self._statuses[number]
        trail = dict(branch.trail)
        found = [
            Unreachable(number + 1, name, "the node is gone", "vertices stay where they are")
            for name in status.removed
        ]
        for node in status.nodes:
            place = self._place(branch, node)
            if place is None:
                found.append(self._explain(branch, node, number))
                continue
            trail[node.name] = trail[node.name][place:]
            ours = branch.state.vertices[node.name].children
            differing = self._children(node) ^ {one for one in ours if one in self._nodes[number]}
            if differing:
                shown = f"{_PARENT} {', '.join(sorted(self._children(node))) or 'none'}"
                what = f"the reducer differs in {', '.join(sorted(differing))}"
                found.append(Unreachable(number + 1, node.name, shown, what))
        if not found:
            found += self._compare_workflow(branch, status, number)
        if found:
            return found
        matched = _Branch(_with_stamps(branch.state, status), trail)
        if number + 1 == len(self._statuses) and not self._cut:
            found += self._compare_ends(matched, number)
        return found or matched

    def _place(self, branch: _Branch, node: Node) -> int | None:
        """Return where on the way of its vertex a node lies; None where it does not."""
        around, hook = self._names.get(node.boundary, node.boundary), self._hook(branch, node)
        values = branch.trail.get(node.name, ())
        for place, vertex in enumerate(values):
            if is_like(vertex, node, around, hook=hook):
                return place
        if values and is_like(_without_pod(values[-1]), node, around, hook=hook):
            return len(values) - 1
        return None

    def _hook(self, branch: _Branch, node: Node) -> bool | None:
        """Tell whether a node has to be marked as hooked: what lies inside of a hook is not."""
        vertex = branch.state.vertices.get(node.name)
        if vertex is None or not vertex.hooked:
            return False
        around = branch.state.vertices.get(vertex.boundary or "")
        if around is not None and around.hooked:
            return False
        return None if vertex.retried else True

    def _explain(self, branch: _Branch, node: Node, number: int) -> Unreachable:
        shown = f"{node.type} {node.phase}" + (f" {node.message!r}" if node.message else "")
        values = branch.trail.get(node.name, ())
        if not values:
            return Unreachable(number + 1, node.name, shown, _MISSING)
        around, hook = self._names.get(node.boundary, node.boundary), self._hook(branch, node)
        told = [tuple(differences(one, node, around, hook=hook)) for one in values]
        nearest = min(told, key=lambda words: len(words))
        return Unreachable(number + 1, node.name, shown, "; ".join(nearest))

    def _compare_workflow(
        self, branch: _Branch, status: Status, number: int
    ) -> Iterator[Unreachable]:
        state = branch.state
        if status.phase not in _ENDED:
            return
        if state.phase != status.phase or not same_text(status.message, state.message):
            yield Unreachable(
                number + 1,
                self._name,
                f"workflow {status.phase} {status.message!r}",
                f"workflow {state.phase} {state.message!r}",
            )

    def _compare_ends(self, branch: _Branch, number: int) -> Iterator[Unreachable]:
        nodes, last = self._nodes[number], number + 1
        for name, vertex in branch.state.vertices.items():
            node = nodes.get(name)
            if node is None:
                ours = f"{vertex.type} {vertex.phase} {vertex.message!r}"
                yield Unreachable(last, name, "no such node, to the end", ours)
                continue
            told = list(self._differ_at_the_end(branch, vertex, node))
            if told:
                yield Unreachable(last, name, f"{node.type} {node.phase} at the end", told[0])

    def _differ_at_the_end(self, branch: _Branch, vertex: Vertex, node: Node) -> Iterator[str]:
        around, hook = self._names.get(node.boundary, node.boundary), self._hook(branch, node)
        if not is_like(_without_pod(vertex), node, around, hook=hook):
            yield from differences(vertex, node, around, hook=hook)
        yield from unlike_ends(vertex, node, self._children(node))

    def _children(self, node: Node) -> frozenset[str]:
        return frozenset(self._names.get(child, child) for child in node.children)


def _has_ended(statuses: Sequence[Status]) -> bool:
    return bool(statuses) and statuses[-1].phase in _ENDED


def _without_pod(vertex: Vertex) -> Vertex:
    """Return what Argo may make of a pod's vertex that had failed, when the pod goes later.

    Where its program `wait` ended badly, as where a machine came back after its loss, the node
    counts as out of step with its outputs. When the pod is labelled completed, the controller
    finds it missing, also after it made the next attempt: Error "pod deleted" takes the place
    of Failed.

    Source: argo-workflows v4.0.5 workflow/controller/operator.go `podReconciliation`; measured.
    """
    if vertex.type == "Pod" and vertex.phase in ("Failed", "Error"):
        return dataclasses.replace(vertex, phase="Error", message=DELETED)
    return vertex


def _with_stamps(state: State, status: Status) -> State:
    """Give vertices the times that Argo gave them: it counts its waits from these."""
    vertices = dict(state.vertices)
    for node in status.nodes:
        vertex = vertices[node.name]
        started_ns = wall_ns(node.started) or vertex.started_ns
        finished_ns = vertex.finished_ns
        if is_fulfilled(vertex):
            finished_ns = wall_ns(node.finished) or finished_ns
        vertices[node.name] = dataclasses.replace(
            vertex, started_ns=started_ns, finished_ns=finished_ns, node=node.host or vertex.node
        )
    return dataclasses.replace(state, vertices=vertices)
