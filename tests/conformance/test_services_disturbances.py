"""A gate that disturbs: what a client of S3 sees of it, what is stored, what is said of it."""

from __future__ import annotations

import http.client
import urllib.parse

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from services_under_test import request, signed

from chaosml.services.messages import Calm, Disturb, Disturbance

pytestmark = pytest.mark.slow

LARGE = bytes(range(256)) * (3 << 12)
"""3 MiB: longer than what the gate reads whole before it sends anything on."""
CUT = (ConnectionClosedError, EndpointConnectionError)


def disturb(world, how, **fields):
    one = Disturbance(injection="t1.fault", how=how, task="train", **fields)
    world.call(Disturb(disturbance=one))


def put(world, key="k", body=b"x", uid="u1", **arguments):
    return world.s3(uid).put_object(Bucket=world.bucket, Key=key, Body=body, **arguments)


def told(world):
    return [(one.outcome, one.status, one.stored, one.injection) for one in world.requests()]


@pytest.mark.parametrize(("status", "reason"), [(503, "Slow Down"), (429, "Too Many Requests")])
def test_a_throttled_request_is_refused_as_s3_words_it_and_nothing_is_stored(world, status, reason):
    disturb(world, "throttle", status=status, retry_after_s=2, most=2)
    with pytest.raises(ClientError, match=r"SlowDown.*Please reduce your request rate") as caught:
        put(world)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    host = urllib.parse.urlsplit(world.endpoints.gate_url).netloc
    plain = http.client.HTTPConnection(host, timeout=20)
    plain.request("PUT", f"/{world.bucket}/k", b"x", signed())
    answer = plain.getresponse()
    assert (answer.status, answer.reason) == (status, reason)
    assert (answer.headers["Retry-After"], answer.headers["Connection"]) == ("2", "close")
    assert b"<Code>SlowDown</Code>" in answer.read()
    plain.close()
    put(world)
    assert told(world) == [
        ("throttled", status, False, "t1.fault"),
        ("throttled", status, False, "t1.fault"),
        ("answered", 200, True, None),
    ]


def test_another_tasks_requests_pass_while_one_is_throttled_and_all_do_afterwards(world):
    disturb(world, "throttle", operations=("PutObject",))
    put(world, uid="u2")
    with pytest.raises(ClientError):
        put(world)
    assert world.s3().get_object(Bucket=world.bucket, Key="k")["Body"].read() == b"x"
    world.call(Calm(injection="t1.fault"))
    put(world, body=b"y")
    assert world.stored("k") == [b"y", b"x"]


def test_a_client_that_retries_a_throttled_request_is_seen_to(world):
    disturb(world, "throttle", most=2)
    patient = world.s3(retries={"total_max_attempts": 4, "mode": "standard"})
    patient.put_object(Bucket=world.bucket, Key="k", Body=b"x")
    assert [one[0] for one in told(world)] == ["throttled", "throttled", "answered"]


@pytest.mark.parametrize("body", [b"", b"small", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("after_bytes", [0, 1 << 20, 1 << 30])
def test_an_upload_that_is_reset_is_not_stored_wherever_it_is_cut(world, body, after_bytes):
    disturb(world, "reset", after_bytes=after_bytes, most=1)
    with pytest.raises(CUT):
        put(world, body=body)
    assert world.stored("k") == []
    put(world, body=body)
    first, second = told(world)
    assert first == ("reset", None, False, "t1.fault")
    assert second == ("answered", 200, True, None)


def test_a_reset_is_rst_to_the_client(world):
    disturb(world, "reset", most=1)
    with pytest.raises(ConnectionResetError):
        request(world.endpoints.gate_url, "PUT", f"/{world.bucket}/k", signed(), b"x")


def test_a_part_that_is_reset_can_be_sent_again(world):
    s3, where = world.s3(), {"Bucket": world.bucket, "Key": "big"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    disturb(world, "reset", operations=("UploadPart",), after_bytes=1 << 20, most=1)
    part = {**where, "UploadId": upload, "PartNumber": 1, "Body": LARGE}
    with pytest.raises(CUT):
        s3.upload_part(**part)
    tag = s3.upload_part(**part)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    assert world.stored("big") == [LARGE]


def test_an_answer_is_lost_after_the_store_has_committed(world):
    disturb(world, "lose-answer", operations=("PutObject",), most=1)
    with pytest.raises(CUT):
        put(world, IfNoneMatch="*")
    assert world.stored("k") == [b"x"]
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(world, IfNoneMatch="*")
    lost, refused = world.requests()
    assert (lost.outcome, lost.status, lost.stored, lost.injection) == (
        "answer-lost",
        None,
        True,
        "t1.fault",
    )
    assert lost.version is not None
    assert (refused.outcome, refused.stored, refused.injection) == ("answered", False, None)


def test_an_answer_to_what_the_store_refused_is_not_lost(world):
    put(world)
    disturb(world, "lose-answer", most=1)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(world, IfNoneMatch="*")
    assert [one[3] for one in told(world)] == [None, None]


def test_a_completion_that_fails_late_is_200_with_an_error_and_stores_nothing(world):
    s3, where = world.s3(), {"Bucket": world.bucket, "Key": "big"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    tag = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    disturb(world, "late-error", operations=("CompleteMultipartUpload",), most=2)
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    with pytest.raises(ClientError, match="InternalError"):
        s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    target = f"/{world.bucket}/big?uploadId={upload}"
    status, headers, body = request(
        world.endpoints.gate_url, "POST", target, signed(), b"<CompleteMultipartUpload/>"
    )
    assert (status, headers["Content-Type"]) == (200, "application/xml")
    assert b"<Error><Code>InternalError</Code>" in body
    assert world.stored("big") == []
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    assert world.stored("big") == [b"part"]
    late = [one for one in told(world) if one[0] == "late-error"]
    assert late == [("late-error", 200, False, "t1.fault")] * 2


def test_a_copy_that_fails_late_is_an_error_to_boto3(world):
    put(world, "from")
    disturb(world, "late-error", operations=("CopyObject",), most=1)
    source = {"Bucket": world.bucket, "Key": "from"}
    with pytest.raises(ClientError, match="InternalError"):
        world.s3().copy_object(Bucket=world.bucket, Key="to", CopySource=source)
    assert world.stored("to") == []


def test_an_execution_that_ends_takes_its_disturbances_with_it(world):
    disturb(world, "throttle")
    world.end()
    world.begin()
    put(world)
    assert told(world) == [("answered", 200, True, None)]
