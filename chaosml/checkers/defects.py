"""Defects of artifacts, class by class: torn, mixed, half-trained, going backwards, guessed done.

Each function looks for one class. What rests on an absence is looked for only
where requests and audit are whole; `sure` says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from chaosml.artifacts.contract import Kind
from chaosml.checkers.evidence import cite
from chaosml.checkers.mixtures import find_mixtures
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.storage import Version
from chaosml.verdict import EventRef

__all__ = [
    "Defect",
    "find_false_guard_hits",
    "find_half_trained",
    "find_incomplete",
    "find_mixed",
    "find_regressions",
    "find_torn",
    "hygiene_of",
]


@dataclass(frozen=True, slots=True)
class Defect:
    """An artifact that a reader must not get and could."""

    cause: str
    message: str
    evidence: tuple[EventRef, ...]
    read: bool = False
    """Whether somebody is known to have got it; it was there to get in any case."""
    advice: str | None = None
    sure: bool = True
    """False: it depends on an order of events that is not known."""


def find_torn(execution: Analysis, *, sure: bool) -> Iterator[Defect]:
    """Find objects that cannot be read, or are not what their marker says (K1)."""
    for version in execution.storage.versions:
        what = version.what
        if version.fact.deleted or what.artifact is None or what.kind is Kind.MARKER:
            continue
        unread = version.fact.sha256 is None
        if version.fact.problem and not unread and execution.storage.is_committed(version):
            yield Defect(
                "torn-artifact",
                f"{version.key} cannot be read: {version.fact.problem}",
                cite(execution, version.observed.at, f"{version.key}: {version.fact.problem}"),
                read=_was_read(execution, version),
                advice="upload under a temporary key and promote it whole, or write a marker last",
            )
    for artifact in execution.contract.artifacts:
        if artifact.marker is not None:
            for marker in execution.storage.of(artifact, Kind.MARKER):
                if marker.fact.current:
                    yield from _torn_marker(execution, marker, sure=sure)


def _torn_marker(execution: Analysis, marker: Version, *, sure: bool) -> Iterator[Defect]:
    """Find what is wrong with a marker and the object that it commits."""
    refs = cite(execution, marker.observed.at, f"marker {marker.key}")
    if marker.fact.problem is not None:
        if marker.fact.sha256 is None:
            return
        yield Defect("torn-artifact", f"marker {marker.key}: {marker.fact.problem}", refs)
        return
    objects = execution.storage.objects_of(marker)
    if not objects and sure:
        yield Defect(
            "marker-without-data",
            f"{marker.key} commits an object that is not there",
            refs,
            advice="write the marker last, after the object is known to be stored",
        )
    for version in objects:
        wrong = _contradicts(marker, version)
        cited = (*refs, *cite(execution, version.observed.at, version.key))
        if wrong is not None:
            message = f"{version.key} is not what {marker.key} says: {wrong}"
            yield Defect("torn-artifact", message, cited)
        first = next(iter(execution.storage.by_key.get(version.key, ())), version)
        if (
            sure
            and marker.write is not None
            and first.write is not None
            and not first.write.at.is_before(marker.write.at)
        ):
            yield Defect(
                "marker-before-data",
                f"{marker.key} was written before {version.key}, which it commits",
                (
                    *cite(execution, marker.write.at, f"write of {marker.key}"),
                    *cite(execution, first.write.at, f"write of {version.key}"),
                ),
                advice="write the marker last",
                sure=marker.write.at.is_before(first.write.at),
            )


def _contradicts(marker: Version, version: Version) -> str | None:
    """Return how an object differs from what its marker says of it."""
    fact = version.fact
    actual = {"sha256": (fact.sha256,), "size": (fact.size,), "digest": (fact.digest, fact.sha256)}
    for name, value in marker.fields.items():
        known = [one for one in actual.get(name.rpartition(".")[2], ()) if one is not None]
        if "." in name and name.partition(".")[0] not in ("object", "data", "artifact"):
            continue
        if not known or value is None:
            continue
        said = value.removeprefix("sha256:") if isinstance(value, str) else value
        if said not in known:
            return f"{name} {said!s:.20} against {known[0]!s:.20}"
    return None


def _was_read(execution: Analysis, version: Version) -> bool:
    return any(
        seen.fact.key == version.key and seen.fact.version == version.version
        for seen in execution.storage.reads
    )


def find_mixed(execution: Analysis) -> Iterator[Defect]:
    """Find checkpoints whose parts stem from different saves (K2)."""
    for mixture in find_mixtures(execution):
        keys = " and ".join(mixture.keys)
        known = [str(step) for step in mixture.steps if step is not None]
        steps = f" (names step {', '.join(known)})" if known else ""
        yield Defect(
            "mixed-checkpoint",
            f"{keys} stem from different saves{steps}: {mixture.why}",
            cite(execution, mixture.at, f"{keys} are mixed from here on"),
            read=mixture.reader is not None,
            advice="write each checkpoint under a new key and commit it with a marker written last",
            sure=mixture.sure,
        )


def find_incomplete(execution: Analysis) -> Iterator[Defect]:
    """Find artifacts in several objects of which some were never written (K1)."""
    for artifact in execution.contract.artifacts:
        if len(artifact.parts) < 2:
            continue
        written = {version.key: version for version in execution.storage.of(artifact, Kind.PART)}
        sets = {artifact.part_keys(version.what.groups) for version in written.values()}
        for keys in sorted(sets):
            there = [written[key] for key in keys if execution.storage.current(key) is not None]
            lacking = [key for key in keys if execution.storage.current(key) is None]
            if not there or not lacking:
                continue
            yield Defect(
                "torn-artifact",
                f"{there[0].key} was left without {' and '.join(lacking)}, which belongs to it",
                cite(execution, there[0].observed.at, f"{there[0].key}, alone"),
                read=any(_was_read(execution, version) for version in there),
                advice="let the guard look for all parts, or commit them with a marker "
                "written last",
            )


def find_half_trained(execution: Analysis) -> Iterator[Defect]:
    """Find models that are published or registered before training is complete (K3)."""
    registered = {seen.fact.source: seen for seen in execution.timeline.entries}
    for artifact in execution.contract.artifacts:
        final = artifact.final_step
        if artifact.role != "model":
            continue
        for version in execution.storage.of(artifact):
            step = execution.storage.step_of(version)
            if final is None or step is None or step == final:
                continue
            if not execution.storage.is_committed(version):
                continue
            entry = registered.get(version.key)
            refs = cite(execution, version.observed.at, f"{version.key} holds step {step}")
            code = _exit_code_of(execution, version)
            words = f"{version.key} holds step {step} of {final}{code}"
            if entry is not None and _names(entry.fact.digest, version):
                yield Defect(
                    "half-trained-model-registered",
                    f"registry entry {entry.fact.entry}: {words}",
                    (*refs, *cite(execution, entry.at, f"registered as {entry.fact.entry}")),
                    read=True,
                    advice="exit non-zero after a signal, and register only a model whose "
                    "completion marker names the final step",
                )
            else:
                yield Defect(
                    "half-trained-model-published",
                    words,
                    refs,
                    read=_was_read(execution, version),
                    advice="publish only at the final step",
                )
    yield from _half_trained_entries(execution)


def _half_trained_entries(execution: Analysis) -> Iterator[Defect]:
    """Find entries that themselves name an earlier step than the final one."""
    finals = {
        artifact.final_step
        for artifact in execution.contract.artifacts
        if artifact.role == "model" and artifact.final_step is not None
    }
    for seen in execution.timeline.entries:
        step = seen.fact.fields.get("step")
        if len(finals) == 1 and isinstance(step, int) and step not in finals:
            yield Defect(
                "half-trained-model-registered",
                f"registry entry {seen.fact.entry} names step {step} of {finals.copy().pop()}",
                cite(execution, seen.at, f"entry of step {step}"),
                read=True,
            )


def _names(digest: str | None, version: Version) -> bool:
    """Whether a registry entry means this version; an entry without a digest means its key."""
    if digest is None:
        return version.fact.current
    return digest.removeprefix("sha256:") in (version.fact.digest, version.fact.sha256)


def _exit_code_of(execution: Analysis, version: Version) -> str:
    """Return in words how the training pod ended before the model was there."""
    timeline = execution.timeline
    exits = [
        pod
        for pod in timeline.pods_of(timeline.training_task)
        if pod.exited is not None and pod.exited.fact.exit_code == 0 and pod.strikes
    ]
    return f", after pod {exits[-1].uid} exited 0 on a signal" if exits else ""


def find_regressions(execution: Analysis) -> Iterator[Defect]:
    """Find canonical keys that went back to an older step (K6)."""
    for key, versions in execution.storage.by_key.items():
        artifact = versions[0].what.artifact
        if artifact is None or artifact.role not in ("checkpoint", "model"):
            continue
        is_marker = versions[0].what.kind is Kind.MARKER
        if versions[0].what.step is not None or (not artifact.is_canonical and not is_marker):
            continue
        written = [one for one in versions if one.write is not None and not one.fact.deleted]
        for before, after in itertools.pairwise(written):
            if before.step is None or after.step is None or after.step >= before.step:
                continue
            if before.write is None or after.write is None:
                continue
            yield Defect(
                "regressed-to-older-step",
                f"{key} went back from step {before.step} to step {after.step}",
                (
                    *cite(execution, before.write.at, f"{key}: step {before.step}"),
                    *cite(execution, after.write.at, f"{key}: step {after.step}"),
                ),
                advice="write with a condition (If-Match), so that an old attempt cannot win",
                sure=before.write.at.is_before(after.write.at),
            )
            break


def find_false_guard_hits(execution: Analysis) -> Iterator[Defect]:
    """Find attempts that took the work for done although nothing final was there (K8)."""
    timeline = execution.timeline
    models = [one for one in execution.contract.artifacts if one.role == "model"]
    if not models:
        return
    for pod in timeline.pods_of(timeline.training_task):
        claims = timeline.claims.get(pod.uid)
        if claims is None or not claims.done or len(claims.ledger):
            continue
        if any(segment.restore_step is not None for segment in claims.segments):
            continue
        done = claims.done[0]
        final = [
            version
            for artifact in models
            for version in execution.storage.of(artifact)
            if version.write is None or not version.write.at.is_after(done.at)
            if artifact.final_step in (None, execution.storage.step_of(version))
            and execution.storage.is_committed(version)
        ]
        if not final:
            yield Defect(
                "false-guard-hit",
                f"pod {pod.uid} took the training for done, and no final model was committed",
                cite(execution, done.at, "done, without a step"),
                advice="let the guard verify the completion marker and what it names",
            )


def hygiene_of(execution: Analysis) -> dict[str, int]:
    """Count what is left lying about (K7): waste, no corruption."""
    uncommitted = [
        version
        for version in execution.storage.versions
        if version.what.kind is Kind.OBJECT
        and version.fact.current
        and not version.fact.deleted
        and not execution.storage.is_committed(version)
    ]
    return {
        "pending_uploads": len(execution.timeline.pending),
        "uncommitted_objects": len(uncommitted),
    }
