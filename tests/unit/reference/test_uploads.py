"""Uploads in parts against a store that fails, and what carelessness makes of its answers."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from memory_bucket import MemoryConnection

from chaosml.reference import promotion
from chaosml.reference.bucket import Bucket
from chaosml.reference.carelessness import CARELESS
from chaosml.reference.impatience import HotBucket
from chaosml.reference.multipart import MultipartBucket
from chaosml.reference.program import PermanentError

ARRAYS = {"model/w1": numpy.arange(6, dtype=numpy.float32)}
MARKER = "thing/manifest.json"
LATE = ClientError(
    {"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}},
    "CompleteMultipartUpload",
)
LOST = ConnectionClosedError(endpoint_url="http://store")


class Connection(MemoryConnection):
    """Multipart uploads, too; the next completion fails as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.fails: Exception | None = None
        self.commits = False
        """Whether a completion that fails has come through."""

    def create_multipart_upload(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self.uploads["u"] = {}
        return {"UploadId": "u"}

    def upload_part(
        self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes
    ) -> dict[str, Any]:
        self.uploads[UploadId][PartNumber] = Body
        return {"ETag": f"tag-{PartNumber}"}

    def complete_multipart_upload(
        self, *, Bucket: str, Key: str, UploadId: str, MultipartUpload: Any, IfNoneMatch: str
    ) -> None:
        failure, self.fails = self.fails, None
        if failure is None or self.commits:
            parts = self.uploads[UploadId]
            numbers = [part["PartNumber"] for part in MultipartUpload["Parts"]]
            body = b"".join(parts[number] for number in numbers)
            self.put_object(Bucket=Bucket, Key=Key, Body=body, IfNoneMatch=IfNoneMatch)
            del self.uploads[UploadId]
        if failure is not None:
            raise failure

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> None:
        if UploadId not in self.uploads:
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "AbortMultipartUpload")
        del self.uploads[UploadId]


@pytest.fixture
def store() -> Connection:
    return Connection()


def promote(bucket: Bucket) -> promotion.Artifact:
    return promotion.promote(
        bucket, key="thing/data-{digest}.npz", marker=MARKER, arrays=ARRAYS, fields={"step": 4}
    )


def test_data_that_is_longer_than_a_part_is_joined_in_order(store):
    bucket = MultipartBucket("b", store)
    data = bytes(range(256)) * (6 << 12)
    assert bucket.write_once("k", data)
    assert store.objects == {"k": data}
    assert bucket.write_once("empty", b"")
    assert store.objects["empty"] == b""


def test_an_object_that_is_there_is_left_and_no_parts_stay_behind(store):
    bucket = MultipartBucket("b", store)
    assert bucket.write_once("k", b"one")
    assert not bucket.write_once("k", b"two")
    assert (store.objects["k"], store.uploads) == (b"one", {})


def test_a_manifest_is_one_small_object(store):
    promote(MultipartBucket("b", store))
    assert store.uploads == {}
    assert MARKER in store.puts


@pytest.mark.parametrize(("failure", "commits"), [(LATE, False), (LOST, False), (LOST, True)])
def test_an_upload_whose_completion_failed_is_raised_and_mended_by_the_next_attempt(
    store, failure, commits
):
    store.fails, store.commits = failure, commits
    with pytest.raises(type(failure)):
        promote(MultipartBucket("b", store))
    assert MARKER not in store.objects
    assert store.uploads == {}
    promoted = promote(MultipartBucket("b", store))
    found = promotion.recall(MultipartBucket("b", store), MARKER)
    assert found is not None
    assert found.manifest == promoted.manifest


def test_who_swallows_errors_commits_what_is_not_there(store):
    store.fails = LATE
    promoted = promote(CARELESS["swallows-errors"]("b", store))
    assert MARKER in store.objects
    assert promoted.key not in store.objects


def test_who_refuses_what_stands_refuses_its_own_work(store):
    bucket = CARELESS["refuses-standing"]("b", store)
    store.fail_put = "manifest"
    with pytest.raises(ClientError):
        promote(bucket)
    store.fail_put = None
    with pytest.raises(PermanentError, match="written by somebody else"):
        promote(bucket)
    promote(Bucket("b", store))


@pytest.mark.parametrize(("status", "asked"), [(503, 3), (429, 3), (403, 1)])
def test_a_hot_client_asks_again_when_it_is_told_to_slow_down_and_not_otherwise(status, asked):
    calls = []
    bucket = HotBucket("b", 0.3)

    def put_object(**_: Any) -> None:
        calls.append(1)
        if len(calls) < 3:
            response = {
                "Error": {"Code": "SlowDown"},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            raise ClientError(response, "PutObject")

    bucket._client.put_object = put_object
    if status == 403:
        with pytest.raises(ClientError):
            bucket.write_once("k", b"x")
    else:
        assert bucket.write_once("k", b"x")
    assert len(calls) == asked
