"""A run goes on from its newest sound checkpoint."""

from __future__ import annotations

import json

import numpy
import pytest
from memory_bucket import memory_bucket

from chaosml.reference.checkpoints import Checkpoints
from chaosml.reference.identity import Identity
from chaosml.reference.program import PermanentError


def identity(run_id="run-1", dataset_sha256="d" * 64):
    return Identity(
        run_id=run_id,
        dataset_sha256=dataset_sha256,
        image="interpreter:x",
        git_commit="c",
        attempt="0",
        pod="p",
    )


def state(step):
    return {"model/w1": numpy.full(4, step, dtype=numpy.float32)}


@pytest.fixture
def store():
    return memory_bucket()


@pytest.fixture
def saved(store):
    """Checkpoints of the steps 8, 9 and 10: their order as text is another one."""
    bucket, _ = store
    checkpoints = Checkpoints(bucket, identity())
    for step in (8, 9, 10):
        checkpoints.save(step, state(step))
    return checkpoints


def keys_of(connection, step):
    return [key for key in connection.objects if f"step-{step:06d}/" in key]


def test_a_fresh_run_has_nothing_to_restore(store):
    assert Checkpoints(store[0], identity()).restore() is None


def test_the_newest_checkpoint_is_restored(store, saved):
    found = Checkpoints(store[0], identity()).restore()
    assert found is not None
    assert found.manifest["step"] == 10
    assert found.arrays["model/w1"][0] == 10


def test_a_save_that_was_cut_off_before_its_manifest_is_not_restored(store, saved):
    bucket, connection = store
    del connection.objects["runs/run-1/checkpoints/step-000010/manifest.json"]
    assert Checkpoints(bucket, identity()).restore().manifest["step"] == 9


def test_a_damaged_checkpoint_is_passed_over_and_named(store, saved, capsys):
    bucket, connection = store
    data = next(key for key in keys_of(connection, 10) if key.endswith(".npz"))
    connection.objects[data] = connection.objects[data][:-1]
    assert Checkpoints(bucket, identity()).restore().manifest["step"] == 9
    assert data in capsys.readouterr().err


def test_checkpoints_of_another_run_are_not_seen(store, saved):
    assert Checkpoints(store[0], identity(run_id="run-2")).restore() is None


def test_a_checkpoint_of_other_data_ends_the_run(store, saved):
    with pytest.raises(PermanentError, match="trained on dataset"):
        Checkpoints(store[0], identity(dataset_sha256="e" * 64)).restore()


def test_every_checkpoint_names_its_parent_and_who_made_it(store, saved):
    _, connection = store
    manifests = [
        json.loads(connection.objects[f"runs/run-1/checkpoints/step-{step:06d}/manifest.json"])
        for step in (8, 9, 10)
    ]
    assert [manifest["parent"] for manifest in manifests] == [
        None,
        manifests[0]["digest"],
        manifests[1]["digest"],
    ]
    for manifest in manifests:
        assert manifest.items() >= identity().fields().items()


def test_the_first_save_after_a_restore_has_the_restored_one_as_its_parent(store, saved):
    bucket, connection = store
    resumed = Checkpoints(bucket, identity())
    restored = resumed.restore()
    resumed.save(12, state(12))
    manifest = json.loads(connection.objects["runs/run-1/checkpoints/step-000012/manifest.json"])
    assert manifest["parent"] == restored.digest


def test_saving_the_same_state_again_changes_nothing(store, saved):
    bucket, connection = store
    before = dict(connection.objects)
    Checkpoints(bucket, identity()).save(10, state(10))
    assert connection.objects == before
