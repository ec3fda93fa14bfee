"""What the controls show about margins: how long a save takes, how much a crash may cost.

    begin ── serialize ── first write … last data write ── promote ── commit
                          └───────── upload ──────────┘

Times are the probe's and the gate's. A pipeline whose probe does not say when a checkpoint
begins has no save times, and none are made up.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from chaosml.artifacts.contract import Contract, Kind
from chaosml.faults.catalogue import CATALOGUE
from chaosml.reports.wording import count, duration, share
from chaosml.scenario.model import Scenario, parse_duration
from chaosml.timeline.model import Claims, SeenCommit, Timeline
from chaosml.timeline.storage import WRITES

__all__ = ["Exposure", "Margins", "Spread", "lines_of", "measure"]

_BUFFER_S = 15.0
"""What should be left of a grace period after the longest save."""
_EXPOSURES_MAX = 60


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds, by the nearest rank."""

    p50: float
    p99: float
    count: int


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What a crash at this time would have cost."""

    at_s: float
    """Since the first step."""
    steps: int
    seconds: float
    """Since the last checkpoint was durable, or since the start."""


class Margins(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the controls, and of what followed the crashes; None where nothing tells."""

    save: Spread | None = None
    serialize: Spread | None = None
    upload: Spread | None = None
    promote: Spread | None = None
    step: Spread | None = None
    grace_s: float | None = None
    """The shortest grace period of a pod of the training."""
    notice_s: float | None = None
    """The shortest notice that a fault of the scenario gives, 0 left out."""
    needed_grace_s: float | None = None
    """The longest save, a step before it, and a buffer of 15 s."""
    stalled_share: float | None = None
    """Of the time between first and last step, what saves cost over a step without one."""
    exposure: tuple[Exposure, ...] = ()
    """Over the recorded control."""
    interruptions: int = 0
    """Pods that a crash ended: events of a life cycle."""
    errors: int = 0
    """Pods that failed by themselves afterwards."""


@dataclass(frozen=True, slots=True)
class _Save:
    begun_ns: int
    first_ns: int | None
    """Begin of its first write."""
    stored_ns: int | None
    """End of its last data write."""
    committed_ns: int


def measure(
    scenario: Scenario,
    contract: Contract,
    controls: Sequence[Timeline],
    *,
    interruptions: int,
    errors: int,
) -> Margins:
    """Return the margins that the controls show, the recorded one first."""
    saves = [save for control in controls for save in _saves(control, contract)]
    gaps = [gap for control in controls for gap in _plain_gaps(control)]
    grace_s = min((grace for one in controls for grace in _graces(one)), default=None)
    whole = _spread((one.committed_ns - one.begun_ns) / 1e9 for one in saves)
    step = _spread(gaps)
    needed = None
    if whole is not None:
        needed = round(whole.p99 + (step.p99 if step else 0.0) + _BUFFER_S, 3)
    stalls = [stall for one in controls if (stall := _stalled(one)) is not None]
    return Margins(
        save=whole,
        serialize=_spread(
            (one.first_ns - one.begun_ns) / 1e9 for one in saves if one.first_ns is not None
        ),
        upload=_spread(
            (one.stored_ns - one.first_ns) / 1e9
            for one in saves
            if one.stored_ns is not None and one.first_ns is not None
        ),
        promote=_spread(
            (one.committed_ns - one.stored_ns) / 1e9 for one in saves if one.stored_ns is not None
        ),
        step=step,
        grace_s=grace_s,
        notice_s=_notice(scenario),
        needed_grace_s=needed,
        stalled_share=round(statistics.fmean(stalls), 4) if stalls else None,
        exposure=tuple(_thin(list(_exposures(controls[0])))) if controls else (),
        interruptions=interruptions,
        errors=errors,
    )


def _speakers(timeline: Timeline) -> Iterator[Claims]:
    for pod in timeline.pods_of(timeline.training_task):
        if pod.uid in timeline.claims:
            yield timeline.claims[pod.uid]


def _saves(timeline: Timeline, contract: Contract) -> Iterator[_Save]:
    for claims in _speakers(timeline):
        begun: dict[int, SeenCommit] = {}
        for seen in claims.checkpoints:
            if seen.fact.phase == "begin":
                begun[seen.fact.step] = seen
            elif (start := begun.pop(seen.fact.step, None)) is not None:
                yield _save(timeline, contract, claims.uid, start, seen)


def _save(
    timeline: Timeline, contract: Contract, uid: str, start: SeenCommit, end: SeenCommit
) -> _Save:
    begun_ns, committed_ns = start.at.latest_ns, end.at.latest_ns
    first_ns = stored_ns = None
    for seen in timeline.requests:
        if seen.fact.uid != uid or seen.fact.operation not in WRITES:
            continue
        known = contract.classify(seen.fact.key)
        within = begun_ns <= seen.at.earliest_ns and seen.at.latest_ns <= committed_ns
        if not within or known is None or known.artifact is None:
            continue
        if known.artifact.role != "checkpoint":
            continue
        first_ns = seen.at.earliest_ns if first_ns is None else first_ns
        if known.kind is not Kind.MARKER:
            stored_ns = max(seen.at.latest_ns, stored_ns or 0)
    return _Save(begun_ns, first_ns, stored_ns, committed_ns)


