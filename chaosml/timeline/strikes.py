"""Whose doing the death of a pod was: an injection's, Argo's, the pod's own, or nobody's we know.

A death is an injection's if the injection deleted or signalled the pod before it
ended, if the pod was ended while the injection had it paused, if it ended after it had
read the injection's notice, if a program that was to kill it had begun before, or if it
failed while the injection slowed the way to a service down. A killed pod that neither an
injection nor Argo touched died of the infrastructure, and says nothing about the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.event import NoticeRead, NoticeVisible, PodDeletion
from chaosml.timeline.degradation import find_degradations
from chaosml.timeline.model import Injection, Pod, Timeline
from chaosml.timeline.moment import Moment, Seen

__all__ = [
    "BY_OTHERS",
    "Strike",
    "foreign_deaths",
    "notice_of",
    "notice_read_by",
    "strikes",
    "target_of",
]

_KILLED = frozenset({137, 143})
_OURS = frozenset({"argo"})
BY_OTHERS = "by-others"
"""How a pod was struck that a program of the user's was to kill."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A pod that an injection made to end."""

    injection: str
    pod: Pod
    at: Moment
    """When it took effect: the deletion or signal, or else the exit after a notice."""
    how: str
    """`delete`, `evict`, `force`, `node-lost`, a signal's name, `pause`, `notice`, `degraded`,
    `by-others`."""
    notice: Moment | None
    """When the notice before it became readable, where there was one."""


def strikes(timeline: Timeline) -> list[Strike]:
    """Return the deaths that injections caused, in order of time."""
    found = [
        strike
        for injection in timeline.injections.values()
        for strike in _strikes_of(timeline, injection)
    ]
    found += _deaths_by_degradation(timeline)
    return sorted(found, key=lambda strike: (strike.at.earliest_ns, strike.pod.uid))


def _strikes_of(timeline: Timeline, injection: Injection) -> Iterator[Strike]:
    notice = notice_of(timeline, injection)
    visible = None if notice is None else notice.at
    for pod in timeline.pods.values():
        struck = [
            seen
            for seen in pod.strikes_by(injection.injection)
            if pod.exited is None or not seen.at.is_after(pod.exited.at)
        ]
        if struck and not _survived(injection, pod):
            first = struck[0].fact
            how = first.how if isinstance(first, PodDeletion) else first.signal
            yield Strike(injection.injection, pod, struck[0].at, how, visible)
        elif (hung := pod.died_paused_by) is not None and hung.fact.by == injection.injection:
            yield Strike(injection.injection, pod, hung.at, "pause", visible)
        elif (killed := _killed_by_command(timeline, injection, pod)) is not None:
            yield Strike(injection.injection, pod, killed, BY_OTHERS, None)
        elif notice is not None and pod.exited is not None and not _finished(timeline, pod):
            read = notice_read_by(timeline, notice, pod)
            # Who has read lived then, even where its end is known to the second only.
            if read is not None and not read.at.is_after(pod.exited.at):
                yield Strike(injection.injection, pod, pod.exited.at, "notice", visible)


def _killed_by_command(timeline: Timeline, injection: Injection, pod: Pod) -> Moment | None:
    """Return when a pod was struck after a program had begun that was to kill it.

    That is its deletion, where one was seen, or else its end; None where it was not struck.
    """
    meant = injection.armed is not None and injection.armed.fact.lethal
    about = {seen.fact.uid for seen in injection.commands}
    if not meant or pod.uid not in about or pod.exited is None or not injection.intended:
        return None
    begun = injection.intended[0].at
    if _finished(timeline, pod) or pod.exited.at.is_before(begun):
        return None
    later = [seen.at for seen in pod.strikes if not seen.at.is_before(begun)]
    first = min(later, key=lambda at: at.earliest_ns, default=None)
    if first is not None and not first.is_after(pod.exited.at):
        return first
    return pod.exited.at if pod.exited.fact.exit_code != 0 else None


