"""A bucket read straight from its store; the one place here that knows boto3 and its errors.

Requests go past the gate: the audit must neither be recorded as a pod's work nor meet
its faults. They are not retried by boto3, and the user's proxies and profiles are not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError

from chaosml.clock import Deadline
from chaosml.errors import ChaosmlError, ServiceError

__all__ = [
    "OBJECT_BYTES_MAX",
    "Body",
    "Bucket",
    "Pending",
    "UnavailableError",
    "Version",
]

OBJECT_BYTES_MAX = 2 << 30
_CHUNK_BYTES = 1 << 20
_CONNECT_S = 5.0
_READ_S = 30.0
_KEPT_HEADERS = {
    "CacheControl": "Cache-Control",
    "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding",
    "ContentLanguage": "Content-Language",
    "ContentType": "Content-Type",
}
"""boto3's names of the headers that belong to an object."""
_NOT_THERE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_NOT_SUPPORTED = frozenset({"501", "405", "NotImplemented", "MethodNotAllowed"})

_BROKEN_CONNECTION = (HTTPClientError, IncompleteReadError, OSError)
_NO_ANSWER = (BotoCoreError, ResponseParserError, OSError, ValueError)
"""What boto3 raises where there is no answer that could be understood."""

_Result = TypeVar("_Result")


class UnavailableError(ChaosmlError):
    """One object could not be read, though the store answers; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one object, or a delete marker."""

    key: str
    version: str
    current: bool
    deleted: bool = False
    size: int = 0
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    upload: str


