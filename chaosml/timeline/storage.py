"""The store as requests and audit show it: who wrote which version, and what it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from chaosml.artifacts.contract import Classified, CompiledArtifact, Contract, Kind
from chaosml.event import ArtifactObserved, Request, Scalar
from chaosml.timeline.model import Timeline
from chaosml.timeline.moment import Moment, Seen

__all__ = ["READS", "WRITES", "Commit", "Storage", "Version", "was_stored"]

WRITES = frozenset({"PutObject", "CompleteMultipartUpload", "CopyObject"})
READS = frozenset({"GetObject"})
_OWN_KEY = ("key", "object", "path", "file")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one object, as the audit read it and the gate saw it written."""

    key: str
    version: str
    what: Classified
    observed: Seen[ArtifactObserved]
    write: Seen[Request] | None

    @property
    def fact(self) -> ArtifactObserved:
        """What the audit says."""
        return self.observed.fact

    @property
    def writer(self) -> str | None:
        """The pod that wrote it, where the gate saw it."""
        return None if self.write is None else self.write.fact.uid

    @property
    def fields(self) -> Mapping[str, Scalar]:
        """Scalars of a document."""
        return self.observed.fact.fields

    @property
    def step(self) -> int | None:
        """The step that its key or its content names."""
        if self.fact.step is not None:
            return self.fact.step
        named = self.fields.get("step")
        if isinstance(named, int) and not isinstance(named, bool):
            return named
        return self.what.step


@dataclass(frozen=True, slots=True)
class Commit:
    """A checkpoint that became the one to restore from."""

    step: int
    key: str
    at: Moment
    writer: str | None
    intact: bool
    """Whether the audit could read what was committed."""


def was_stored(request: Request) -> bool:
    """Whether a write certainly reached the store."""
    if request.stored is not None:
        return request.stored
    return request.version is not None


