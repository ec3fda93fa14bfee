"""What a bucket holds after a crash, put together from the recording."""

from types import SimpleNamespace

import pytest

from chaosml.event import Deletion
from chaosml.services.bucket_state import UploadedPart
from chaosml.sweep.recording import KeptPart, Stored
from chaosml.sweep.store_state import Unbuildable, compose


def recording(recorder, contract, *, parts=(), lost=()):
    """A recording that kept every version that was written, but for those of `lost` keys."""
    effects = recorder.effects(contract)
    stored = {
        (one.key, one.version): Stored(
            key=one.key,
            version=one.version,
            sha256=f"sha-{one.key}",
            size=one.size or 0,
            etag=f"etag-{one.key}",
        )
        for one in effects
        if one.puts_object and one.key not in lost
    }
    kept = {(one.upload, one.number): one for one in parts}
    return SimpleNamespace(effects=effects, stored=stored, parts=kept, bucket="b")


def held(recording, numbers):
    """Every version that a state holds, and whether it is a delete marker."""
    state = compose(recording, numbers)
    return [(one.key, one.version, one.deleted) for one in state.versions]


def test_a_state_holds_the_versions_of_its_effects_under_their_own_ids(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    recorder.write("train", "c/2", 30, 40)
    made = recording(recorder, contract)
    assert held(made, ()) == []
    assert held(made, (2, 1)) == [("c/1", "v-c/1", False), ("c/2", "v-c/2", False)]


def test_a_version_that_was_removed_before_the_end_cannot_be_put_there(recorder, contract):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    with pytest.raises(Unbuildable, match="v-c/1 was removed before the recording ended"):
        compose(recording(recorder, contract, lost=("c/1",)), (1,))


def deletions(recorder, *found):
    recorder.pod("train", 0, 100)
    recorder.write("train", "c/1", 10, 20)
    recorder.write(
        "train", "", 30, 40, operation="DeleteObjects", version=None, deletions=tuple(found)
    )


def test_each_deletion_of_a_request_is_there_or_not(recorder, contract):
    deletions(recorder, Deletion(key="c/1", marker="m1"), Deletion(key="c/2", marker="m2"))
    names = [one.name for one in recorder.effects(contract)]
    assert names == ["PutObject c/1", "DeleteObjects c/1", "DeleteObjects c/2"]
    made = recording(recorder, contract)
    assert held(made, (1, 2)) == [("c/1", "v-c/1", False), ("c/1", "m1", True)]
    assert {state.effects for state in recorder.crashes(contract).states} == {
        (),
        (1,),
        (1, 2),
        (1, 3),
        (1, 2, 3),
    }


def test_a_marker_that_nobody_was_told_of_hides_what_is_there_and_nothing_else(recorder, contract):
    deletions(recorder, Deletion(key="c/1", marker=""), Deletion(key="none", marker=""))
    assert held(recording(recorder, contract), (1, 2, 3)) == [
        ("c/1", "v-c/1", False),
        ("c/1", "deleted-2", True),
    ]


def test_a_delete_marker_can_be_removed_again_but_not_a_version(recorder, contract):
    deletions(
        recorder,
        Deletion(key="c/1", marker="m1"),
        Deletion(key="c/1", version="m1"),
        Deletion(key="c/1", version="v-c/1"),
    )
    made = recording(recorder, contract)
    assert held(made, (1, 2, 3)) == [("c/1", "v-c/1", False)]
    with pytest.raises(Unbuildable, match="removed one version, whose bytes are gone"):
        compose(made, (1, 4))


def test_deletions_that_were_not_recorded_are_named(recorder, contract):
    deletions(recorder)
    with pytest.raises(Unbuildable, match="DeleteObjects is not rebuilt"):
        compose(recording(recorder, contract), (1, 2))


def upload(recorder, sizes, *, completed):
    recorder.pod("train", 0, 100)
    recorder.write(
        "train", "c/1", 10, 11, operation="CreateMultipartUpload", version=None, upload="u"
    )
    for number, size in enumerate(sizes, 1):
        recorder.write(
            *("train", "c/1", 10 * number + 10, 10 * number + 15),
            operation="UploadPart",
            version=None,
            upload="u",
            part=number,
            size=size,
            sha256=f"part-{number}",
        )
    if completed:
        recorder.write(
            *("train", "c/1", 80, 90),
            operation="CompleteMultipartUpload",
            upload="u",
            size=sum(sizes),
        )


def test_parts_are_cut_out_of_the_object_that_they_became(recorder, contract):
    upload(recorder, (5, 7), completed=True)
    made = recording(recorder, contract)
    (pending,) = compose(made, (1, 2, 3)).uploads
    assert pending.parts == (
        UploadedPart(number=1, sha256="sha-c/1", start=0, size=5),
        UploadedPart(number=2, sha256="sha-c/1", start=5, size=7),
    )
    assert compose(made, (1, 2, 3, 4)).uploads == ()


def test_parts_of_an_upload_that_nobody_ended_are_those_that_were_kept(recorder, contract):
    upload(recorder, (5,), completed=False)
    kept = KeptPart(upload="u", number=1, sha256="part-1", size=5)
    (pending,) = compose(recording(recorder, contract, parts=(kept,)), (1, 2)).uploads
    assert pending.parts == (UploadedPart(number=1, sha256="part-1", start=0, size=5),)


def test_parts_that_are_gone_are_named(recorder, contract):
    upload(recorder, (5,), completed=False)
    with pytest.raises(Unbuildable, match=r"UploadPart c/1 part 1: its upload was aborted"):
        compose(recording(recorder, contract), (1, 2))
