"""A bucket's whole content as a value, and its way into the embedded store.

The embedded store takes it past S3, which would give new version ids:

    PUT  /-/bodies/SHA256      bytes, once for each content
    POST /-/state              a `BucketState`: replaces the bucket

No bucket can be called `-`.
"""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from chaosml.errors import ServiceError

__all__ = [
    "BucketLoader",
    "BucketState",
    "ObjectVersion",
    "PendingUpload",
    "StateDoor",
    "UploadedPart",
]

_DOOR = "/-/"
_ANSWER_S = 60.0
_ACCOUNT = "123456789012"
_PARTITION = "aws"


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


class BucketLoader:
    """Loads states into one embedded store; sends every content once."""

    def __init__(self, store_url: str, read: Callable[[str], bytes]) -> None:
        """Prepare.

        Args:
            store_url: The embedded store's address.
            read: Returns a content by its digest.
        """
        self._address = urllib.parse.urlsplit(store_url).netloc
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

    def _ask(self, method: str, what: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=_ANSWER_S)
        try:
            connection.request(method, _DOOR + what, body)
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise ServiceError(
                f"the embedded store at {self._address} takes no state: {error}"
            ) from error
        finally:
            connection.close()
        if answer.status != 204:
            raise ServiceError(f"the embedded store refused {what}: {answer.status} {said[:300]}")


class StateDoor:
    """In front of moto's WSGI application: takes states and passes everything else on."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._contents: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(_DOOR):
            return self._application(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            self._take(path.removeprefix(_DOOR), body)
        except (ValueError, KeyError, msgspec.MsgspecError) as error:
            said = f"{type(error).__name__}: {error}".encode()
            start_response("400 Bad Request", [("Content-Length", str(len(said)))])
            return [said]
        start_response("204 No Content", [])
        return []

    def _take(self, what: str, body: bytes) -> None:
        kind, _, digest = what.partition("/")
        with self._lock:
            if kind == "bodies":
                if hashlib.sha256(body).hexdigest() != digest:
                    raise ValueError("the bytes are not what their digest says")
                self._contents[digest] = body
            elif what == "state":
                _replace(msgspec.json.decode(body, type=BucketState), self._contents)
            else:
                raise ValueError(f"nothing is called {what!r} here")


def _replace(state: BucketState, contents: dict[str, bytes]) -> None:
    """Put a state in the place of a bucket, in moto's own structures."""
    # Imported here: moto takes a quarter of a second, and only the store's process has it.
    from moto.s3.models import s3_backends

    backend = s3_backends[_ACCOUNT][_PARTITION]
    old = backend.buckets[state.bucket]
    for key in list(old.keys):
        for version in old.keys.getlist(key):
            if hasattr(version, "dispose"):
                version.dispose()
    old.keys.clear()
    old.multiparts.clear()
    for version in state.versions:
        _add_version(backend, state.bucket, version, contents)
    for upload in state.uploads:
        _add_upload(backend, state.bucket, upload, contents)


def _add_version(
    backend: Any, bucket: str, version: ObjectVersion, contents: dict[str, bytes]
) -> None:
    if version.deleted:
        backend.delete_object(bucket, version.key)
        backend.buckets[bucket].keys.getlist(version.key)[-1]._version_id = version.version
        return
    added = backend.put_object(
        bucket,
        version.key,
        contents[version.sha256],
        etag=version.etag or None,
        disable_notification=True,
    )
    added._version_id = version.version
    added.set_metadata(dict(version.headers))


def _add_upload(
    backend: Any, bucket: str, upload: PendingUpload, contents: dict[str, bytes]
) -> None:
    pending = backend.create_multipart_upload(bucket, upload.key, {}, "STANDARD", {}, None, "", "")
    own = backend.buckets[bucket].multiparts
    del own[pending.id]
    pending.id = upload.upload
    own[upload.upload] = pending
    for part in upload.parts:
        pending.set_part(part.number, contents[part.sha256][part.start : part.start + part.size])
