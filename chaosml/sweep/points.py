"""The points at which a recorded execution may crash, and the states that the store has there.

    effects   ──1──  ──2──        ──4──        in time; 2 and 3 are in flight together
                        ──3──
    states at the begin of 3:  {1} and {1 2}   what was answered, with every subset of the rest

A point is a moment before or after an effect, at the start or end of a pod, or at what a
probe said. A crash there ends every pod that runs. Several points may share a state: the
same effects, the same pods; it is executed once.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from chaosml.event import (
    ClaimCheckpoint,
    ClaimDone,
    ClaimPoint,
    ClaimPublish,
    ClaimReady,
    ClaimRegister,
    ClaimRestore,
    Event,
)
from chaosml.sweep.effects import Effect
from chaosml.timeline.model import Pod, Timeline

__all__ = ["SUBSETS_MAX", "CrashMap", "Point", "State", "find_points"]

SUBSETS_MAX = 64
"""Subsets of writes in flight together that are tested at one point: a sample where more are."""
_COUNTED_MAX = 12
"""Writes in flight together whose subsets are counted one by one."""

_Claim = (
    ClaimReady
    | ClaimRestore
    | ClaimCheckpoint
    | ClaimPublish
    | ClaimRegister
    | ClaimDone
    | ClaimPoint
)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the recording at which the execution may crash."""

    number: int
    """From 1, in the order of time."""
    kind: str
    """`before`, `after`: of an effect; `start`, `end`: of a pod; `probe`."""
    name: str
    task: str
    at_ns: int
    effect: int | None = None
    """Number of the effect that it is about."""
    states: tuple[int, ...] = ()
    """Numbers of the states that the store may be in after a crash here."""
    unreached: int = 0
    """States of it that were left out, since too many writes are in flight together; at most."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a crash leaves: the effects that are there, and the pods that it ended."""

    number: int
    effects: tuple[int, ...]
    """Numbers of the effects, in their order."""
    crashed: tuple[str, ...]
    """Uids of the pods that ran."""
    at_ns: int
    """The last moment of the recording that leaves this state."""
    points: tuple[int, ...] = ()


