"""What a DeleteObjects request deleted."""

import pytest

from chaosml.event import Deletion
from chaosml.services.deletions import deletions_of

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def body(*objects, quiet=""):
    listed = "".join(f"<Object>{one}</Object>" for one in objects)
    return f"<Delete {NAMESPACE}>{quiet}{listed}</Delete>".encode()


def answer(*results):
    return f"<DeleteResult {NAMESPACE}>{''.join(results)}</DeleteResult>".encode()


def deleted(key, marker):
    version = f"<DeleteMarkerVersionId>{marker}</DeleteMarkerVersionId>"
    return f"<Deleted><Key>{key}</Key><DeleteMarker>true</DeleteMarker>{version}</Deleted>"


def test_every_key_has_the_marker_that_the_answer_names():
    said = answer(deleted("a", "m1"), "<Deleted><Key>b</Key></Deleted>")
    assert deletions_of(body("<Key>a</Key>", "<Key>b</Key>"), said) == (
        Deletion(key="a", marker="m1"),
        Deletion(key="b", marker=None),
    )


def test_a_quiet_request_is_told_of_no_marker():
    quiet = body("<Key>a</Key>", quiet="<Quiet>true</Quiet>")
    assert deletions_of(quiet, answer()) == (Deletion(key="a", marker=""),)


def test_a_version_is_removed_without_a_marker():
    asked = body("<Key>a</Key><VersionId>v1</VersionId>")
    said = answer("<Deleted><Key>a</Key><VersionId>v1</VersionId></Deleted>")
    assert deletions_of(asked, said) == (Deletion(key="a", version="v1", marker=None),)


def test_what_the_store_refused_was_not_deleted():
    said = answer(deleted("a", "m1"), "<Error><Key>b</Key><Code>AccessDenied</Code></Error>")
    assert deletions_of(body("<Key>a</Key>", "<Key>b</Key>"), said) == (
        Deletion(key="a", marker="m1"),
    )


@pytest.mark.parametrize("asked", [b"", b"<Delete>", b"\xff"])
def test_of_what_is_no_xml_nothing_is_known(asked):
    assert deletions_of(asked, answer()) == ()
