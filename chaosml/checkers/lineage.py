"""`lineage`: whether every artifact can be traced: identifiers found and equal in every place.

A cell is an identifier in a place, such as `run-id` in the manifests. It holds if
every document of that place has the identifier and all have the same value; then
the values of the places must be equal. Last comes the chain: registry entry to
model object to final checkpoint to the step ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaosml.artifacts.contract import Kind
from chaosml.checkers.evidence import Evidence, any_doubt, cite, unknown
from chaosml.scenario.model import LineageKey
from chaosml.timeline.analysis import Analysis
from chaosml.timeline.moment import Moment
from chaosml.timeline.storage import Version
from chaosml.verdict import EventRef, Status, Verdict

__all__ = ["Lineage"]

_NAME = "lineage"
_MANIFESTS = frozenset({"marker", "manifest"})
_METRICS = frozenset({"metrics"})
_TRACED = frozenset({"checkpoint", "model"})
_SCHEMES = ("sha256:", "interpreter:")
_EVIDENCE_MAX = 12


@dataclass(frozen=True, slots=True)
class _Found:
    """One document's value for an identifier."""

    where: str
    value: str | None
    at: Moment


@dataclass(frozen=True, slots=True)
class _Cell:
    """An identifier in a place, or a link of the chain."""

    name: str
    flaw: str | None
    """None: it holds."""
    evidence: tuple[EventRef, ...] = ()


class Lineage:
    """Fills the cells of every execution that succeeded."""

    name = _NAME

    def check(self, evidence: Evidence) -> Sequence[Verdict]:
        """Return one verdict for each execution; nothing where lineage is not expected."""
        if evidence.scenario.expect.lineage is None:
            return []
        return [_judge(evidence, execution) for execution in evidence.executions]


def _judge(evidence: Evidence, execution: Analysis) -> Verdict:
    final = execution.timeline.final_phase
    doubt = any_doubt(execution)
    if doubt:
        return unknown(_NAME, _NAME, execution.name, "evidence-lost", doubt)
    if final is None or final.fact.phase != "Succeeded":
        words = "the workflow did not succeed, so it owes no complete lineage: see outcome"
        return unknown(_NAME, _NAME, execution.name, "no-final-state", words)
    cells = [*_cells(evidence, execution), *_chain(execution)]
    flawed = [cell for cell in cells if cell.flaw is not None]
    held = len(cells) - len(flawed)
    measures: dict[str, str | int | float | bool | None] = {
        "cells": len(cells),
        "cells_held": held,
    }
    if not cells:
        words = "the scenario names no identifier that applies here"
        return unknown(_NAME, _NAME, execution.name, "nothing-required", words)
    if flawed:
        return Verdict(
            checker=_NAME,
            expectation=_NAME,
            execution=execution.name,
            status=Status.FAIL,
            cause="lineage-broken",
            message=f"{held} of {len(cells)} lineage cells hold; "
            + "; ".join(f"{cell.name}: {cell.flaw}" for cell in flawed),
            evidence=tuple(ref for cell in flawed for ref in cell.evidence)[:_EVIDENCE_MAX],
            measures=measures,
            advice="write run id, dataset hash, image and commit into every manifest, metrics "
            "document and registry entry",
        )
    return Verdict(
        checker=_NAME,
        expectation=_NAME,
        execution=execution.name,
        status=Status.PASS,
        message=f"all {len(cells)} lineage cells hold: identifiers found and equal, chain closed",
        measures=measures,
    )


def _cells(evidence: Evidence, execution: Analysis) -> Iterator[_Cell]:
    for name, key in evidence.scenario.pipeline.lineage.keys.items():
        values: dict[str, str] = {}
        for place, found in _places(evidence, execution, key):
            cell, value = _cell(execution, f"{name} in {place}", found)
            yield cell
            if value is not None:
                values[place] = value
        if name == "image":
            values |= _running_image(execution, values)
        if len(values) > 1:
            differing = len(set(values.values())) > 1
            words = ", ".join(f"{place} {value:.24}" for place, value in values.items())
            yield _Cell(f"{name} everywhere", f"places differ: {words}" if differing else None)


