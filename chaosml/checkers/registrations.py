"""Defects of registry entries: registered twice or too early, or naming what is not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from chaosml.checkers.defects import Defect
from chaosml.checkers.evidence import cite
from chaosml.event import RegistryObserved, Request
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Order, Seen, order

__all__ = ["find_dangling", "find_duplicates", "find_premature"]


def find_duplicates(execution: Analysis, run_id_field: str | None) -> Iterator[Defect]:
    """Find entries that register the same thing again (K4): same run, or same model.

    Every execution has a registry of its own, so all entries stem from one run of the pipeline.
    """
    groups: dict[tuple[str, str], dict[str, Seen[RegistryObserved]]] = defaultdict(dict)
    for seen in execution.timeline.entries:
        run_id = seen.fact.fields.get(run_id_field) if run_id_field is not None else None
        if run_id is not None:
            groups[(seen.fact.name, f"run id {run_id}")][seen.fact.entry] = seen
        if seen.fact.digest is not None:
            groups[(seen.fact.name, f"digest {seen.fact.digest:.19}")][seen.fact.entry] = seen
        if run_id is None and seen.fact.digest is None and seen.fact.source is not None:
            groups[(seen.fact.name, f"source {seen.fact.source}")][seen.fact.entry] = seen
    reported: set[frozenset[str]] = set()
    for (name, same), entries in sorted(groups.items()):
        if len(entries) < 2 or frozenset(entries) in reported:
            continue
        reported.add(frozenset(entries))
        yield Defect(
            "duplicate-registration",
            f"{name} is registered {len(entries)} times with the same {same}: "
            f"{', '.join(sorted(entries))}",
            tuple(
                ref
                for entry, seen in sorted(entries.items())
                for ref in cite(execution, seen.at, f"entry {entry}")
            ),
            advice="derive the entry's key from the run id and the model's digest, and create it "
            "with If-None-Match",
        )


def find_dangling(execution: Analysis, *, sure: bool) -> Iterator[Defect]:
    """Find entries whose object is missing or another than they say (K5)."""
    for seen in execution.timeline.entries:
        source = seen.fact.source
        if source is None or execution.contract.classify(source) is None:
            continue
        versions = [
            version
            for version in execution.storage.by_key.get(source, ())
            if not version.fact.deleted
        ]
        refs = cite(execution, seen.at, f"entry {seen.fact.entry}")
        current = execution.storage.current(source)
        if current is None:
            if sure:
                yield Defect(
                    "dangling-registry-entry",
                    f"registry entry {seen.fact.entry} names {source}, which is not there",
                    refs,
                )
            continue
        digest = seen.fact.digest
        if digest is None or not sure:
            continue
        known = {current.fact.digest, current.fact.sha256}
        if digest.removeprefix("sha256:") not in known:
            earlier = any(
                digest.removeprefix("sha256:") in (one.fact.digest, one.fact.sha256)
                for one in versions
            )
            yield Defect(
                "registry-digest-mismatch",
                f"registry entry {seen.fact.entry} says that {source} has digest {digest:.12}…, "
                + ("which was overwritten since" if earlier else "which it never had"),
                (*refs, *cite(execution, current.observed.at, f"{source} as it is")),
                advice="register objects under keys that nothing overwrites",
            )


def find_premature(execution: Analysis, *, sure: bool) -> Iterator[Defect]:
    """Find entries that were written before what they name was committed (K5).

    In between they dangle, and for good if the writer dies there. Needs to know every write:
    without `sure` nothing is found.
    """
    written = {seen.fact.key: seen for seen in execution.storage.writes} if sure else {}
    for seen in execution.timeline.entries:
        source, entry = seen.fact.source, written.get(seen.fact.entry)
        promoted = None if source is None else _promotion(execution, source)
        if promoted is None or entry is None:
            continue
        came = order(entry.at, promoted.at)
        if came is Order.AFTER:
            continue
        yield Defect(
            "registered-before-promotion",
            f"registry entry {seen.fact.entry} was written before {promoted.fact.key}, which "
            f"commits {source}",
            (
                *cite(execution, entry.at, f"entry {seen.fact.entry}"),
                *cite(execution, promoted.at, f"write of {promoted.fact.key}"),
            ),
            advice="register last, and only what is committed",
            sure=came is Order.BEFORE,
        )


def _promotion(execution: Analysis, source: str) -> Seen[Request] | None:
    """Return the first write that committed an object; None where it was not seen."""
    versions = execution.storage.by_key.get(source, ())
    if not versions:
        return None
    marker = execution.storage.marker_of(versions[0])
    artifact = versions[0].what.artifact
    if artifact is None or (marker is None and artifact.artifact.commit == "marker-last"):
        return None
    first = versions[0] if marker is None else execution.storage.by_key[marker.key][0]
    return first.write