class Storage:
    """Versions, writers and readers of one execution's bucket."""

    def __init__(self, timeline: Timeline, contract: Contract) -> None:
        self._timeline = timeline
        self.contract = contract

    @cached_property
    def writes(self) -> list[Seen[Request]]:
        """Writes that reached the store, in the order in which the gate answered them."""
        return [
            seen
            for seen in self._timeline.requests
            if seen.fact.operation in WRITES and was_stored(seen.fact)
        ]

    @cached_property
    def reads(self) -> list[Seen[Request]]:
        """Objects that were handed out, in the order in which the gate answered."""
        return [
            seen
            for seen in self._timeline.requests
            if seen.fact.operation in READS and seen.fact.status in (200, 206)
        ]

    @cached_property
    def versions(self) -> list[Version]:
        """Every version that the audit read and the contract knows, delete markers included."""
        writes = {(seen.fact.key, seen.fact.version): seen for seen in self.writes}
        found = []
        for seen in self._timeline.artifacts:
            what = self.contract.classify(seen.fact.key)
            if what is not None:
                write = writes.get((seen.fact.key, seen.fact.version))
                found.append(Version(seen.fact.key, seen.fact.version, what, seen, write))
        return found

    @cached_property
    def by_key(self) -> Mapping[str, list[Version]]:
        """Versions of each key, the oldest write first; unknown writers last."""
        found: dict[str, list[Version]] = defaultdict(list)
        for version in sorted(self.versions, key=_written):
            found[version.key].append(version)
        return found

    @cached_property
    def by_id(self) -> Mapping[tuple[str, str], Version]:
        """Versions by key and version id."""
        return {(version.key, version.version): version for version in self.versions}

    def of(self, artifact: CompiledArtifact, kind: Kind = Kind.OBJECT) -> list[Version]:
        """Return the versions of an artifact's objects (or parts, or markers) that hold data."""
        return [
            version
            for version in self.versions
            if version.what.artifact is artifact
            and version.what.kind is kind
            and not version.fact.deleted
        ]

    def current(self, key: str) -> Version | None:
        """Return the version that a reader gets now; None where there is none."""
        for version in self.by_key.get(key, ()):
            if version.fact.current:
                return None if version.fact.deleted else version
        return None

    def marker_of(self, version: Version) -> Version | None:
        """Return the current marker that commits an object, if there is one."""
        artifact = version.what.artifact
        if artifact is None or artifact.marker is None:
            return None
        key = artifact.marker_key(version.what.groups)
        marker = None if key is None else self.current(key)
        if marker is None:
            return None
        named = _objects_named(marker)
        return marker if not named or version.key in named else None

    def is_committed(self, version: Version) -> bool:
        """Whether readers may rely on the object: at once, or by its marker."""
        artifact = version.what.artifact
        if artifact is None or artifact.artifact.commit != "marker-last":
            return True
        return self.marker_of(version) is not None

    def step_of(self, version: Version) -> int | None:
        """Return the step of an object, its marker's where it does not say it itself."""
        if version.step is not None:
            return version.step
        marker = self.marker_of(version)
        return None if marker is None else marker.step

    def objects_of(self, marker: Version) -> list[Version]:
        """Return the current objects that a marker commits."""
        named = _objects_named(marker)
        if named:
            found = [self.current(key) for key in named]
            return [version for version in found if version is not None]
        return self._by_marker.get(marker.key, [])

    @cached_property
    def _by_marker(self) -> Mapping[str, list[Version]]:
        """Current objects by the key of the marker that commits them."""
        found: dict[str, list[Version]] = defaultdict(list)
        for version in self.versions:
            artifact = version.what.artifact
            if (
                version.what.kind is Kind.OBJECT
                and version.fact.current
                and not version.fact.deleted
                and artifact is not None
                and artifact.marker is not None
            ):
                key = artifact.marker_key(version.what.groups)
                if key is not None:
                    found[key].append(version)
        return found

    @cached_property
    def commits(self) -> list[Commit]:
        """Checkpoints as they became the one to restore from, in order of time."""
        return [
            commit
            for write in self.writes
            for commit in [self._commit(write)]
            if commit is not None
        ]

    def _commit(self, write: Seen[Request]) -> Commit | None:
        key = write.fact.key
        what = self.contract.classify(key)
        version = self.by_id.get((key, write.fact.version or ""))
        if what is None or what.artifact is None or version is None:
            return None
        rule, kind = what.artifact.artifact.commit, what.kind
        if what.artifact.role != "checkpoint" or not (
            (rule == "marker-last" and kind is Kind.MARKER)
            or (rule == "single-object" and kind is Kind.OBJECT)
            or (rule == "in-place" and key in what.artifact.part_keys(what.groups)[-1:])
        ):
            return None
        if version.step is None:
            return None
        intact = version.fact.problem is None
        if kind is Kind.MARKER:
            objects = self.objects_of(version)
            intact = intact and bool(objects) and all(not one.fact.problem for one in objects)
        return Commit(version.step, key, write.at, write.fact.uid, intact)

    def read_by(self, uid: str) -> list[Version]:
        """Return the versions that a pod was handed, in order of time."""
        found = [
            self.by_id.get((seen.fact.key, seen.fact.version or ""))
            for seen in self.reads
            if seen.fact.uid == uid
        ]
        return [version for version in found if version is not None]


def _objects_named(marker: Version) -> list[str]:
    """Return the keys of the artifact's objects that a marker names in its content.

    A manifest may name other objects too, such as its parent: a field that says by its name
    that it is the object's key comes first.
    """
    artifact = marker.what.artifact
    if artifact is None:
        return []
    named = {
        name.rpartition(".")[2]: value
        for name, value in marker.fields.items()
        if isinstance(value, str) and artifact.key.fullmatch(value)
    }
    own = [named[name] for name in _OWN_KEY if name in named]
    return own[:1] or [value for name, value in named.items() if "parent" not in name]


def _written(version: Version) -> tuple[bool, int]:
    write = version.write
    return (True, version.observed.number) if write is None else (False, write.number)
