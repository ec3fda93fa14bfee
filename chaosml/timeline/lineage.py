"""The surviving lineage: which executions of which steps are in the final state.

    attempt 0  1 ─────── 60 ──x 73      (61…73 are lost, and no part of it)
    attempt 1            └ 61 ───────── 240 ─► final checkpoint

Walked back from the process that wrote the final state, through what each process
says it restored, to a start from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaosml.timeline.ledger import Segment
from chaosml.timeline.model import Claims, Pod, Timeline
from chaosml.timeline.storage import Storage

__all__ = ["Lineage", "Part", "find_lineage", "segments_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """Steps of the lineage that one process did: those after `start`, up to `stop`."""

    pod: Pod
    claims: Claims
    segment: Segment
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """The parts in the order of their steps; `gap` says what is not known of it."""

    parts: tuple[Part, ...]
    gap: str | None

    @property
    def last_step(self) -> int:
        """The last step of it; 0 where there is none."""
        return self.parts[-1].stop if self.parts else 0


@dataclass(frozen=True, slots=True)
class _Process:
    pod: Pod
    claims: Claims
    segment: Segment

    @property
    def last_step(self) -> int:
        """The last step it claims; what it restored where it claims none."""
        if not self.segment.rows:
            return self.segment.restore_step or 0
        return self.claims.ledger.steps[self.segment.last_row - 1]

    def reached(self, step: int) -> bool:
        """Whether it did this step itself."""
        first, last = self.segment.first_row, self.segment.last_row
        steps = self.claims.ledger.steps
        if first == last:
            return False
        guess = first + step - steps[first]
        if first <= guess < last and steps[guess] == step:
            return True
        return step in steps[first:last]

    def committed(self, step: int, key: str | None) -> bool:
        """Whether its pod claims the checkpoint of this step to be durable under this key."""
        return any(
            commit.fact.step == step and (key is None or commit.fact.key in (None, key))
            for commit in self.claims.commits
        )


def segments_of(timeline: Timeline, task: str) -> list[tuple[Pod, Claims, Segment]]:
    """Return the processes of a task in the order in which they began to speak."""
    found = [
        (pod, timeline.claims[pod.uid], segment)
        for pod in timeline.pods_of(task)
        if pod.uid in timeline.claims
        for segment in timeline.claims[pod.uid].segments
    ]
    return sorted(found, key=lambda one: (one[2].began.earliest_ns, one[2].began.seq))


def find_lineage(timeline: Timeline, storage: Storage, writer: str | None) -> Lineage:
    """Return the lineage of the training task's final state.

    Args:
        timeline: The execution.
        storage: Its bucket.
        writer: The pod that wrote the final checkpoint, where the gate saw it.
    """
    processes = [_Process(*one) for one in segments_of(timeline, timeline.training_task)]
    index = _last_of(processes, writer)
    if index is None:
        return Lineage((), "no step was claimed")
    parts: list[Part] = []
    stop = processes[index].last_step
    while True:
        process = processes[index]
        start = _start_of(process)
        if start is None:
            return Lineage(tuple(parts), f"pod {process.pod.uid} does not say what it restored")
        parts.insert(0, Part(process.pod, process.claims, process.segment, start, stop))
        if start == 0:
            return Lineage(tuple(parts), None)
        parent = _parent_of(processes, index, start, storage)
        if parent is None:
            return Lineage(tuple(parts), f"nobody is seen to have saved step {start}")
        index, stop = parent, start


def _last_of(processes: list[_Process], writer: str | None) -> int | None:
    speaking = [index for index, process in enumerate(processes) if process.segment.rows]
    written = [index for index in speaking if processes[index].pod.uid == writer]
    candidates = written or speaking
    return candidates[-1] if candidates else None


def _start_of(process: _Process) -> int | None:
    """Return the step it started from; a process whose first step is 1 started from nothing."""
    if process.segment.restore_step is not None:
        return process.segment.restore_step
    steps = process.claims.ledger.steps
    return 0 if process.segment.rows and steps[process.segment.first_row] == 1 else None


def _parent_of(processes: list[_Process], index: int, step: int, storage: Storage) -> int | None:
    child = processes[index]
    key = child.segment.restore_key
    writers = {
        version.writer
        for version in storage.read_by(child.pod.uid)
        if version.step == step and version.writer is not None
    }
    earlier = [place for place in range(index) if processes[place].reached(step)]
    by_read = [place for place in earlier if processes[place].pod.uid in writers]
    by_claim = [place for place in earlier if processes[place].committed(step, key)]
    candidates = by_read or by_claim or earlier
    return candidates[-1] if candidates else None
