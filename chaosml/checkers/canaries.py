"""The receipt of a fault on a way: canaries show it, the target met it, and it went away.

A fault that no canary felt, or that nobody met, proves nothing about the pipeline. Where nothing
gets through, canaries fail as the fault has it, and what the target asked is seen by nobody:
that it met the fault shows in what it did, see `standstill`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.checkers import disturbed, standstill
from chaosml.checkers.doubt import Doubt
from chaosml.event import DOWN, CanaryMeasured, InjectionArmed, ToxicAdded
from chaosml.scenario.model import STORE
from chaosml.timeline.degradation import CUTTING, Degradation, find_degradations
from chaosml.timeline.model import Pod, Timeline
from chaosml.timeline.moment import Moment, Seen
from chaosml.timeline.sources import CONTROL, GATE, KUBELET

__all__ = ["examine"]

_SHOWN_SHARE = 0.75
"""A canary must lose at least so much of the time that was asked for."""
_EXCESS_FACTOR, _EXCESS_S = 2.0, 0.5
"""It may lose so much more: machines are busy."""
_LEFT_SHARE, _LEFT_S = 0.25, 0.005
"""What it may lose afterwards."""
_KB = 1000
_FAILURES = {
    DOWN: ("refused",),
    "timeout": ("silent",),
    # What the answer's side of a reset shows a client is its kernel's to say.
    "reset_peer": ("reset", "cut"),
}
"""How a canary fails where nothing gets through, by the type of toxic."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The time that the toxics should add to a canary."""

    low_s: float
    high_s: float


def examine(timeline: Timeline, armed: InjectionArmed) -> Iterator[tuple[Moment, str]]:
    """Yield the evidence for a degradation, piece by piece.

    Args:
        timeline: The execution.
        armed: The injection; its `service` says which way was made worse.

    Raises:
        Doubt: the rest is missing, or speaks against it.
    """
    found = [one for one in find_degradations(timeline) if one.injection == armed.injection]
    if not found:
        raise Doubt("no-toxic", f"nothing was done on the way to {armed.service}")
    degradation = found[0]
    if degradation.ended is None:
        raise Doubt("toxic-not-removed", f"what was done at {degradation.way} was never undone")
    if any(seen.fact.injection == armed.injection for seen in timeline.disturbances):
        yield from disturbed.examine(timeline, degradation)
    else:
        yield from _examine_toxics(timeline, degradation, armed)
    doubt = timeline.doubt(KUBELET, CONTROL, GATE)
    if doubt:
        raise Doubt("evidence-lost", doubt)


def _examine_toxics(
    timeline: Timeline, degradation: Degradation, armed: InjectionArmed
) -> Iterator[tuple[Moment, str]]:
    toxics = [seen for seen in timeline.toxics if seen.fact.injection == armed.injection]
    for toxic in toxics:
        yield toxic.at, f"{toxic.fact.type} toxic on {degradation.way} ({toxic.fact.stream})"
    yield from _check_canaries(timeline, degradation, [seen.fact for seen in toxics])
    if degradation.ended is not None:
        yield degradation.ended, "toxics removed"
    if degradation.breaks:
        yield from standstill.examine(timeline, degradation, armed)
    else:
        yield from _check_target(timeline, degradation, armed)


def _check_canaries(
    timeline: Timeline, degradation: Degradation, toxics: list[ToxicAdded]
) -> Iterator[tuple[Moment, str]]:
    seen = {
        one.fact.when: one
        for one in timeline.canaries
        if one.fact.injection == degradation.injection
    }
    before, after = (_require(timeline, seen.get(when), when) for when in ("before", "after"))
    usual_s = min(_times(before.fact, toxics))
    if degradation.breaks:
        yield before.at, f"canary before: {usual_s * 1000:.1f} ms"
        yield _check_failure(timeline, degradation, toxics, seen.get("during"))
        yield after.at, f"canary after: {min(after.fact.first_byte_s) * 1000:.1f} ms"
        return
    during = _require(timeline, seen.get("during"), "during")
    asked = _asked(toxics, during.fact)
    added_s = statistics.median(_times(during.fact, toxics)) - usual_s
    left_s = min(_times(after.fact, toxics)) - usual_s
    yield before.at, f"canary before: {usual_s * 1000:.1f} ms"
    yield during.at, f"canary during: {added_s * 1000:+.1f} ms"
    if not degradation.is_certain(during.at):
        raise Doubt("canary-outside", "the fault had ended before its canary was through")
    if not asked.low_s * _SHOWN_SHARE <= added_s <= asked.high_s * _EXCESS_FACTOR + _EXCESS_S:
        raise Doubt(
            "effect-not-shown",
            f"a canary lost {added_s:.3f}s, where {asked.low_s:.3f}s to {asked.high_s:.3f}s were "
            "asked for",
        )
    yield after.at, f"canary after: {left_s * 1000:+.1f} ms"
    if left_s > asked.low_s * _LEFT_SHARE + _LEFT_S:
        raise Doubt("effect-stayed", f"a canary still lost {left_s:.3f}s after the removal")