def _deaths_by_degradation(timeline: Timeline) -> Iterator[Strike]:
    """Yield the ends of pods that failed by themselves while a service was slow for them."""
    for degradation in find_degradations(timeline):
        for pod in timeline.pods_of(degradation.task):
            if pod.exited is not None and not pod.strikes and degradation.saw_failure_of(pod):
                yield Strike(degradation.injection, pod, pod.exited.at, "degraded", None)


def _survived(injection: Injection, pod: Pod) -> bool:
    """Whether a pod that was not meant to die has ended well."""
    meant = injection.armed is None or injection.armed.fact.lethal
    return not meant and pod.exited is not None and pod.exited.fact.exit_code == 0


def _finished(timeline: Timeline, pod: Pod) -> bool:
    """Whether the pod said that its work was done."""
    return pod.uid in timeline.claims and bool(timeline.claims[pod.uid].done)


def target_of(timeline: Timeline, injection: Injection) -> Pod | None:
    """Return the pod that the injection held, or else the first one of its task it struck."""
    for hold in timeline.holds:
        if hold.started is not None and hold.started.fact.rule == injection.injection:
            return timeline.pods.get(hold.started.fact.uid)
    task = None if injection.armed is None else injection.armed.fact.task
    for strike in sorted(_strikes_of(timeline, injection), key=lambda one: one.at.earliest_ns):
        if task is None or strike.pod.task == task:
            return strike.pod
    for applied in injection.applied:
        uid = applied.fact.target.removeprefix("pod/")
        if uid in timeline.pods:
            return timeline.pods[uid]
    return None


def notice_of(timeline: Timeline, injection: Injection) -> Seen[NoticeVisible] | None:
    """Return the notice that the injection made readable.

    Where the notice does not carry the injection's name, it is the one on its target's node.
    """
    held = [
        timeline.pods[hold.started.fact.uid].node
        for hold in timeline.holds
        if hold.started is not None
        and hold.started.fact.rule == injection.injection
        and hold.started.fact.uid in timeline.pods
    ]
    own = [one for one in timeline.notices if one.fact.notice == injection.injection]
    if not own and len(timeline.injections) == 1:
        own = list(timeline.notices)[:1]
    at_target = (notice for notice in own or timeline.notices if notice.fact.node in held)
    return next(at_target, own[0] if own else None)


def notice_read_by(
    timeline: Timeline, notice: Seen[NoticeVisible], pod: Pod
) -> Seen[NoticeRead] | None:
    """Return when the pod first read the notice, if it did."""
    for read in timeline.notice_reads:
        if read.fact.notice == notice.fact.notice and read.fact.uid == pod.uid:
            return read
    return None


def foreign_deaths(timeline: Timeline) -> list[tuple[Pod, str]]:
    """Return the pods that died while the workflow ran, neither by us nor by themselves."""
    ours = _OURS | timeline.injections.keys()
    struck = {strike.pod.uid for strike in strikes(timeline)}
    limit = _end_of_watch(timeline)
    found = []
    for pod in timeline.pods.values():
        touched = [seen for seen in pod.strikes if _within(seen.at, limit)]
        others = sorted({seen.fact.by for seen in touched} - ours)
        if others and pod.uid not in struck:
            found.append((pod, f"it was ended by {', '.join(others)}"))
        elif (
            pod.exited is not None
            and pod.exited.fact.exit_code in _KILLED
            and _within(pod.exited.at, limit)
            and not touched
            and pod.uid not in struck
        ):
            found.append((pod, f"exit code {pod.exited.fact.exit_code} without a signal of ours"))
    return found


def _end_of_watch(timeline: Timeline) -> Moment | None:
    phase = timeline.final_phase
    if phase is not None:
        return phase.at
    return None if timeline.ended is None else timeline.ended.at


def _within(at: Moment, limit: Moment | None) -> bool:
    return limit is None or not at.is_after(limit)
