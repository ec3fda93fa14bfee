"""What is committed is complete, is verified on recall, and stays."""

from __future__ import annotations

import json

import numpy
import pytest
from botocore.exceptions import ClientError
from memory_bucket import memory_bucket

from chaosml.reference import promotion
from chaosml.reference.program import DamagedError, PermanentError

ARRAYS = {"model/w1": numpy.arange(6, dtype=numpy.float32), "rng/dropout": numpy.arange(3)}
MARKER = "thing/manifest.json"


@pytest.fixture
def store():
    return memory_bucket()


def promote(bucket, arrays=ARRAYS):
    return promotion.promote(
        bucket, key="thing/data-{digest}.npz", marker=MARKER, arrays=arrays, fields={"step": 4}
    )


def test_the_data_is_written_before_the_manifest_that_names_it(store):
    bucket, connection = store
    promoted = promote(bucket)
    assert connection.puts == [promoted.key, MARKER]
    manifest = json.loads(connection.objects[MARKER])
    assert manifest["key"] == promoted.key
    assert manifest["size"] == len(connection.objects[promoted.key])
    assert set(manifest["digests"]) == {"model", "rng"}


def test_data_without_its_manifest_is_not_there(store):
    bucket, connection = store
    connection.fail_put = "manifest"
    with pytest.raises(ClientError):
        promote(bucket)
    assert connection.objects
    assert promotion.recall(bucket, MARKER) is None


def test_a_second_attempt_at_the_same_state_finds_its_own_work(store):
    bucket, connection = store
    connection.fail_put = "manifest"
    with pytest.raises(ClientError):
        promote(bucket)
    connection.fail_put = None
    first, second = promote(bucket), promote(bucket)
    assert first.manifest == second.manifest
    assert len(connection.puts) == 2


def test_another_state_is_refused_and_what_is_committed_stays(store):
    bucket, connection = store
    first = promote(bucket)
    with pytest.raises(PermanentError, match="what is committed stays"):
        promote(bucket, {"model/w1": numpy.zeros(6, dtype=numpy.float32)})
    assert json.loads(connection.objects[MARKER])["digest"] == first.digest


def test_a_recalled_artifact_has_the_same_bits(store):
    bucket, _ = store
    promoted = promote(bucket)
    recalled = promotion.recall(bucket, MARKER)
    assert recalled is not None
    assert recalled.manifest == promoted.manifest
    assert all(numpy.array_equal(recalled.arrays[name], ARRAYS[name]) for name in ARRAYS)


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_shortened_object_is_found_out(store, kept):
    bucket, connection = store
    key = promote(bucket).key
    connection.objects[key] = connection.objects[key][:kept]
    with pytest.raises(DamagedError, match="size or SHA-256"):
        promotion.recall(bucket, MARKER)


def test_a_missing_object_is_found_out(store):
    bucket, connection = store
    del connection.objects[promote(bucket).key]
    with pytest.raises(DamagedError, match="committed and not there"):
        promotion.recall(bucket, MARKER)


@pytest.mark.parametrize("marker", [b"", b"{", b'{"key": "x"}'])
def test_a_manifest_that_says_nothing_is_found_out(store, marker):
    bucket, connection = store
    promote(bucket)
    connection.objects[MARKER] = marker
    with pytest.raises(DamagedError):
        promotion.recall(bucket, MARKER)


def test_bytes_that_unpickle_are_not_read():
    held = promotion.pack({"a/b": numpy.array([{"code": 1}], dtype=object)})
    with pytest.raises(DamagedError):
        promotion.unpack(held)