@dataclass(frozen=True, slots=True)
class Body:
    """What was read of a version."""

    size: int
    sha256: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Content headers and user metadata, as a writer would send them."""


class Bucket:
    """One bucket of one store; every request ends within `deadline`."""

    def __init__(
        self,
        store_url: str,
        name: str,
        deadline: Deadline,
        *,
        access_key: str = "chaosml",
        secret_key: str = "chaosml",
    ) -> None:
        """Make a client; nothing is sent yet.

        Raises:
            ServiceError: the address is none.
        """
        self.name = name
        self._url = _without_credentials(store_url)
        self._deadline = deadline
        self._client: Any = self._ask(
            "make a client", lambda: _make_client(self._url, access_key, secret_key)
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def exists(self) -> bool:
        """Return whether the bucket is there.

        Raises:
            ServiceError: as every request: the store does not answer, or not so.
        """
        try:
            self._client.head_bucket(Bucket=self.name)
        except ClientError as error:
            if _status(error) == 404:
                return False
            raise self._failure("HeadBucket", error) from error
        except _NO_ANSWER as error:
            raise self._failure("HeadBucket", error) from error
        return True

    def is_versioned(self) -> bool:
        """Return whether the store keeps every version of an object.

        Raises:
            ServiceError: the store does not answer.
        """
        answer = self._ask_or_none(
            "GetBucketVersioning", lambda: self._client.get_bucket_versioning(Bucket=self.name)
        )
        return answer is not None and answer.get("Status") == "Enabled"

    def versions(self) -> list[Version]:
        """Return every version and delete marker, by key, the oldest of a key first.

        A store without versions shows each object as its only version.

        Raises:
            ServiceError: the store does not answer, or there is no such bucket.
        """
        pages = self._ask_or_none("ListObjectVersions", self._list_versions)
        if pages is None:
            pages = self._ask("ListObjectsV2", self._list_objects)
        return pages

    def pending(self) -> list[Pending]:
        """Return the multipart uploads that nobody ended.

        Raises:
            ServiceError: the store does not answer.
        """
        return self._ask_or_none("ListMultipartUploads", self._list_uploads) or []

    def read(self, version: Version, file: IO[bytes]) -> Body:
        """Copy a version to `file`; a second time where the connection broke. Rewinds the file.

        Raises:
            UnavailableError: it vanished since it was listed, is denied or too large.
            ServiceError: the store does not answer.
        """
        if version.size > OBJECT_BYTES_MAX:
            raise UnavailableError(f"not read: {version.size} bytes, limit {OBJECT_BYTES_MAX}")
        what = f"GetObject {version.key}"
        try:
            return self._download(version, file)
        except _BROKEN_CONNECTION:
            return self._ask(what, lambda: self._download(version, file))
        except (ClientError, *_NO_ANSWER) as error:
            raise self._failure(what, error) from error

    def _download(self, version: Version, file: IO[bytes]) -> Body:
        self._check_time(f"GetObject {version.key}")
        try:
            if version.version in {"", "null"}:
                answer = self._client.get_object(Bucket=self.name, Key=version.key)
            else:
                answer = self._client.get_object(
                    Bucket=self.name, Key=version.key, VersionId=version.version
                )
        except ClientError as error:
            code, status = _code(error), _status(error)
            if code in _NOT_THERE:
                raise UnavailableError("vanished between listing and reading") from error
            if status in {401, 403}:
                raise UnavailableError(f"not read: access denied ({code})") from error
            raise
        return self._copy(version, answer, file)

    def _copy(self, version: Version, answer: Mapping[str, Any], file: IO[bytes]) -> Body:
        file.seek(0)
        file.truncate()
        digest, size = hashlib.sha256(), 0
        with contextlib.closing(answer["Body"]) as stream:
            for chunk in stream.iter_chunks(_CHUNK_BYTES):
                self._check_time(f"GetObject {version.key}")
                size += len(chunk)
                if size > OBJECT_BYTES_MAX:
                    raise UnavailableError(f"not read: over {OBJECT_BYTES_MAX} bytes")
                digest.update(chunk)
                file.write(chunk)
        file.seek(0)
        return Body(size, digest.hexdigest(), _headers(answer))

    def _list_versions(self) -> list[Version]:
        found: list[tuple[tuple[Any, ...], Version]] = []
        paginator = self._client.get_paginator("list_object_versions")
        for page in paginator.paginate(Bucket=self.name):
            self._check_time("ListObjectVersions")
            for deleted, entries in (
                (False, page.get("Versions", ())),
                (True, page.get("DeleteMarkers", ())),
            ):
                for entry in entries:
                    version = _version(entry, deleted=deleted)
                    # The store lists the newest of a key first, and stamps whole seconds.
                    order = (version.key, version.current, entry["LastModified"], -len(found))
                    found.append((order, version))
        return [version for _, version in sorted(found, key=lambda item: item[0])]

    def _list_objects(self) -> list[Version]:
        found: list[Version] = []
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            self._check_time("ListObjectsV2")
            found.extend(
                Version(
                    key=entry["Key"],
                    version="null",
                    current=True,
                    size=entry["Size"],
                    etag=entry["ETag"],
                )
                for entry in page.get("Contents", ())
            )
        return found

    def _list_uploads(self) -> list[Pending]:
        paginator = self._client.get_paginator("list_multipart_uploads")
        return [
            Pending(upload["Key"], upload["UploadId"])
            for page in paginator.paginate(Bucket=self.name)
            for upload in page.get("Uploads", ())
        ]

    def _check_time(self, what: str) -> None:
        if self._deadline.passed:
            raise ServiceError(
                f"{self._deadline.what} of bucket {self.name!r} at {self._url} took more than "
                f"{self._deadline.seconds:g}s; it was waiting for {what}"
            )

    def _ask(self, what: str, request: Callable[[], _Result]) -> _Result:
        try:
            return request()
        except (ClientError, *_NO_ANSWER) as error:
            raise self._failure(what, error) from error

    def _ask_or_none(self, what: str, request: Callable[[], _Result]) -> _Result | None:
        """Ask for what some stores do not know; None from one of these."""
        try:
            return request()
        except ClientError as error:
            if _code(error) in _NOT_SUPPORTED or _status(error) in {405, 501}:
                return None
            raise self._failure(what, error) from error
        except _NO_ANSWER as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, error: Exception) -> ServiceError:
        if isinstance(error, ClientError):
            code = _code(error)
            if code == "NoSuchBucket":
                return ServiceError(f"there is no bucket {self.name!r} at {self._url}")
            why = f"answered {_status(error)} {code}: {error.response['Error'].get('Message', '')}"
        else:
            why = f"cannot be read: {error}"
        return ServiceError(f"the store {self._url} {why} ({what}, bucket {self.name!r})")


# What the user has set up for AWS must not change what an audit sees.
_NO_PROFILE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
}
_CONFIG = Config(
    connect_timeout=_CONNECT_S,
    read_timeout=_READ_S,
    retries={"total_max_attempts": 1, "mode": "standard"},
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    proxies={},
    # We digest what we read; what a client once claimed about it is no reason not to look.
    response_checksum_validation="when_required",
)


def _make_client(url: str, access_key: str, secret_key: str) -> Any:
    return boto3.session.Session(
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        botocore_session=botocore.session.Session(session_vars=_NO_PROFILE),
    ).client("s3", endpoint_url=url, config=_CONFIG)


def _version(entry: Mapping[str, Any], *, deleted: bool) -> Version:
    return Version(
        key=entry["Key"],
        version=entry.get("VersionId", "null"),
        current=entry.get("IsLatest", True),
        deleted=deleted,
        size=entry.get("Size", 0),
        etag=entry.get("ETag", ""),
    )


def _headers(answer: Mapping[str, Any]) -> dict[str, str]:
    said = {name: str(answer[field]) for field, name in _KEPT_HEADERS.items() if field in answer}
    given = answer.get("Metadata") or {}
    return said | {f"x-amz-meta-{name}": str(value) for name, value in given.items()}


def _without_credentials(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
