"""What attempts restored, against what was there to restore (C5 and C6)."""

from __future__ import annotations

from dataclasses import dataclass

from chaosml.timeline.analysis import Analysis
from chaosml.timeline.ledger import Segment
from chaosml.timeline.lineage import segments_of
from chaosml.timeline.model import Claims, Pod
from chaosml.timeline.moment import Moment
from chaosml.timeline.storage import Commit

__all__ = ["RestoreFlaw", "restore_flaws", "unobserved_restore"]


@dataclass(frozen=True, slots=True)
class RestoreFlaw:
    """An attempt that began further back than it had to."""

    cause: str
    pod: Pod
    restored: int
    commit: Commit
    at: Moment
    sure: bool
    """False: the checkpoint may have been committed only after the attempt had looked."""


def restore_flaws(analysis: Analysis) -> list[RestoreFlaw]:
    """Return the attempts that did not restore the last checkpoint committed before them."""
    found = []
    previous: dict[str, Segment] = {}
    for pod, claims, segment in segments_of(analysis.timeline, analysis.timeline.training_task):
        restored = _restored(claims, segment)
        before = previous.get(pod.uid)
        previous[pod.uid] = segment
        start = before.ended if before is not None else (pod.started.at if pod.started else None)
        if restored is None or start is None:
            continue
        at = segment.began if segment.restored is None else segment.restored
        cause = "restarted-from-zero" if restored == 0 else "stale-restore"
        for sure in (True, False):
            commit = _last_commit(analysis, pod, start, sure=sure)
            if commit is not None and restored < commit.step:
                found.append(RestoreFlaw(cause, pod, restored, commit, at, sure))
                break
    return sorted(found, key=lambda flaw: not flaw.sure)


def _restored(claims: Claims, segment: Segment) -> int | None:
    """Return the step it started from; None for a process that did nothing."""
    if segment.restore_step is not None:
        return segment.restore_step
    return claims.ledger.steps[segment.first_row] - 1 if segment.rows else None


def _last_commit(analysis: Analysis, pod: Pod, start: Moment, *, sure: bool) -> Commit | None:
    """Return the commit that a reader at `start` should have found: intact, and not overwritten.

    Under canonical keys that is the latest one, under immutable keys the furthest. Without
    `sure`, commits of other pods count whose order to `start` is unknown.
    """
    commits = [
        commit
        for commit in analysis.storage.commits
        if commit.intact
        and (
            commit.at.is_before(start)
            or (not sure and commit.writer != pod.uid and not commit.at.is_after(start))
        )
    ]
    if not commits:
        return None
    what = analysis.contract.classify(commits[-1].key)
    if what is not None and what.artifact is not None and what.artifact.is_canonical:
        return commits[-1]
    return max(commits, key=lambda commit: commit.step)


def unobserved_restore(analysis: Analysis) -> tuple[Pod, Segment] | None:
    """Return a process that claims to have restored a checkpoint that nobody saw it read."""
    timeline = analysis.timeline
    for pod, _, segment in segments_of(timeline, timeline.training_task):
        if not segment.restore_step:
            continue
        read = analysis.storage.read_by(pod.uid)
        if not any(
            version.what.artifact is not None and version.what.artifact.role == "checkpoint"
            for version in read
        ):
            return pod, segment
    return None
