"""The durable effects of a recorded execution: what a crash does not take back.

Every one passed the gate with its key, version and times. Volumes are no part of it: the
embedded substrate has `emptyDir` only, which dies with its pod and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from chaosml.artifacts.contract import Contract
from chaosml.event import Event, Request
from chaosml.services.operation import Operation
from chaosml.timeline.model import Timeline
from chaosml.timeline.storage import was_stored

__all__ = ["Effect", "effects_of", "outside_of", "requests_of"]

_OBJECTS = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
_UPLOADS = frozenset(
    {"CreateMultipartUpload", "UploadPart", "UploadPartCopy", "AbortMultipartUpload"}
)
_DELETIONS = frozenset({"DeleteObject", "DeleteObjects"})
_REBUILT = _OBJECTS | _UPLOADS | _DELETIONS


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One write that reached the store."""

    number: int
    """From 1, in the order in which the writes were answered."""
    request: int
    """Number of the gate's event."""
    operation: str
    key: str
    bucket: str
    uid: str
    """The pod that asked for it; empty for an unknown one."""
    task: str
    version: str | None
    """What was written, such as a delete marker, or removed; empty where nobody said it."""
    size: int | None
    sha256: str | None
    upload: str | None
    part: int | None
    role: str | None
    """What the artifact contract calls the key: `checkpoint`, `marker`, `registry`, …"""
    nth: int
    """Among the requests of the task with this operation and key, from 1."""
    begun_ns: int
    ended_ns: int

    @property
    def name(self) -> str:
        """The effect in words, the same in every recording of the same pipeline."""
        part = "" if self.part is None else f" part {self.part}"
        again = f" (time {self.nth})" if self.nth > 1 and self.part is None else ""
        return f"{self.operation} {self.key}{part}{again}".strip()

    @property
    def puts_object(self) -> bool:
        """Whether an object is there afterwards that was not there before."""
        return self.operation in _OBJECTS

    @property
    def deletes(self) -> bool:
        """Whether an object, or one version of it, is gone afterwards."""
        return self.operation in _DELETIONS

    @property
    def obstacle(self) -> str:
        """Why a store with this effect cannot be put together from the recording; else empty."""
        if self.operation not in _REBUILT or not self.key:
            return f"{self.operation} is not rebuilt: the gate does not record what it carries"
        if self.puts_object and self.version is None:
            return f"{self.name}: the store named no version of it"
        return ""


def requests_of(events: Iterable[Event]) -> list[tuple[Event, Request]]:
    """Return every request that may have written, in the order of their answers."""
    found = [
        (event, event.data)
        for event in events
        if isinstance(event.data, Request) and Operation(event.data.operation).writes
    ]
    return sorted(found, key=lambda one: one[0].source_seq)


def effects_of(events: Iterable[Event], timeline: Timeline, contract: Contract) -> list[Effect]:
    """Return the durable effects of an execution, whose events and timeline these are.

    Each deletion of a DeleteObjects is one: the store carries them out one by one.
    """
    found: list[Effect] = []
    counts: dict[tuple[str, str, str], int] = {}
    for event, fact in requests_of(events):
        pod = timeline.pods.get(fact.uid or "")
        task = (pod.task if pod is not None else None) or ""
        for key, version in _written(fact):
            same = (task, fact.operation, key)
            counts[same] = counts.get(same, 0) + 1
            if not was_stored(fact):
                continue
            known = contract.classify(key)
            found.append(
                Effect(
                    number=len(found) + 1,
                    request=event.source_seq,
                    operation=fact.operation,
                    key=key,
                    bucket=fact.bucket,
                    uid=fact.uid or "",
                    task=task,
                    version=version,
                    size=fact.size,
                    sha256=fact.sha256,
                    upload=fact.upload,
                    part=fact.part,
                    role=None if known is None else known.role,
                    nth=counts[same],
                    begun_ns=event.earliest_ns,
                    ended_ns=event.latest_ns,
                )
            )
    return found


def _written(fact: Request) -> Iterable[tuple[str, str | None]]:
    """Return the keys that a request is about, with the versions."""
    if not fact.deletions:
        return [(fact.key, fact.version)]
    return [(one.key, one.version if one.version else one.marker) for one in fact.deletions]


def outside_of(events: Iterable[Event], services: Mapping[str, object]) -> list[str]:
    """Return what of an execution's durable state no recording of its store holds."""
    found = [
        f"service {name}: what it keeps is not in the recording, so no crash state holds it"
        for name in sorted(services)
    ]
    requests = [fact for _, fact in requests_of(events)]
    found += [
        f"{fact.operation} {fact.key}: the gate does not know whether it was stored"
        for fact in requests
        if fact.stored is None and fact.version is None
    ]
    strangers = {fact.key for fact in requests if not fact.uid and was_stored(fact)}
    found += [f"{key}: written by somebody who is no pod" for key in sorted(strangers)]
    return found
