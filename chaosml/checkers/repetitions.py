"""Tasks executed again, or by two attempts at once: that it happened, and what it changed.

    rerun     the first execution ended well, nobody saw it, a second one followed
    zombie    the first execution was given up and wrote on while the second one ran

Of both only one thing is asked: that the store holds in the end what one execution leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaosml.artifacts.contract import Kind
from chaosml.checkers.defects import Defect
from chaosml.checkers.doubt import Doubt
from chaosml.checkers.evidence import cite
from chaosml.event import InjectionArmed, PodDeletion
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.model import Pod, Timeline
from chaosml.timeline.moment import Moment, Seen
from chaosml.timeline.sources import ARGO, GATE, KUBELET
from chaosml.timeline.storage import WRITES, Version
from chaosml.verdict import EventRef

__all__ = ["CUT_OFF", "FORGOTTEN", "RERUN", "ZOMBIE", "examine_rerun", "examine_zombie", "find_won"]

RERUN = "task.rerun"
ZOMBIE = "task.zombie"
FORGOTTEN = "forgotten"
CUT_OFF = "cut-off"
_ONE_OF_A_KIND = frozenset({"dataset", "model", "metrics"})
"""Roles of which one execution of a task leaves one object, whatever its key."""
_ADVICE = (
    "name what a step writes after its inputs, write it where nothing is yet (If-None-Match), and "
    "look first whether an earlier execution has done it"
)


def examine_rerun(timeline: Timeline, armed: InjectionArmed) -> Iterator[tuple[Moment, str]]:
    """Yield what shows that a success was missed and the task executed again.

    Raises:
        Doubt: it is not shown.
    """
    pod, gone = _given_up(timeline, armed, FORGOTTEN)
    if pod is None or gone is None:
        ended = next((one for one in timeline.pods_of(armed.task) if one.exited is not None), None)
        if ended is not None and ended.exited is not None and ended.exited.fact.exit_code:
            code = ended.exited.fact.exit_code
            raise Doubt("not-succeeded", f"pod {ended.uid} exited {code}: no success to be missed")
        raise Doubt("success-was-seen", f"no success of {armed.task} was missed")
    if pod.exited is not None:
        yield pod.exited.at, f"pod {pod.uid} exited {pod.exited.fact.exit_code}"
    yield gone.at, f"the object of pod {pod.uid} went before anybody looked"
    again = _replacement(timeline, pod)
    final = timeline.final_phase
    if again is not None and again.started is not None:
        yield again.started.at, f"{armed.task} executed again by pod {again.uid}"
    elif final is None or final.fact.phase == "Succeeded":
        raise Doubt("not-executed-again", f"no second execution of {armed.task} was seen")
    else:
        yield final.at, f"workflow {final.fact.phase}: the task was not tried again"
    doubt = timeline.doubt(ARGO, KUBELET, GATE)
    if doubt:
        raise Doubt("evidence-lost", doubt)


def examine_zombie(timeline: Timeline, armed: InjectionArmed) -> Iterator[tuple[Moment, str]]:
    """Yield what shows that an old attempt wrote while its replacement ran.

    Raises:
        Doubt: it is not shown.
    """
    pod, gone = _given_up(timeline, armed, CUT_OFF)
    if pod is None or gone is None:
        raise Doubt("no-strike", f"no pod of {armed.task} was cut off")
    again = _replacement(timeline, pod)
    if again is None or again.started is None:
        raise Doubt("no-replacement", f"no other pod of {armed.task} started")
    yield again.started.at, f"replacement {again.uid} started"
    late = [
        seen
        for seen in timeline.requests
        if seen.fact.uid == pod.uid
        and seen.fact.operation in WRITES
        and seen.at.is_after(again.started.at)
    ]
    if not late:
        raise Doubt("wrote-nothing", f"pod {pod.uid} wrote nothing after {again.uid} had started")
    first = late[0]
    words = f"{len(late)} writes of the old attempt after that, first {first.fact.operation} "
    yield first.at, f"{words}{first.fact.key} ({first.fact.status})"


def _given_up(
    timeline: Timeline, armed: InjectionArmed, how: str
) -> tuple[Pod | None, Seen[PodDeletion] | None]:
    """Return the pod that the orchestrator lost by an injection, and when."""
    for pod in timeline.pods_of(armed.task):
        for seen in pod.deletions:
            if seen.fact.by == armed.injection and seen.fact.how == how:
                return pod, seen
    return None, None


def _replacement(timeline: Timeline, pod: Pod) -> Pod | None:
    pods = timeline.pods_of(pod.task)
    after = pods[pods.index(pod) + 1 :]
    return after[0] if after else None


def find_won(execution: Analysis, identity_fields: Sequence[str]) -> Iterator[Defect]:
    """Find what a repeated step changed, and what an old attempt wrote over its replacement."""
    for pod in execution.timeline.pods.values():
        for seen in pod.deletions:
            if seen.fact.how == FORGOTTEN:
                yield from _changed_by_rerun(execution, pod, identity_fields)
            elif seen.fact.how == CUT_OFF:
                yield from _written_over(execution, pod, identity_fields)


def _changed_by_rerun(
    execution: Analysis, first: Pod, identity_fields: Sequence[str]
) -> Iterator[Defect]:
    """Find artifacts of a second execution that differ from the first one's, or are new."""
    pods = execution.timeline.pods_of(first.task)
    later = {pod.uid for pod in pods[pods.index(first) + 1 :]}
    own = [version for version in _results(execution) if version.writer == first.uid]
    for version in _results(execution):
        if version.writer not in later:
            continue
        same = [one for one in own if one.key == version.key]
        alike = [one for one in own if one.what.artifact is version.what.artifact]
        refs = _cite_both(execution, (same or alike)[-1:], version)
        role = version.fact.role
        if same and _content(same[-1], identity_fields) != _content(version, identity_fields):
            yield Defect(
                "rerun-changed-artifact",
                f"{version.key} holds something else since {first.task} was executed again",
                refs,
                advice=_ADVICE,
            )
        elif not same and alike and role in _ONE_OF_A_KIND:
            yield Defect(
                f"rerun-added-{role}",
                f"{first.task}, executed again, left a second {role}: {version.key} beside "
                f"{alike[-1].key}",
                refs,
                advice=_ADVICE,
            )


