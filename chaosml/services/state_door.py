"""The embedded store's side of whole bucket states: taken and shown in moto's own structures."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from chaosml.services.bucket_state import (
    DOOR,
    BucketState,
    HeldVersion,
    Holdings,
    ObjectVersion,
    PendingUpload,
    UploadedPart,
)

__all__ = ["StateDoor"]

_ACCOUNT = "123456789012"
_PARTITION = "aws"


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
        if not path.startswith(DOOR):
            return self._application(environ, start_response)
        what = path.removeprefix(DOOR)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            if environ["REQUEST_METHOD"] == "GET":
                shown = self._show(what.encode("latin-1").decode())
                start_response("200 OK", [("Content-Length", str(len(shown)))])
                return [shown]
            self._take(what, body)
        except (ValueError, KeyError, msgspec.MsgspecError) as error:
            said = f"{type(error).__name__}: {error}".encode()
            start_response("400 Bad Request", [("Content-Length", str(len(said)))])
            return [said]
        start_response("204 No Content", [])
        return []

    def _show(self, what: str) -> bytes:
        kind, bucket, first, rest = [*what.split("/", 3), "", "", ""][:4]
        with self._lock:
            if kind == "state" and not first:
                return msgspec.json.encode(_holdings(bucket))
            if kind == "state":
                return _body(bucket, first, rest)
            if kind == "parts":
                part: bytes = _backend().buckets[bucket].multiparts[first].parts[int(rest)].value
                return part
        raise ValueError(f"nothing is called {what!r} here")

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


def _backend() -> Any:
    # Imported here: moto takes a quarter of a second, and only the store's process has it.
    from moto.s3.models import s3_backends

    return s3_backends[_ACCOUNT][_PARTITION]


def _replace(state: BucketState, contents: dict[str, bytes]) -> None:
    """Put a state in the place of a bucket, in moto's own structures."""
    backend = _backend()
    if state.bucket not in backend.buckets:
        backend.create_bucket(state.bucket, "us-east-1")
        backend.put_bucket_versioning(state.bucket, "Enabled")
    old = backend.buckets[state.bucket]
    for key in list(old.keys):
        for version in old.keys.getlist(key):
            if hasattr(version, "dispose"):
                version.dispose()
    old.keys.clear()
    old.multiparts.clear()
    for added in state.versions:
        _add_version(backend, state.bucket, added, contents)
    for upload in state.uploads:
        _add_upload(backend, state.bucket, upload, contents)


def _holdings(name: str) -> Holdings:
    """Return what a bucket holds, from moto's own structures."""
    bucket = _backend().buckets[name]
    return Holdings(
        versioned=bucket.is_versioned,
        versions=tuple(
            _held(key, one, current=one is versions[-1])
            for key in sorted(bucket.keys)
            for versions in [bucket.keys.getlist(key)]
            for one in versions
        ),
        uploads=tuple(
            PendingUpload(upload=one.id, key=one.key_name, parts=tuple(_parts(one)))
            for one in bucket.multiparts.values()
        ),
    )


def _parts(upload: Any) -> Iterator[UploadedPart]:
    for number, part in sorted(upload.parts.items()):
        content = part.value
        digest = hashlib.sha256(content).hexdigest()
        yield UploadedPart(number=number, sha256=digest, start=0, size=len(content))


def _held(key: str, version: Any, *, current: bool) -> HeldVersion:
    number = str(version.version_id)
    if not hasattr(version, "etag"):
        return HeldVersion(key=key, version=number, current=current, deleted=True)
    return HeldVersion(
        key=key, version=number, current=current, size=version.size, etag=version.etag
    )


def _body(bucket: str, number: str, key: str) -> bytes:
    for version in _backend().buckets[bucket].keys.getlist(key):
        if str(version.version_id) == number:
            body: bytes = version.value
            return body
    raise KeyError(f"{key} has no version {number}")


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