def _check_failure(
    timeline: Timeline,
    degradation: Degradation,
    toxics: list[ToxicAdded],
    seen: Seen[CanaryMeasured] | None,
) -> tuple[Moment, str]:
    """Return the canary that did not come through; it failed as the toxics have it."""
    if seen is None:
        doubt = timeline.doubt(GATE)
        raise Doubt("no-canary", doubt or "no canary was measured during the fault")
    if not degradation.is_certain(seen.at):
        raise Doubt("canary-outside", "the fault had ended before its canary was through")
    wanted = next(_FAILURES[toxic.type] for toxic in toxics if toxic.type in CUTTING)
    if seen.fact.failure not in wanted:
        was = seen.fact.failure or "answered"
        raise Doubt("effect-not-shown", f"a canary was {was}, where it had to be {wanted[0]}")
    return seen.at, f"canary during: {seen.fact.failure}"


def _require(
    timeline: Timeline, seen: Seen[CanaryMeasured] | None, when: str
) -> Seen[CanaryMeasured]:
    if seen is None:
        raise Doubt("no-canary", timeline.doubt(GATE) or f"no canary was measured {when} the fault")
    if seen.fact.problem is not None or not seen.fact.total_s:
        detail = f"the canary {when} the fault: {seen.fact.problem or 'it measured nothing'}"
        raise Doubt("canary-failed", detail)
    return seen


def _asked(toxics: list[ToxicAdded], canary: CanaryMeasured) -> _Asked:
    low_s = high_s = 0.0
    for toxic in toxics:
        match toxic.type:
            case "latency":
                latency, jitter = (toxic.attributes.get(one, 0) for one in ("latency", "jitter"))
                low_s += (latency - jitter) / 1000
                high_s += (latency + jitter) / 1000
            case "bandwidth":
                upload = toxic.stream == "upstream"
                size = canary.upload_bytes if upload else canary.download_bytes
                taken_s = size / (toxic.attributes["rate"] * _KB)
                low_s += taken_s
                high_s += taken_s
            case other:
                raise Doubt("effect-unknown", f"what a canary loses by {other} is not known")
    return _Asked(low_s, high_s)


def _times(canary: CanaryMeasured, toxics: list[ToxicAdded]) -> tuple[float, ...]:
    """Return what tells of the toxics: the first byte of latency, the last one of bandwidth."""
    delays = all(toxic.type == "latency" for toxic in toxics)
    return canary.first_byte_s if delays else canary.total_s


def _check_target(
    timeline: Timeline, degradation: Degradation, armed: InjectionArmed
) -> Iterator[tuple[Moment, str]]:
    """Find out whether the target ran and talked to the service while the toxics acted."""
    pods = [pod for pod in timeline.pods_of(armed.task) if degradation.runs(pod)]
    if not pods:
        raise Doubt("target-finished", f"no pod of {armed.task} ran during the fault")
    if armed.service == STORE:
        talked, what = _requests(timeline, degradation, pods), "requests"
    else:
        talked = [
            seen.at
            for seen in timeline.traffic
            if seen.fact.proxy == degradation.way and degradation.is_certain(seen.at)
        ]
        what = "stretches of traffic"
    if not talked:
        raise Doubt(
            "nobody-disturbed",
            timeline.doubt(GATE)
            or f"{armed.task} did not talk to {armed.service} during the fault",
        )
    yield talked[0], f"{len(talked)} {what} of {armed.task} during the fault"


def _requests(timeline: Timeline, degradation: Degradation, pods: list[Pod]) -> list[Moment]:
    uids = {pod.uid for pod in pods}
    until_ns = degradation.ended_ns or 0
    return [
        seen.at
        for seen in timeline.requests
        if seen.fact.uid in uids
        and seen.at.earliest_ns <= until_ns
        and seen.at.latest_ns >= degradation.began.latest_ns
    ]