def _written_over(
    execution: Analysis, old: Pod, identity_fields: Sequence[str]
) -> Iterator[Defect]:
    """Find objects that an attempt wrote over what a later attempt had written."""
    pods = execution.timeline.pods_of(old.task)
    later = {pod.uid for pod in pods[pods.index(old) + 1 :]}
    for versions in execution.storage.by_key.values():
        pair = _overwriting(versions, old.uid, later, identity_fields)
        if pair is None:
            continue
        before, version = pair
        yield Defect(
            "zombie-overwrote",
            f"{version.key} of pod {before.writer} was written over by pod {old.uid}, which it had "
            "replaced",
            _cite_both(execution, [before], version),
            advice="let each attempt write under keys of its own, or fence: a write must fail "
            "once a later attempt has begun (If-Match on the version that was read)",
        )


def _overwriting(
    versions: Sequence[Version], old: str, later: set[str], identity_fields: Sequence[str]
) -> tuple[Version, Version] | None:
    """Return a version of a later pod and one of the old pod that differs and came after it."""
    before: Version | None = None
    for version in versions:
        if version.writer in later:
            before = version
        elif (
            version.writer == old
            and before is not None
            and _content(before, identity_fields) != _content(version, identity_fields)
        ):
            return before, version
    return None


def _results(execution: Analysis) -> list[Version]:
    return [
        version
        for version in execution.storage.versions
        if version.what.artifact is not None
        and version.what.kind in (Kind.OBJECT, Kind.PART)
        and not version.fact.deleted
    ]


def _content(version: Version, identity_fields: Sequence[str]) -> object:
    """Return what a version holds, without what may differ between attempts."""
    fact = version.fact
    if fact.digest is not None:
        return fact.digest
    if fact.fields:
        return {
            name: value
            for name, value in fact.fields.items()
            if name not in identity_fields and name.rpartition(".")[2] not in identity_fields
        }
    return fact.sha256


def _cite_both(
    execution: Analysis, before: Sequence[Version], version: Version
) -> tuple[EventRef, ...]:
    """Return the writes of two versions as evidence, as far as the gate saw them."""
    return tuple(
        ref
        for one in (*before, version)
        if one.write is not None
        for ref in cite(execution, one.write.at, f"{one.key} by pod {one.writer}")
    )