class CrashMap(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be tested of a recording."""

    points: tuple[Point, ...]
    states: tuple[State, ...]

    def state(self, number: int) -> State:
        """Return the state of this number."""
        return self.states[number - 1]

    def point(self, number: int) -> Point:
        """Return the point of this number."""
        return self.points[number - 1]


@dataclass(frozen=True, slots=True)
class _Place:
    """A point that has no number yet."""

    at_ns: int
    rank: int
    """Orders what happens at the same time."""
    kind: str
    name: str
    task: str
    effect: Effect | None = None


def find_points(
    effects: Sequence[Effect], timeline: Timeline, events: Iterable[Event], seed: int
) -> CrashMap:
    """Return the points and states of a recording.

    Args:
        effects: Its durable effects.
        timeline: Its timeline.
        events: Its events, for what the probes said.
        seed: Chooses among subsets where there are too many.
    """
    places = [*_of_effects(effects), *_of_pods(timeline), *_of_probes(timeline, events)]
    places.sort(key=lambda place: (place.at_ns, place.rank, place.name))
    return _Numbering(effects, timeline, seed).number(places)


def _of_effects(effects: Sequence[Effect]) -> Iterator[_Place]:
    for effect in effects:
        yield _Place(effect.begun_ns, 1, "before", f"before {effect.name}", effect.task, effect)
        yield _Place(effect.ended_ns, 0, "after", f"after {effect.name}", effect.task, effect)


def _of_pods(timeline: Timeline) -> Iterator[_Place]:
    for pod in timeline.pods.values():
        task = pod.task or ""
        again = f" (attempt {pod.attempt})" if pod.attempt else ""
        if pod.created is not None:
            at_ns = pod.created.at.latest_ns
            yield _Place(at_ns, 2, "start", f"start of {task}{again}", task)
        if pod.exited is not None:
            at_ns = pod.exited.at.earliest_ns
            yield _Place(at_ns, 3, "end", f"end of {task}{again}, before it is seen", task)


def _of_probes(timeline: Timeline, events: Iterable[Event]) -> Iterator[_Place]:
    """Yield what probes said, without the steps: between two effects one is like the other."""
    counts: dict[tuple[str, str], int] = {}
    for event in events:
        if not isinstance(event.data, _Claim):
            continue
        pod = timeline.pods.get(event.subject.removeprefix("pod/"))
        task = (pod.task if pod is not None else None) or ""
        words = _words(event.data)
        nth = counts[(task, words)] = counts.get((task, words), 0) + 1
        again = f" (time {nth})" if nth > 1 else ""
        yield _Place(event.latest_ns, 2, "probe", f"{task} says {words}{again}", task)


def _words(claim: _Claim) -> str:
    match claim:
        case ClaimReady():
            return "ready"
        case ClaimDone():
            return "done"
        case ClaimRestore():
            return f"restore of step {claim.step}"
        case ClaimCheckpoint():
            return f"checkpoint {claim.phase} of step {claim.step}"
        case ClaimPublish():
            return f"publish {claim.key}"
        case ClaimRegister():
            return f"register {claim.entry}"
        case ClaimPoint():
            return f"point {claim.name}"


class _Numbering:
    """Finds the states of every place and gives both their numbers."""

    def __init__(self, effects: Sequence[Effect], timeline: Timeline, seed: int) -> None:
        self._effects = effects
        self._pods = list(timeline.pods.values())
        self._seed = seed
        self._states: dict[tuple[tuple[int, ...], tuple[str, ...]], int] = {}
        self._latest: dict[int, int] = {}
        self._points_of: dict[int, list[int]] = {}

    def number(self, places: Sequence[_Place]) -> CrashMap:
        points: list[Point] = []
        for place in places:
            crashed = tuple(pod.uid for pod in self._pods if _runs(pod, place.at_ns))
            if not crashed:
                continue  # A crash of nobody: all that ran had ended.
            number = len(points) + 1
            stores, unreached = self._stores(place, number)
            states = tuple(self._note(store, crashed, place.at_ns, number) for store in stores)
            points.append(
                Point(
                    number=number,
                    kind=place.kind,
                    name=place.name,
                    task=place.task,
                    at_ns=place.at_ns,
                    effect=None if place.effect is None else place.effect.number,
                    states=states,
                    unreached=unreached,
                )
            )
        return CrashMap(points=tuple(points), states=self._frozen())

    def _note(
        self, store: tuple[int, ...], crashed: tuple[str, ...], at_ns: int, point: int
    ) -> int:
        state = self._states.setdefault((store, crashed), len(self._states) + 1)
        at_ns = self._within(store, at_ns)
        self._latest[state] = max(at_ns, self._latest.get(state, at_ns))
        self._points_of.setdefault(state, []).append(point)
        return state

    def _within(self, store: tuple[int, ...], at_ns: int) -> int:
        """Return the moment next to `at_ns` at which a crash can leave exactly these effects."""
        there = set(store)
        lowest = max((one.begun_ns for one in self._effects if one.number in there), default=at_ns)
        highest = min(
            (one.ended_ns for one in self._effects if one.number not in there), default=at_ns
        )
        return min(max(at_ns, lowest), max(lowest, highest))

    def _frozen(self) -> tuple[State, ...]:
        return tuple(
            State(
                number=number,
                effects=store,
                crashed=crashed,
                at_ns=self._latest[number],
                points=tuple(self._points_of[number]),
            )
            for (store, crashed), number in self._states.items()
        )

    def _stores(self, place: _Place, number: int) -> tuple[list[tuple[int, ...]], int]:
        """Return what may be in the store after a crash at a place, and how many were left out."""
        own = place.effect
        others = [effect for effect in self._effects if effect is not own]
        begun_ns = place.at_ns if own is None else own.begun_ns
        ended_ns = place.at_ns if own is None else own.ended_ns
        certain = [effect.number for effect in others if effect.ended_ns <= begun_ns]
        if own is not None and place.kind == "after":
            certain.append(own.number)
        flying = [
            effect for effect in others if effect.begun_ns < ended_ns and effect.ended_ns > begun_ns
        ]
        chance = random.Random(f"{self._seed}/point/{number}")
        kept, unreached = _choose_subsets(flying, chance)
        stores = [
            tuple(sorted((*certain, *(effect.number for effect in subset)))) for subset in kept
        ]
        return stores, unreached


def _runs(pod: Pod, at_ns: int) -> bool:
    if pod.created is None or pod.created.at.latest_ns > at_ns:
        return False
    return pod.exited is None or at_ns <= pod.exited.at.earliest_ns


def _choose_subsets(
    flying: Sequence[Effect], chance: random.Random
) -> tuple[list[tuple[Effect, ...]], int]:
    """Return subsets of writes in flight together, and how many were left out at most."""
    if len(flying) <= _COUNTED_MAX:
        every = [
            subset
            for size in range(len(flying) + 1)
            for subset in itertools.combinations(flying, size)
            if _is_closed(subset, flying)
        ]
        kept = chance.sample(every, SUBSETS_MAX) if len(every) > SUBSETS_MAX else every
        return kept, len(every) - len(kept)
    drawn: dict[tuple[int, ...], tuple[Effect, ...]] = {}
    for _ in range(SUBSETS_MAX):
        subset = tuple(effect for effect in flying if chance.random() < 0.5)
        closed = tuple(effect for effect in flying if _is_needed(effect, subset))
        drawn[tuple(effect.number for effect in closed)] = closed
    return list(drawn.values()), 2 ** len(flying) - len(drawn)


def _is_needed(effect: Effect, subset: Sequence[Effect]) -> bool:
    return effect in subset or any(effect.ended_ns < other.begun_ns for other in subset)


def _is_closed(subset: Sequence[Effect], flying: Sequence[Effect]) -> bool:
    """Whether no write is there whose predecessor, answered before it began, is not."""
    return all(effect in subset for effect in flying if _is_needed(effect, subset))
