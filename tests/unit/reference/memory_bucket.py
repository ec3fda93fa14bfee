"""A bucket in memory, behind the calls of an S3 client that the reference programs make."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from chaosml.reference.bucket import Bucket


class MemoryConnection:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.fail_put: str | None = None
        """A put of a key that contains this fails before it is stored."""

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str) -> None:
        assert IfNoneMatch == "*"
        if self.fail_put is not None and self.fail_put in Key:
            raise ClientError({"Error": {"Code": "503"}}, "PutObject")
        if Key in self.objects:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        self.objects[Key] = Body
        self.puts.append(Key)

    def get_paginator(self, operation: str) -> MemoryConnection:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        yield {"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]}


def memory_bucket() -> tuple[Bucket, MemoryConnection]:
    connection = MemoryConnection()
    return Bucket("memory", connection), connection