def _gaps(claims: Claims) -> Iterator[tuple[float, bool]]:
    """Yield the seconds between one step and the next, with whether a save lay between them."""
    ledger = claims.ledger
    commits = [seen.at.latest_ns for seen in claims.commits]
    place = 0
    for row in range(1, len(ledger)):
        before_ns, after_ns = ledger.latest[row - 1], ledger.latest[row]
        while place < len(commits) and commits[place] < before_ns:
            place += 1
        saved = place < len(commits) and commits[place] <= after_ns
        yield (after_ns - before_ns) / 1e9, saved


def _plain_gaps(timeline: Timeline) -> Iterator[float]:
    for claims in _speakers(timeline):
        yield from (gap for gap, saved in _gaps(claims) if not saved)


def _stalled(timeline: Timeline) -> float | None:
    plain = list(_plain_gaps(timeline))
    gaps = [one for claims in _speakers(timeline) for one in _gaps(claims)]
    whole = sum(gap for gap, _ in gaps)
    if not plain or whole <= 0:
        return None
    usual = statistics.median(plain)
    return sum(max(0.0, gap - usual) for gap, saved in gaps if saved) / whole


def _exposures(timeline: Timeline) -> Iterator[Exposure]:
    for claims in _speakers(timeline):
        ledger = claims.ledger
        commits = [(seen.at.latest_ns, seen.fact.step) for seen in claims.commits]
        if not len(ledger):
            continue
        start_ns = since_ns = ledger.latest[0]
        saved = ledger.steps[0] - 1
        place = 0
        for row in range(len(ledger)):
            now_ns = ledger.latest[row]
            while place < len(commits) and commits[place][0] <= now_ns:
                since_ns, saved = commits[place]
                place += 1
            yield Exposure(
                at_s=round((now_ns - start_ns) / 1e9, 4),
                steps=ledger.steps[row] - saved,
                seconds=round((now_ns - since_ns) / 1e9, 4),
            )


def _thin(exposures: Sequence[Exposure]) -> Iterator[Exposure]:
    """Yield a few of many, of each stretch the worst."""
    stretch = max(1, math.ceil(len(exposures) / _EXPOSURES_MAX))
    for start in range(0, len(exposures), stretch):
        yield max(exposures[start : start + stretch], key=lambda one: (one.steps, one.seconds))


def _graces(timeline: Timeline) -> Iterator[float]:
    for pod in timeline.pods_of(timeline.training_task):
        if pod.created is not None:
            yield pod.created.fact.grace_s


def _notice(scenario: Scenario) -> float | None:
    """Return the shortest notice that a fault gives before it strikes."""
    notices = []
    for fault in scenario.faults:
        fields = CATALOGUE[fault.inject].options.model_fields
        if "notice" in fields and "notice" in fault.with_ and not fault.with_.get("false-alarm"):
            notices.append(float(parse_duration(fault.with_["notice"])))
    return min((one for one in notices if one > 0), default=None)


def _spread(seconds: Iterable[float]) -> Spread | None:
    ordered = sorted(seconds)
    if not ordered:
        return None
    return Spread(p50=_rank(ordered, 0.5), p99=_rank(ordered, 0.99), count=len(ordered))


def _rank(ordered: Sequence[float], quantile: float) -> float:
    return round(ordered[max(0, math.ceil(quantile * len(ordered)) - 1)], 6)


def lines_of(margins: Margins) -> list[str]:
    """Return the margins in sentences."""
    lines = []
    if margins.save is None:
        lines.append("no save was seen: the probe names no begin and commit of a checkpoint")
    else:
        parts = {
            "serialize": margins.serialize,
            "upload": margins.upload,
            "promote": margins.promote,
        }
        shown = ", ".join(
            f"{name} {_ms(one.p50)}/{_ms(one.p99)}" for name, one in parts.items() if one
        )
        lines.append(
            f"save p50/p99 {_ms(margins.save.p50)}/{_ms(margins.save.p99)} over "
            f"{count(margins.save.count, 'save')}: {shown}"
        )
        lines.append(_grace(margins))
    if margins.exposure:
        worst = max(margins.exposure, key=lambda one: (one.steps, one.seconds))
        lines.append(
            f"a crash costs at most {count(worst.steps, 'step')}, "
            f"{duration(max(one.seconds for one in margins.exposure))} since the last checkpoint"
        )
    if margins.stalled_share is not None:
        lines.append(f"{share(margins.stalled_share)} of the training stalls on checkpoints")
    lines.append(
        f"{count(margins.interruptions, 'interruption')} as events of a life cycle; "
        f"{count(margins.errors, 'pod')} failed by themselves afterwards"
    )
    return lines


def _grace(margins: Margins) -> str:
    needed, grace = margins.needed_grace_s or 0.0, margins.grace_s
    words = f"a grace period of {needed:.1f} s leaves 15 s beside the longest save and a step"
    if grace is not None:
        words += f"; pods have {duration(grace)}" + ("" if grace >= needed else ", too little")
    if margins.notice_s is not None:
        enough = "" if margins.notice_s >= needed else ", less than that"
        words += f"; the shortest notice is {duration(margins.notice_s)}{enough}"
    return words


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