def _places(
    evidence: Evidence, execution: Analysis, key: LineageKey
) -> Iterator[tuple[str, list[_Found]]]:
    """Yield the places in which an identifier is required, with what stands there."""
    timeline = execution.timeline
    if key.env is not None:
        variable = key.env
        yield (
            "env",
            [
                _Found(pod.uid, pod.created.fact.environment.get(variable), pod.created.at)
                for pod in timeline.pods.values()
                if pod.created is not None
            ],
        )
    roles = {artifact.role for artifact in execution.contract.artifacts}
    has_markers = any(
        artifact.marker is not None and artifact.role in _TRACED
        for artifact in execution.contract.artifacts
    )
    if key.manifest is not None and (has_markers or "manifest" in roles):
        field = key.manifest
        yield "manifest", [_read(one, field) for one in _documents(execution, _MANIFESTS)]
    if key.metrics is not None and "metrics" in roles:
        field = key.metrics
        yield "metrics", [_read(one, field) for one in _documents(execution, _METRICS)]
    if key.registry is not None and evidence.scenario.pipeline.registry is not None:
        yield (
            "registry",
            [
                _Found(seen.fact.entry, _text(seen.fact.fields.get(key.registry)), seen.at)
                for seen in timeline.entries
            ],
        )


def _documents(execution: Analysis, roles: frozenset[str]) -> list[Version]:
    """Return the current documents of these roles.

    A manifest is a document of that role, or the marker of a checkpoint or a model.
    """
    return [
        version
        for version in execution.storage.versions
        if version.fact.current
        and not version.fact.deleted
        and version.what.role in roles
        and (
            version.what.kind is not Kind.MARKER
            or (version.what.artifact is not None and version.what.artifact.role in _TRACED)
        )
    ]


def _read(version: Version, field: str) -> _Found:
    return _Found(version.key, _text(version.fields.get(field)), version.observed.at)


def _text(value: str | int | float | bool | None) -> str | None:
    return None if value is None or value == "" else str(value)


def _cell(execution: Analysis, name: str, found: list[_Found]) -> tuple[_Cell, str | None]:
    if not found:
        return _Cell(name, "there is no such document"), None
    absent = [one for one in found if one.value is None]
    if absent:
        refs = cite(execution, absent[0].at, f"{absent[0].where} lacks it")
        words = f"missing in {absent[0].where}"
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return _Cell(name, words + more, refs), None
    values = {one.value for one in found if one.value is not None}
    if len(values) > 1:
        first = found[0]
        other = next(one for one in found if one.value != first.value)
        refs = (
            *cite(execution, first.at, f"{first.where}: {first.value}"),
            *cite(execution, other.at, f"{other.where}: {other.value}"),
        )
        return _Cell(name, f"{first.where} and {other.where} differ", refs), None
    return _Cell(name, None), values.pop()


def _running_image(execution: Analysis, values: dict[str, str]) -> dict[str, str]:
    """Return the digest of the image that really ran, where it is of the documents' scheme."""
    training = execution.timeline.pods_of(execution.timeline.training_task)
    images = {pod.image_id for pod in training if pod.image_id}
    if len(images) != 1:
        return {}
    image = images.pop()
    scheme = next((scheme for scheme in _SCHEMES if image.startswith(scheme)), None)
    if scheme is None or not all(value.startswith(scheme) for value in values.values()):
        return {}
    return {"running pods": image}


def _chain(execution: Analysis) -> Iterator[_Cell]:
    """Yield the links from registry entry to model to final checkpoint to the ledger."""
    models = [
        version
        for artifact in execution.contract.artifacts
        if artifact.role == "model"
        for version in execution.storage.of(artifact)
        if version.fact.current
    ]
    checkpoints = execution.final_objects("checkpoint")
    if execution.contract.registry is not None:
        for seen in execution.timeline.entries:
            refs = cite(execution, seen.at, f"entry {seen.fact.entry}")
            yield _Cell(
                f"entry {seen.fact.entry} to model",
                _entry_flaw(seen.fact.source, seen.fact.digest, models),
                refs,
            )
    held = {version.fact.digests.get("model") for version in checkpoints} - {None}
    for version in execution.final_objects("model"):
        weights = version.fact.digests.get("model")
        if weights is not None and held:
            refs = cite(execution, version.observed.at, version.key)
            flaw = None if weights in held else "no final checkpoint holds these weights"
            yield _Cell(f"model {version.key} to checkpoint", flaw, refs)
    lineage = execution.lineage
    if lineage.parts:
        yield _Cell("checkpoint to ledger", lineage.gap)


def _entry_flaw(source: str | None, digest: str | None, models: list[Version]) -> str | None:
    if digest is None:
        return "names no digest"
    bare = digest.removeprefix("sha256:")
    matching = [one for one in models if bare in (one.fact.digest, one.fact.sha256)]
    if not matching:
        return f"no model object has digest {bare:.12}…"
    if source is not None and source not in {one.key for one in matching}:
        return f"names {source}, whose digest is another"
    return None
