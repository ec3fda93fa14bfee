"""A training that claims no steps: how far back its attempts began, as the store alone shows it.

Without a probe nobody says what an attempt restored. The gate sees what was there to restore,
what the attempt was handed, and which step it saved first: whoever saves step 10 when step 30
was committed before it started has begun behind it. So has who prints step 1, where the attempt
before it had printed step 30 by the time it committed step 30.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaosml.artifacts.contract import Kind
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.model import Pod
from chaosml.timeline.moment import Moment
from chaosml.timeline.steplines import why_unusable
from chaosml.timeline.storage import Version

__all__ = ["Save", "Setback", "find_setback", "restored_by", "unknown_start"]


@dataclass(frozen=True, slots=True)
class Save:
    """A checkpoint that a reader could rely on."""

    step: int | None
    """None where neither its key nor its content names one."""
    key: str
    at: Moment
    writer: str | None


@dataclass(frozen=True, slots=True)
class Setback:
    """An attempt that began further back than it had to."""

    cause: str
    pod: Pod
    there: Save
    """What it could have restored."""
    saved: Save
    """What it saved first, or the line that names its first step."""
    words_of_saved: str
    words: str
    sure: bool
    """False: what was there may have been committed only after the attempt had looked."""


def find_setback(analysis: Analysis) -> Setback | None:
    """Return an attempt that did not go on from the last checkpoint before it, a sure one first."""
    return _find_setback(analysis, sure=True) or _find_setback(analysis, sure=False)


def _find_setback(analysis: Analysis, *, sure: bool) -> Setback | None:
    for pod, there, saved in _renewals(analysis, sure=sure):
        behind = _is_behind(saved.step, there)
        read = [one.step for one in restored_by(analysis, pod)]
        newest = None if None in read else max((step for step in read if step), default=None)
        if read and (behind or _is_behind(newest, there)):
            what = f"read step {newest}" if newest is not None else "read an older state"
            words = f"pod {pod.uid} {what} and saved step {saved.step} first, although"
            return Setback(
                "stale-restore", pod, there, saved, f"{saved.key} saved first", words, sure
            )
        if behind or not _was_handed_anything(analysis, pod):
            words = f"pod {pod.uid} trained on without reading a checkpoint, although"
            said = f"{saved.key} saved first"
            return Setback("restarted-from-zero", pod, there, saved, said, words, sure)
    return _find_printed_setback(analysis) if sure else None


def _find_printed_setback(analysis: Analysis) -> Setback | None:
    """Return an attempt whose first line names a step before the last checkpoint before it.

    The lines may count something else than the checkpoints, such as epochs. They count no less
    where the writer had printed the checkpoint's step by the time it was committed.
    """
    if why_unusable(analysis.timeline, analysis.gauge):
        return None
    for pod, there in _successors(analysis):
        first, writer = (
            _first_line(analysis, pod),
            analysis.timeline.progress.get(there.writer or ""),
        )
        if first is None or there.step is None or writer is None:
            continue
        printed = max((one.fact.step for one in writer if one.at.is_before(there.at)), default=0)
        # One step may lie between what is counted from zero and what is counted from one.
        if printed < there.step - 1 or (first.step or 0) >= there.step - 1:
            continue
        words = f"pod {pod.uid} printed step {first.step} first, although"
        read = restored_by(analysis, pod)
        cause = "stale-restore" if read else "restarted-from-zero"
        return Setback(
            cause, pod, there, first, f"the first line names step {first.step}", words, True
        )
    return None


def _first_line(analysis: Analysis, pod: Pod) -> Save | None:
    lines = analysis.timeline.progress.get(pod.uid)
    if not lines:
        return None
    return Save(lines[0].fact.first_step, "log", lines[0].at, pod.uid)


def _is_behind(step: int | None, there: Save) -> bool:
    return step is not None and there.step is not None and step < there.step


def unknown_start(analysis: Analysis) -> str:
    """Return why it is not known how far back an attempt began; empty where it is."""
    for pod, there, saved in _renewals(analysis, sure=False):
        if there.step is None or saved.step is None:
            return (
                f"neither key nor content of {there.key} names a step, so nobody knows from where "
                f"pod {pod.uid} went on"
            )
        if not restored_by(analysis, pod):
            return f"pod {pod.uid} went on from something that is no checkpoint of the contract"
    return ""


def restored_by(analysis: Analysis, pod: Pod) -> list[Version]:
    """Return the checkpoints that a pod was handed."""
    read = analysis.storage.read_by(pod.uid)
    return [one for one in read if one.what.artifact and one.what.artifact.role == "checkpoint"]


def _renewals(analysis: Analysis, *, sure: bool) -> list[tuple[Pod, Save, Save]]:
    """Return the attempts that saved something, with what was there and what they saved first.

    Whoever saves nothing has found the work done, or was struck before.
    """
    saves = _saves(analysis)
    found = []
    for pod, there in _successors(analysis, sure=sure):
        own = [save for save in saves if save.writer == pod.uid]
        if own:
            found.append((pod, there, own[0]))
    return found


def _successors(analysis: Analysis, *, sure: bool = True) -> list[tuple[Pod, Save]]:
    """Return the attempts that found a checkpoint of one that had died, with the last such."""
    saves = _saves(analysis)
    training = analysis.timeline.pods_of(analysis.timeline.training_task)
    # Others of its name that ended well, such as iterations of a loop, are not continued by it.
    died = {
        one.uid for one in training if one.strikes or (one.exited and one.exited.fact.exit_code)
    }
    found = []
    for pod in training:
        start = None if pod.started is None else pod.started.at
        if start is None:
            continue
        before = [
            save
            for save in saves
            if save.writer in died
            and (save.at.is_before(start) or (not sure and not save.at.is_after(start)))
        ]
        before = [save for save in before if save.writer != pod.uid]
        if before:
            found.append((pod, _to_restore(analysis, before)))
    return found


def _to_restore(analysis: Analysis, before: list[Save]) -> Save:
    """Under canonical keys that is the latest one, under immutable keys the furthest."""
    what = analysis.contract.classify(before[-1].key)
    if what is not None and what.artifact is not None and what.artifact.is_canonical:
        return before[-1]
    return max(before, key=lambda save: -1 if save.step is None else save.step)


def _saves(analysis: Analysis) -> list[Save]:
    """Return commits in order of time; where none names a step, what was written instead."""
    commits = [one for one in analysis.storage.commits if one.intact]
    if commits:
        return [Save(one.step, one.key, one.at, one.writer) for one in commits]
    storage = analysis.storage
    found = []
    for write in storage.writes:
        version = storage.by_id.get((write.fact.key, write.fact.version or ""))
        if version is None or version.what.role != "checkpoint" or version.fact.problem:
            continue
        if version.what.kind in {Kind.OBJECT, Kind.PART} and storage.is_committed(version):
            found.append(Save(version.step, version.key, write.at, version.writer))
    return found


def _was_handed_anything(analysis: Analysis, pod: Pod) -> bool:
    """Whether it may have read its state from an object that the contract does not know."""
    return any(seen.fact.uid in (pod.uid, None) for seen in analysis.storage.reads)
