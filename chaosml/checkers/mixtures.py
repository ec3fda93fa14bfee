"""Checkpoints in several parts, overwritten in place: which parts belong to which save.

    weights  A₀ ───── B₀ ─────────────      a save writes the parts in order;
    meta     ── A₀ ───── x B₀ never came    A and B are saves, 0 is the pod

The parts that are current together are right if one save wrote them, or if their
contents equal those of one. Between the writes of a live writer they never are;
that counts once the writer is dead, once it is the end, or once somebody read it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.artifacts.contract import CompiledArtifact, Kind
from chaosml.event import Request
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Moment, Order, Seen, order

__all__ = ["Mixture", "find_mixtures"]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Parts of different saves that were, or were taken for, one checkpoint."""

    keys: tuple[str, ...]
    steps: tuple[int | None, ...]
    at: Moment
    """The write that made it, or the read that took it."""
    reader: str | None
    """The pod that read it; None: it was current without a live writer."""
    why: str
    sure: bool = True
    """False: it depends on an order of events that is not known."""


@dataclass(frozen=True, slots=True)
class _PartWrite:
    seen: Seen[Request]
    part: int
    save: tuple[str, int]
    content: str | None


def find_mixtures(analysis: Analysis) -> list[Mixture]:
    """Return the mixtures of every artifact that is written in place."""
    return [
        mixture
        for artifact in analysis.contract.artifacts
        if len(artifact.parts) > 1
        for keys in _part_keys(analysis, artifact)
        for mixture in _mixtures_of(analysis, keys)
    ]


def _part_keys(analysis: Analysis, artifact: CompiledArtifact) -> list[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for write in analysis.storage.writes:
        what = analysis.contract.classify(write.fact.key)
        if what is not None and what.artifact is artifact and what.kind is Kind.PART:
            found.add(artifact.part_keys(what.groups))
    return sorted(found)


def _mixtures_of(analysis: Analysis, keys: tuple[str, ...]) -> Iterator[Mixture]:
    writes = _part_writes(analysis, keys)
    legal = _legal_contents(writes, len(keys))
    racing = _racing(writes)
    if racing is not None:
        steps = (None,) * len(keys)
        yield Mixture(keys, steps, racing.seen.at, None, "two pods wrote at once", sure=False)
        return
    yield from _standing(analysis, keys, writes, legal)
    yield from _taken(analysis, keys, writes, legal)


def _part_writes(analysis: Analysis, keys: tuple[str, ...]) -> list[_PartWrite]:
    """Return the writes to the parts in order of time, each with its save."""
    saves: dict[str, int] = defaultdict(int)
    previous: dict[str, int] = {}
    found = []
    for seen in analysis.storage.writes:
        if seen.fact.key not in keys:
            continue
        part, uid = keys.index(seen.fact.key), seen.fact.uid or ""
        if part <= previous.get(uid, len(keys)):
            saves[uid] += 1
        previous[uid] = part
        found.append(_PartWrite(seen, part, (uid, saves[uid]), _content(analysis, seen.fact)))
    return found


def _content(analysis: Analysis, request: Request) -> str | None:
    version = analysis.storage.by_id.get((request.key, request.version or ""))
    if version is not None and version.fact.digest is not None:
        return version.fact.digest
    return request.sha256 or (None if version is None else version.fact.sha256)


def _legal_contents(writes: list[_PartWrite], parts: int) -> set[tuple[str | None, ...]]:
    by_save: dict[tuple[str, int], dict[int, str | None]] = defaultdict(dict)
    for write in writes:
        by_save[write.save][write.part] = write.content
    return {
        tuple(contents[part] for part in range(parts))
        for contents in by_save.values()
        if len(contents) == parts and None not in contents.values()
    }


def _is_mixed(
    together: dict[int, _PartWrite], parts: int, legal: set[tuple[str | None, ...]]
) -> bool:
    if len(together) < parts or len({write.save for write in together.values()}) == 1:
        return False
    return tuple(together[part].content for part in range(parts)) not in legal


def _standing(
    analysis: Analysis,
    keys: tuple[str, ...],
    writes: list[_PartWrite],
    legal: set[tuple[str | None, ...]],
) -> Iterator[Mixture]:
    """Yield mixtures that were current although nobody was about to complete them."""
    together: dict[int, _PartWrite] = {}
    for place, write in enumerate(writes):
        together[write.part] = write
        if not _is_mixed(together, len(keys), legal):
            continue
        following = writes[place + 1] if place + 1 < len(writes) else None
        why, sure = _abandoned(analysis, write, following)
        if why is not None:
            steps = _steps(analysis, together, len(keys))
            yield Mixture(keys, steps, write.seen.at, None, why, sure)


def _abandoned(
    analysis: Analysis, write: _PartWrite, following: _PartWrite | None
) -> tuple[str | None, bool]:
    """Return why nobody was about to complete the save of `write`, and whether that is sure."""
    if following is None:
        return "it is what the execution left behind", True
    pod = analysis.timeline.pods.get(write.save[0])
    if following.save == write.save or pod is None or pod.exited is None:
        return None, True
    match order(pod.exited.at, following.seen.at):
        case Order.AFTER:
            return None, True
        case found:
            return f"its writer {pod.uid} had ended", found is Order.BEFORE


def _racing(writes: list[_PartWrite]) -> _PartWrite | None:
    """Return a write that overlaps another pod's in time: which of them won is not known."""
    until: dict[str, int] = {}
    for write in sorted(writes, key=lambda one: one.seen.at.earliest_ns):
        uid = write.save[0]
        if any(end >= write.seen.at.earliest_ns for pod, end in until.items() if pod != uid):
            return write
        until[uid] = max(until.get(uid, 0), write.seen.at.latest_ns)
    return None


def _taken(
    analysis: Analysis,
    keys: tuple[str, ...],
    writes: list[_PartWrite],
    legal: set[tuple[str | None, ...]],
) -> Iterator[Mixture]:
    """Yield mixtures that a pod read, whatever their writer was about to do."""
    by_version = {(write.seen.fact.key, write.seen.fact.version): write for write in writes}
    reading: dict[str, dict[int, _PartWrite]] = defaultdict(dict)
    for seen in analysis.storage.reads:
        write = by_version.get((seen.fact.key, seen.fact.version))
        if write is None or seen.fact.uid is None:
            continue
        together = reading[seen.fact.uid]
        if write.part in together:
            together.clear()
        together[write.part] = write
        if len(together) == len(keys):
            if _is_mixed(together, len(keys), legal):
                steps = _steps(analysis, together, len(keys))
                yield Mixture(keys, steps, seen.at, seen.fact.uid, f"{seen.fact.uid} read it")
            together.clear()


def _steps(
    analysis: Analysis, together: dict[int, _PartWrite], parts: int
) -> tuple[int | None, ...]:
    found = []
    for part in range(parts):
        request = together[part].seen.fact
        version = analysis.storage.by_id.get((request.key, request.version or ""))
        found.append(None if version is None else version.step)
    return tuple(found)
