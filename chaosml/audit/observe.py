"""From the objects of a bucket to observed facts, in the order of their keys.

What cannot be read because the store fails ends the audit with an error: its source
is lost then, and nothing follows from what it did not see. What cannot be read because
the object is bad is a fact with a `problem`.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Protocol

from chaosml import clock
from chaosml.artifacts.content import Content
from chaosml.artifacts.contract import Classified, Contract, Kind
from chaosml.artifacts.formats import read_content
from chaosml.audit.bucket import Body, Bucket, Pending, UnavailableError, Version
from chaosml.event import (
    ArtifactObserved,
    AuditFinished,
    Basis,
    Emission,
    Fact,
    RegistryObserved,
    Scalar,
    UploadPending,
)

__all__ = ["SOURCE", "ContentId", "Known", "Reader", "audit", "check_empty", "observe"]

SOURCE = "audit"
_LIMIT_S = 600.0
_MEMORY_BYTES = 64 << 20
_NAME_FIELDS = ("name", "model", "model_name")
_VERSION_FIELDS = ("version", "model_version")
_SOURCE_FIELDS = ("source", "source_key", "object", "model_key", "artifact", "key")
_DIGEST_FIELDS = ("digest", "model_digest")

ContentId = tuple[str, int, str]
"""ETag, size and format."""
Known = tuple[int, str, Content]
"""Size, SHA-256 and what the format says."""


class Reader(Protocol):
    """A bucket as an audit reads it; see `Bucket`, which does so through S3."""

    @property
    def name(self) -> str:
        """Of the bucket."""

    def is_versioned(self) -> bool:
        """Return whether every version is kept."""

    def versions(self) -> Sequence[Version]:
        """Return every version and delete marker, by key, the oldest of a key first."""

    def pending(self) -> Sequence[Pending]:
        """Return the multipart uploads that nobody ended."""

    def read(self, version: Version, file: IO[bytes]) -> Body:
        """Copy a version to `file` and rewind that.

        Raises:
            UnavailableError: this one cannot be read.
            ServiceError: the store does not answer.
        """


def observe(
    reader: Reader, contract: Contract, *, known: dict[ContentId, Known] | None = None
) -> Iterator[Emission]:
    """Yield what a bucket holds, numbered from 1; `AuditFinished` comes last.

    Args:
        reader: Reads the bucket.
        contract: Which keys to read, and as what.
        known: What was read of contents before; completed. Only for audits of one and the same
            embedded store, whose ETags tell contents apart.

    Raises:
        ServiceError: the store does not answer.
    """
    yield from _Audit(reader, contract, {} if known is None else known).run()


def audit(
    store_url: str,
    bucket: str,
    contract: Contract,
    *,
    access_key: str = "chaosml",
    secret_key: str = "chaosml",
    limit_s: float = _LIMIT_S,
) -> Iterator[Emission]:
    """Yield what the bucket holds, numbered from 1; `AuditFinished` comes last.

    Call it when every pod is dead and no request is on its way any more.

    Args:
        store_url: Endpoint of the store itself, not of the gate.
        bucket: The bucket of the execution.
        contract: Which keys to read, and as what.
        access_key: For a store that checks credentials.
        secret_key: The secret of `access_key`.
        limit_s: Limit for the whole audit.

    Raises:
        ServiceError: the store does not answer, has no such bucket, or is too slow.
    """
    reader = Bucket(
        store_url,
        bucket,
        clock.Deadline("the audit", limit_s),
        access_key=access_key,
        secret_key=secret_key,
    )
    try:
        yield from observe(reader, contract)
    finally:
        reader.close()


def check_empty(
    store_url: str,
    bucket: str,
    *,
    access_key: str = "chaosml",
    secret_key: str = "chaosml",
    limit_s: float = _LIMIT_S,
) -> int:
    """Return the number of objects in a bucket, deleted ones too; 0 where there is no bucket.

    Raises:
        ServiceError: the store does not answer or is too slow.
    """
    deadline = clock.Deadline("the check that it is empty", limit_s)
    reader = Bucket(store_url, bucket, deadline, access_key=access_key, secret_key=secret_key)
    try:
        if not reader.exists():
            return 0
        return len({version.key for version in reader.versions()})
    finally:
        reader.close()


class _Audit:
    """One reading of one bucket."""

    def __init__(self, bucket: Reader, contract: Contract, known: dict[ContentId, Known]) -> None:
        self._bucket = bucket
        self._contract = contract
        self._number = 0
        self._read = known

    def run(self) -> Iterator[Emission]:
        start_ns = clock.monotonic_ns()
        versioned = self._bucket.is_versioned()
        versions = self._bucket.versions()
        for version in versions:
            known = self._contract.classify(version.key)
            if known is not None:
                yield from self._observe(version, known)
        for pending in self._bucket.pending():
            yield self._emit(
                f"object/{pending.key}",
                UploadPending(key=pending.key, upload=pending.upload),
                start_ns,
            )
        yield self._emit(
            f"bucket/{self._bucket.name}",
            AuditFinished(
                objects=len({version.key for version in versions}),
                versions=len(versions),
                versioned=versioned,
            ),
            start_ns,
        )

    def _observe(self, version: Version, known: Classified) -> Iterator[Emission]:
        start_ns = clock.monotonic_ns()
        size, sha256, content = version.size, None, Content()
        if not version.deleted:
            try:
                size, sha256, content = self._content(version, known.format)
            except UnavailableError as error:
                content = Content(problem=str(error))
        step = content.step if known.step is None else known.step
        artifact = ArtifactObserved(
            role=known.role,
            key=version.key,
            version=version.version,
            current=version.current,
            deleted=version.deleted,
            size=size,
            sha256=sha256,
            step=step,
            digest=content.digest,
            digests=dict(content.digests),
            problem=content.problem,
            fields=dict(content.fields),
        )
        yield self._emit(f"object/{version.key}", artifact, start_ns)
        if known.kind is Kind.REGISTRY and version.current and not version.deleted:
            yield self._emit(f"registry/{version.key}", _entry(artifact, known), start_ns)

    def _content(self, version: Version, format: str) -> Known:  # noqa: A002 - the contract's word
        """Read a version, unless the same bytes were read before."""
        same = (version.etag, version.size, format)
        if not version.etag or same not in self._read:
            with tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as file:
                body = self._bucket.read(version, file)
                content = read_content(file, format, size=body.size, sha256=body.sha256)
            self._read[same] = (body.size, body.sha256, content)
        return self._read[same]

    def _emit(self, subject: str, fact: Fact, earliest_ns: int) -> Emission:
        self._number += 1
        return Emission(
            source=SOURCE,
            source_seq=self._number,
            earliest_ns=earliest_ns,
            latest_ns=clock.monotonic_ns(),
            basis=Basis.OBSERVED,
            subject=subject,
            data=fact,
        )


def _entry(artifact: ArtifactObserved, known: Classified) -> RegistryObserved:
    """Return what a registry document registers; its key stands in for what it does not say."""
    path = pathlib.PurePosixPath(artifact.key)
    fields = artifact.fields
    return RegistryObserved(
        entry=artifact.key,
        name=_text(fields, _NAME_FIELDS) or known.groups.get("name") or path.parent.name,
        version=_text(fields, _VERSION_FIELDS) or known.groups.get("version") or path.stem,
        source=_text(fields, _SOURCE_FIELDS),
        digest=_text(fields, _DIGEST_FIELDS),
        fields=fields,
    )


def _text(fields: Mapping[str, Scalar], names: tuple[str, ...]) -> str | None:
    """Return the first of the named fields that says something."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return None
