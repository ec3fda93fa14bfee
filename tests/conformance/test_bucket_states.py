"""Whole states of a bucket: loaded into the embedded store, and shown as S3 shows them."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from services_under_test import World

from chaosml.artifacts.contract import Contract
from chaosml.audit import audit, observe
from chaosml.errors import ServiceError
from chaosml.scenario.model import Scenario
from chaosml.services.bucket_state import (
    BucketLoader,
    BucketState,
    ObjectVersion,
    PendingUpload,
    UploadedPart,
)
from chaosml.sweep.held_bucket import HeldBucket

pytestmark = pytest.mark.slow

CONTENTS = {hashlib.sha256(body).hexdigest(): body for body in (b'{"step": 1}', b"x" * 3_000_000)}
SMALL, LARGE = CONTENTS
CONTRACT = Contract.compile(
    Scenario.model_validate(
        {
            "apiVersion": "chaosml.dev/v1",
            "kind": "Scenario",
            "metadata": {"name": "small"},
            "pipeline": {
                "workflow": "w.yaml",
                "isolate": {"bucket": "bucket"},
                "training-task": "train",
                "artifacts": [{"role": "checkpoint", "key": r"c/(?P<step>\d+)", "format": "json"}],
            },
            "faults": [
                {
                    "name": "f",
                    "inject": "pod.delete",
                    "target": {"task": "train"},
                    "when": {"step": 1},
                }
            ],
        }
    ),
    {},
)
STATE = BucketState(
    bucket="recorded",
    versions=(
        ObjectVersion(key="c/1", version="v1", sha256=SMALL, etag="e1"),
        ObjectVersion(key="c/1", version="v2", sha256=LARGE, etag="e2"),
        ObjectVersion(key="ä/2", version="v3", sha256=SMALL, etag="e1"),
        ObjectVersion(key="ä/2", version="v4", deleted=True),
    ),
    uploads=(
        PendingUpload(
            upload="u1",
            key="c/3",
            parts=(UploadedPart(number=1, sha256=LARGE, start=10, size=20),),
        ),
    ),
)


@pytest.fixture(scope="module", params=[False, True], ids=["apart", "inside"])
def running(request, tmp_path_factory):
    world = World(tmp_path_factory.mktemp("services"), store_inside=request.param)
    yield world
    world.close()


@pytest.fixture
def loader(running):
    loader = BucketLoader(running.endpoints.store_url, CONTENTS.__getitem__)
    yield loader
    loader.close()


def test_a_state_is_shown_as_it_was_loaded_and_replaces_what_was_there(loader):
    for _ in range(2):
        loader.load(STATE)
        held = loader.holdings("recorded")
        assert held.versioned
        assert [
            (one.key, one.version, one.current, one.deleted, one.size) for one in held.versions
        ] == [
            ("c/1", "v1", False, False, len(CONTENTS[SMALL])),
            ("c/1", "v2", True, False, len(CONTENTS[LARGE])),
            ("ä/2", "v3", False, False, len(CONTENTS[SMALL])),
            ("ä/2", "v4", True, True, 0),
        ]
        assert (
            loader.body("recorded", held.versions[2].key, held.versions[2].version)
            == CONTENTS[SMALL]
        )
        (pending,) = held.uploads
        assert (pending.upload, pending.key, len(pending.parts)) == ("u1", "c/3", 1)
        assert loader.part("recorded", "u1", 1) == CONTENTS[LARGE][10:30]


def test_an_audit_past_s3_says_what_one_through_s3_says(running, loader):
    loader.load(STATE)
    through = audit(running.endpoints.store_url, "recorded", CONTRACT)
    past = observe(HeldBucket(loader, "recorded"), CONTRACT)
    assert [msgspec.structs.replace(one.data) for one in past] == [one.data for one in through]


def test_what_is_not_there_is_refused(loader):
    loader.load(STATE)
    with pytest.raises(ServiceError, match="KeyError"):
        loader.holdings("another")
    with pytest.raises(ServiceError, match="has no version v9"):
        loader.body("recorded", "c/1", "v9")
