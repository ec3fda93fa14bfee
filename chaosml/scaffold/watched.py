"""What one undisturbed execution showed: who wrote what when, and what it held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaosml.event import (
    ArtifactObserved,
    ClaimStep,
    Event,
    ExecutionEnded,
    ExecutionStarted,
    PodCreated,
    PodExited,
    PodStarted,
    Request,
    WorkflowPhase,
)
from chaosml.timeline.sources import log_of
from chaosml.timeline.storage import WRITES, was_stored

__all__ = ["Content", "Watched", "Write", "gather"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the audit read of one version."""

    size: int
    sha256: str | None
    step: int | None
    digest: str | None
    components: tuple[str, ...]
    problem: str | None
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One version as it came to the store."""

    key: str
    operation: str
    at_s: float
    """Since the start of the execution."""
    task: str
    content: Content | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Everything that guesses are made from."""

    writes: tuple[Write, ...]
    """In the order in which the store took them."""
    ended: str
    """`completed`, `deadline`, …"""
    phase: str
    """Of the workflow: `Succeeded`, …; empty where it did not end."""
    exit_codes: Mapping[str, int]
    """By task, of its last pod."""
    seconds: Mapping[str, float]
    """By task, how long its pods ran."""
    steps: Mapping[str, tuple[int, int]]
    """By task, the first and the last step that it claimed."""
    identity: Mapping[str, str]
    """Values of the execution's own, such as its bucket: they are other ones in each execution."""
    left_behind: tuple[str, ...] = ()
    """Files that were seen in the working directory of a pod, which died with it."""
    said: tuple[str, ...] = ()
    """The last lines that the pods printed."""


def gather(events: Iterable[Event]) -> Watched:
    """Return what a history shows."""
    seen = list(events)
    start_ns = seen[0].earliest_ns if seen else 0
    facts = [event.data for event in seen]
    tasks = {one.uid: one.task for one in facts if isinstance(one, PodCreated)}
    header = next((one for one in facts if isinstance(one, ExecutionStarted)), None)
    return Watched(
        writes=_writes(seen, start_ns, tasks),
        ended=next((one.reason for one in facts if isinstance(one, ExecutionEnded)), ""),
        phase=next(
            (
                one.phase
                for one in reversed(facts)
                if isinstance(one, WorkflowPhase) and one.phase in {"Succeeded", "Failed", "Error"}
            ),
            "",
        ),
        exit_codes={
            tasks[one.uid]: one.exit_code
            for one in facts
            if isinstance(one, PodExited) and one.uid in tasks
        },
        seconds=_seconds(seen, tasks),
        steps=_steps(seen),
        identity={} if header is None else {**header.isolation, "workflow": header.workflow},
    )


def _writes(seen: Sequence[Event], start_ns: int, tasks: Mapping[str, str]) -> tuple[Write, ...]:
    contents = {
        (one.key, one.version): _content(one)
        for event in seen
        if isinstance(one := event.data, ArtifactObserved) and not one.deleted
    }
    return tuple(
        Write(
            key=one.key,
            operation=one.operation,
            at_s=(event.latest_ns - start_ns) / 1e9,
            task=tasks.get(one.uid or "", ""),
            content=contents.get((one.key, one.version or "")),
        )
        for event in seen
        if isinstance(one := event.data, Request) and one.operation in WRITES and was_stored(one)
    )


def _content(fact: ArtifactObserved) -> Content:
    return Content(
        size=fact.size,
        sha256=fact.sha256,
        step=fact.step,
        digest=fact.digest,
        components=tuple(sorted(fact.digests)),
        problem=fact.problem,
        fields=fact.fields,
    )


def _seconds(seen: Sequence[Event], tasks: Mapping[str, str]) -> dict[str, float]:
    started = {one.data.uid: one.latest_ns for one in seen if isinstance(one.data, PodStarted)}
    found: dict[str, float] = {}
    for event in seen:
        fact = event.data
        if isinstance(fact, PodExited) and fact.uid in started and fact.uid in tasks:
            ran_s = (event.earliest_ns - started[fact.uid]) / 1e9
            found[tasks[fact.uid]] = found.get(tasks[fact.uid], 0.0) + ran_s
    return found


def _steps(seen: Sequence[Event]) -> dict[str, tuple[int, int]]:
    created = {
        log_of(one.data.uid): one.data.task for one in seen if isinstance(one.data, PodCreated)
    }
    found: dict[str, tuple[int, int]] = {}
    for event in seen:
        if isinstance(event.data, ClaimStep) and event.source in created:
            task, step = created[event.source], event.data.step
            first, last = found.get(task, (step, step))
            found[task] = (min(first, step), max(last, step))
    return found
