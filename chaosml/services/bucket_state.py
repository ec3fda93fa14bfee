"""A bucket's whole content as a value, and its way into the embedded store and out of it.

The embedded store takes it past S3, which would give new version ids, and shows it at once:

    PUT  /-/bodies/SHA256             bytes, once for each content
    POST /-/state                     a `BucketState`: replaces the bucket, or makes it
    GET  /-/state/BUCKET              a `Holdings`
    GET  /-/state/BUCKET/VERSION/KEY  the bytes of a version
    GET  /-/parts/BUCKET/UPLOAD/PART  the bytes of a part that was uploaded

No bucket can be called `-`.
"""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Callable

import msgspec

from chaosml.errors import ServiceError

__all__ = [
    "DOOR",
    "BucketLoader",
    "BucketState",
    "HeldVersion",
    "Holdings",
    "ObjectVersion",
    "PendingUpload",
    "UploadedPart",
]

DOOR = "/-/"
_ANSWER_S = 60.0


class ObjectVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an object, or a delete marker; a later one of the same key is newer."""

    key: str
    version: str
    deleted: bool = False
    sha256: str = ""
    etag: str = ""
    headers: dict[str, str] = {}


class UploadedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an upload: a piece of a known content."""

    number: int
    sha256: str
    """Of the content that it is a piece of."""
    start: int
    size: int


class PendingUpload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in parts that is neither complete nor aborted."""

    upload: str
    key: str
    parts: tuple[UploadedPart, ...] = ()


class BucketState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a versioned bucket holds."""

    bucket: str
    versions: tuple[ObjectVersion, ...] = ()
    uploads: tuple[PendingUpload, ...] = ()

    @property
    def contents(self) -> set[str]:
        """Digests of the contents that are needed."""
        of_parts = {part.sha256 for upload in self.uploads for part in upload.parts}
        return {one.sha256 for one in self.versions if not one.deleted} | of_parts


class HeldVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an object, or a delete marker, as a store shows it."""

    key: str
    version: str
    current: bool
    deleted: bool = False
    size: int = 0
    etag: str = ""


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket holds: versions by key, the oldest of a key first."""

    versioned: bool
    versions: tuple[HeldVersion, ...] = ()
    uploads: tuple[PendingUpload, ...] = ()


class BucketLoader:
    """Loads states into one embedded store and reads what it holds; sends every content once."""

    def __init__(self, store_url: str, read: Callable[[str], bytes]) -> None:
        """Prepare.

        Args:
            store_url: The embedded store's address.
            read: Returns a content by its digest.
        """
        self._address = urllib.parse.urlsplit(store_url).netloc
        self._connection = http.client.HTTPConnection(self._address, timeout=_ANSWER_S)
        self._read = read
        self._sent: set[str] = set()

    def load(self, state: BucketState) -> None:
        """Replace the bucket by `state`.

        Raises:
            ServiceError: the store does not answer, or refuses.
        """
        for digest in sorted(state.contents - self._sent):
            self._ask("PUT", f"bodies/{digest}", self._read(digest))
            self._sent.add(digest)
        self._ask("POST", "state", msgspec.json.encode(state))

    def holdings(self, bucket: str) -> Holdings:
        """Return what a bucket holds.

        Raises:
            ServiceError: the store does not answer, or has no such bucket.
        """
        return msgspec.json.decode(self._ask("GET", f"state/{_quote(bucket)}"), type=Holdings)

    def body(self, bucket: str, key: str, version: str) -> bytes:
        """Return the bytes of a version.

        Raises:
            ServiceError: the store does not answer, or has no such version.
        """
        return self._ask("GET", f"state/{_quote(bucket)}/{_quote(version)}/{_quote(key)}")

    def part(self, bucket: str, upload: str, number: int) -> bytes:
        """Return the bytes of a part of a pending upload.

        Raises:
            ServiceError: the store does not answer, or has no such part.
        """
        return self._ask("GET", f"parts/{_quote(bucket)}/{_quote(upload)}/{number}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, what: str, body: bytes = b"") -> bytes:
        try:
            self._connection.request(method, DOOR + what, body)
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ServiceError(
                f"the embedded store at {self._address} takes no state: {error}"
            ) from error
        if answer.status not in (200, 204):
            words = said.decode(errors="replace")[:300]
            raise ServiceError(f"the embedded store refused {what}: {answer.status} {words}")
        return said


def _quote(part: str) -> str:
    return urllib.parse.quote(part, safe="")
