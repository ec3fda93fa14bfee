"""A bucket as the reference programs use it: read, list, and write what is not there yet.

There is no overwriting and no copying. An object under an immutable key is either
absent or complete, because a PUT is all or nothing; `If-None-Match: *` makes it
happen once, whoever else tries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

__all__ = ["Bucket", "client", "is_taken"]

_MISSING = frozenset({"404", "NoSuchKey"})
_TAKEN = frozenset({"412", "PreconditionFailed"})


def client(**overrides: Any) -> Any:
    """Return an S3 client for the endpoint in `AWS_ENDPOINT_URL_S3`, without retries."""
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "connect_timeout": 3,
        "read_timeout": 20,
        "s3": {"addressing_style": "path"},
    }
    return boto3.client("s3", config=Config(**{**settings, **overrides}))


def is_taken(error: Exception) -> bool:
    """Whether a write was refused since there is an object under its key."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _TAKEN


class Bucket:
    """A bucket by its name."""

    def __init__(self, name: str, connection: Any = None) -> None:
        self.name = name
        self._client = connection or client()

    def read(self, key: str) -> bytes | None:
        """Return the object, or None where there is none."""
        try:
            answer = self._client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        data: bytes = answer["Body"].read()
        return data

    def write_once(self, key: str, data: bytes) -> bool:
        """Write an object where there is none; return False where there is one."""
        try:
            self._client.put_object(Bucket=self.name, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            if is_taken(error):
                return False
            raise
        return True

    def keys(self, prefix: str) -> Iterator[str]:
        """Return the keys below a prefix, in order."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.name, Prefix=prefix):
            for found in page.get("Contents", []):
                yield found["Key"]

    def read_document(self, key: str) -> dict[str, Any] | None:
        """Return a JSON document, or None where there is none."""
        data = self.read(key)
        if data is None:
            return None
        document: dict[str, Any] = json.loads(data)
        return document

    def write_document_once(self, key: str, document: Mapping[str, Any]) -> bool:
        """Write a JSON document where there is none; return False where there is one."""
        return self.write_once(key, json.dumps(document, indent=1, sort_keys=True).encode())
