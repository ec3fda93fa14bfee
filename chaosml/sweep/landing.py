"""What the store held when a killed pod's replacement came, from the evidence of its history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaosml.artifacts.contract import Contract
from chaosml.event import ArtifactObserved, Event
from chaosml.sweep.effects import effects_of
from chaosml.timeline.model import Timeline

__all__ = ["Landing", "holdings", "landing_of"]


@dataclass(frozen=True, slots=True)
class Landing:
    """The versions that were current when the killed pod had ended."""

    versions: Mapping[str, str | None] = field(default_factory=dict)
    """By key."""
    problem: str = ""
    """Why that is not known."""


def landing_of(events: Sequence[Event], timeline: Timeline, contract: Contract) -> Landing:
    """Return what a killed pod left: everything written by pods that began before it ended."""
    struck = [pod for pod in timeline.pods.values() if pod.deletions]
    if len(struck) != 1 or struck[0].exited is None:
        invalid = [seen for one in timeline.injections.values() for seen in one.invalid]
        why = ", ".join(seen.fact.why for seen in invalid) or f"{len(struck)} pods were killed"
        return Landing(problem=f"the kill did not happen as planned: {why}")
    ended_ns = struck[0].exited.at.earliest_ns
    before = {
        pod.uid
        for pod in timeline.pods.values()
        if pod.created is not None and pod.created.at.latest_ns <= ended_ns
    }
    versions: dict[str, str | None] = {}
    for effect in effects_of(events, timeline, contract):
        if effect.uid not in before:
            continue
        if effect.obstacle:
            return Landing(problem=effect.obstacle)
        if effect.puts_object:
            versions[effect.key] = effect.version
        elif effect.deletes:
            versions.pop(effect.key, None)
    return Landing(versions)


def holdings(
    events: Sequence[Event],
    versions: Mapping[str, str | None],
    contract: Contract,
    identity_fields: frozenset[str],
) -> dict[str, str]:
    """Return what versions hold, comparable between executions: by key, empty where unknown.

    Arrays count by their canonical digest, documents by their fields without those that may
    differ, anything else that the contract knows by its bytes.
    """
    observed = {
        (event.data.key, event.data.version): event.data
        for event in events
        if isinstance(event.data, ArtifactObserved)
    }
    found = {}
    for key, version in versions.items():
        fact = observed.get((key, version or ""))
        found[key] = "" if fact is None else _held(fact, contract, identity_fields)
    return found


def _held(fact: ArtifactObserved, contract: Contract, identity_fields: frozenset[str]) -> str:
    if fact.problem is not None:
        return f"{fact.problem} {fact.sha256}"
    known = contract.classify(fact.key)
    if fact.digest is not None and (known is None or known.format != "json"):
        return fact.digest
    if fact.fields:
        kept = {
            name: value
            for name, value in fact.fields.items()
            if name.rpartition(".")[2] not in identity_fields
        }
        return json.dumps(kept, sort_keys=True)
    return fact.sha256 or ""
