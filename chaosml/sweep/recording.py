"""A recorded control: its events, everything it stored, and what Argo's controller was given.

recording/course.json       observations of the controller
recording/objects.json      every version that the store held, with its headers
recording/bodies/SHA256     their bytes, once for each content
controls/1/history.jsonl    the events
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeVar

import msgspec

from chaosml import clock, history
from chaosml.artifacts.contract import Contract
from chaosml.audit.bucket import Bucket, Version
from chaosml.errors import HistoryError
from chaosml.event import Event, ExecutionStarted
from chaosml.scenario.model import Scenario
from chaosml.services.bucket_state import BucketLoader
from chaosml.store.directory import RunDirectory
from chaosml.sweep.effects import Effect, effects_of, outside_of
from chaosml.sweep.points import CrashMap, find_points
from chaosml.sweep.resumption import Course
from chaosml.timeline.collect import build
from chaosml.timeline.model import Timeline

__all__ = ["KeptPart", "Recording", "Stored", "keep"]

_FOLDER = "recording"
_READ_S = 600.0

_Document = TypeVar("_Document")


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One version as the store held it."""

    key: str
    version: str
    sha256: str
    size: int
    etag: str
    headers: dict[str, str] = {}
    """Content headers and user metadata that it was stored with."""


class KeptPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an upload that nobody had ended when the recording was over."""

    upload: str
    number: int
    sha256: str
    size: int


def keep(directory: RunDirectory, store_url: str, bucket: str, course: Course) -> None:
    """Write what the recorded control left, while its store is there.

    Raises:
        ServiceError: the store does not answer.
        HistoryError: the disk refuses.
    """
    folder = directory.path / _FOLDER
    bodies = folder / "bodies"
    try:
        bodies.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(f"cannot make {bodies}: {error.strerror}") from error
    reader = Bucket(store_url, bucket, clock.Deadline("the recording of a bucket", _READ_S))
    try:
        found = [_keep_one(reader, version, bodies) for version in reader.versions()]
    finally:
        reader.close()
    objects = tuple(stored for stored in found if stored is not None)
    parts = _keep_parts(store_url, bucket, bodies)
    directory.write(f"{_FOLDER}/parts.json", msgspec.json.encode(parts))
    directory.write(f"{_FOLDER}/objects.json", msgspec.json.encode(objects))
    directory.write(f"{_FOLDER}/course.json", msgspec.json.encode(course))


def _keep_parts(store_url: str, bucket: str, bodies: pathlib.Path) -> tuple[KeptPart, ...]:
    """Keep what is there of pending uploads, which S3 shows nobody but the embedded store does."""
    loader = BucketLoader(store_url, lambda _: b"")
    found = []
    try:
        for pending in loader.holdings(bucket).uploads:
            for part in pending.parts:
                content = loader.part(bucket, pending.upload, part.number)
                (bodies / part.sha256).write_bytes(content)
                found.append(
                    KeptPart(
                        upload=pending.upload,
                        number=part.number,
                        sha256=part.sha256,
                        size=part.size,
                    )
                )
    except OSError as error:
        raise HistoryError(f"cannot write into {bodies}: {error.strerror}") from error
    finally:
        loader.close()
    return tuple(found)


def _keep_one(reader: Bucket, version: Version, bodies: pathlib.Path) -> Stored | None:
    if version.deleted:
        return None
    part = bodies / ".part"
    try:
        with open(part, "w+b") as file:
            body = reader.read(version, file)
        part.replace(bodies / body.sha256)
    except OSError as error:
        raise HistoryError(f"cannot write into {bodies}: {error.strerror}") from error
    return Stored(
        key=version.key,
        version=version.version,
        sha256=body.sha256,
        size=body.size,
        etag=version.etag.strip('"'),
        headers=dict(body.headers),
    )


class Recording:
    """What is known of the recorded control; read once, then only asked."""

    def __init__(self, directory: RunDirectory, scenario: Scenario) -> None:
        """Read it.

        Raises:
            HistoryError: a part of it is missing or cannot be read.
        """
        self._folder = directory.path / _FOLDER
        self.scenario = scenario
        path = directory.path / "controls" / "1" / "history.jsonl"
        self.events: Sequence[Event] = list(history.read(path))
        self.timeline: Timeline = build(self.events, scenario)
        self.course = self._read("course.json", Course)
        stored = self._read("objects.json", tuple[Stored, ...])
        self.stored: Mapping[tuple[str, str], Stored] = {
            (one.key, one.version): one for one in stored
        }
        kept = self._read("parts.json", tuple[KeptPart, ...])
        self.parts: Mapping[tuple[str, int], KeptPart] = {
            (one.upload, one.number): one for one in kept
        }
        if self.timeline.header is None or self.timeline.ended is None:
            raise HistoryError(f"{path}: the recorded control did not come to its end")
        self.header: ExecutionStarted = self.timeline.header.fact
        self.contract = Contract.compile(
            scenario, {**scenario.pipeline.parameters, **self.header.parameters}
        )

    def _read(self, name: str, kind: type[_Document]) -> _Document:
        path = self._folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except OSError as error:
            raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
        except msgspec.MsgspecError as error:
            raise HistoryError(f"{path}: is not what this version writes: {error}") from error

    @property
    def bucket(self) -> str:
        """The bucket of the recorded control, whose name its objects may hold."""
        return self.header.isolation["bucket"]

    @cached_property
    def effects(self) -> Sequence[Effect]:
        """Its durable effects."""
        return effects_of(self.events, self.timeline, self.contract)

    @cached_property
    def outside(self) -> Sequence[str]:
        """What of its durable state is not in it."""
        elsewhere = sorted({one.bucket for one in self.effects} - {self.bucket})
        strange = [f"bucket {name}: it is not the execution's own" for name in elsewhere]
        return [*outside_of(self.events, self.scenario.services), *strange]

    @cached_property
    def crashes(self) -> CrashMap:
        """Its points and states."""
        return find_points(self.effects, self.timeline, self.events, self.scenario.seed)

    def body(self, sha256: str) -> bytes:
        """Return the bytes of a content.

        Raises:
            HistoryError: it is not in the recording.
        """
        path = self._folder / "bodies" / sha256
        try:
            return path.read_bytes()
        except OSError as error:
            raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
