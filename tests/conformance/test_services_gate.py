"""The gate in front of a real S3 server: what passes, what is refused, what is said of it."""

from __future__ import annotations

import concurrent.futures
import gzip
import hashlib
import zlib

import pytest
from botocore.exceptions import ClientError
from services_under_test import World, base64_of, connect, request, sha256_of, signed

from chaosml.event import Request

pytestmark = pytest.mark.slow

LARGE = bytes(range(256)) * (3 << 12)
"""3 MiB: longer than what the gate reads whole before it sends anything on."""


@pytest.fixture(scope="module", params=[False, True], ids=["apart", "inside"])
def running(request, tmp_path_factory):
    """Return running services, with the embedded store in either of its places."""
    world = World(tmp_path_factory.mktemp("services"), store_inside=request.param)
    yield world
    world.close()


def put(world, key, body, **arguments):
    return world.s3().put_object(Bucket=world.bucket, Key=key, Body=body, **arguments)


def put_plainly(world, key, body, **headers):
    return request(
        world.endpoints.gate_url, "PUT", f"/{world.bucket}/{key}", signed(**headers), body
    )


@pytest.mark.parametrize("body", [b"", b"small", LARGE], ids=["empty", "small", "large"])
def test_an_object_passes_both_ways_and_is_recorded_with_version_and_digest(world, body):
    version = put(world, "a/b c+ü.bin", body)["VersionId"]
    answer = world.s3("u2").get_object(Bucket=world.bucket, Key="a/b c+ü.bin")
    assert answer["Body"].read() == body
    written, read = world.requests()
    assert written == Request(
        operation="PutObject",
        bucket=world.bucket,
        key="a/b c+ü.bin",
        uid="u1",
        status=200,
        stored=True,
        version=version,
        size=len(body),
        sha256=sha256_of(body),
    )
    assert (read.uid, read.version, read.size) == ("u2", version, len(body))
    assert (read.sha256, read.stored, read.outcome) == (sha256_of(body), None, "answered")


def test_what_was_stored_past_the_gate_has_its_digest_at_every_read(world):
    world.store().put_object(Bucket=world.bucket, Key="k", Body=LARGE)
    for _ in range(2):
        assert world.s3().get_object(Bucket=world.bucket, Key="k")["Body"].read() == LARGE
    assert [one.sha256 for one in world.requests()] == [sha256_of(LARGE)] * 2


def test_a_read_of_another_version_has_that_ones_digest(world):
    first = put(world, "k", b"one")["VersionId"]
    put(world, "k", b"two")
    for version in ({"VersionId": first}, {}):
        world.s3().get_object(Bucket=world.bucket, Key="k", **version)["Body"].read()
    read = [one.sha256 for one in world.requests() if one.operation == "GetObject"]
    assert read == [sha256_of(b"one"), sha256_of(b"two")]


def test_a_client_of_a_proxy_names_the_whole_url_and_gets_the_same_object(world):
    put(world, "k", b"x")
    url = f"http://storage.example/{world.bucket}/k"
    status, _, body = request(world.endpoints.gate_url, "GET", url, signed())
    assert (status, body) == (200, b"x")
    assert world.requests()[-1].key == "k"


def test_bytes_that_are_no_text_are_refused_and_recorded(world):
    head = f"DELETE /{world.bucket}/k HTTP/1.1\r\nHost: x\r\nIf-None-Match: \xe9\r\n\r\n"
    with connect(world.endpoints.gate_url) as client:
        client.sendall(head.encode("latin-1"))
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 400")
    (refused,) = world.requests()
    assert (refused.operation, refused.outcome, refused.stored) == (
        "DeleteObject",
        "refused",
        False,
    )
    assert refused.condition == "if-none-match:\N{REPLACEMENT CHARACTER}"


def test_each_write_is_a_version_and_a_read_names_the_one_it_got(world):
    first, second = (put(world, "k", body)["VersionId"] for body in (b"one", b"two"))
    s3 = world.s3()
    old = s3.get_object(Bucket=world.bucket, Key="k", VersionId=first)["Body"].read()
    s3.head_object(Bucket=world.bucket, Key="k")
    deleted = s3.delete_object(Bucket=world.bucket, Key="k")["VersionId"]
    assert old == b"one"
    assert [each.version for each in world.requests()] == [first, second, first, second, deleted]


def test_an_unknown_credential_is_served_and_is_nobodys(world):
    world.s3("stranger").put_object(Bucket=world.bucket, Key="k", Body=b"x")
    assert [(each.uid, each.stored) for each in world.requests()] == [(None, True)]


def test_a_request_lies_between_the_stamps_of_its_event(world):
    put(world, "k", b"x")
    for said in world.end():
        assert said.earliest_ns < said.latest_ns
        assert (said.source, said.subject) == ("gate", "pod/u1")


def test_a_presigned_url_names_its_pod_and_leaves_no_signature_behind(world):
    put(world, "k", b"x")
    url = world.s3().generate_presigned_url("get_object", {"Bucket": world.bucket, "Key": "k"})
    target = url.removeprefix(world.endpoints.gate_url)
    status, _, body = request(world.endpoints.gate_url, "GET", target, {})
    assert (status, body) == (200, b"x")
    read = world.requests()[-1]
    assert (read.operation, read.uid, read.key) == ("GetObject", "u1", "k")
    assert "Signature" not in repr(world.said)


def test_metadata_headers_and_stored_encodings_pass_as_they_are(world):
    packed = gzip.compress(b"text" * 100)
    put(world, "k", packed, ContentEncoding="gzip", ContentType="text/x", Metadata={"run_id": "7"})
    answer = world.s3().get_object(Bucket=world.bucket, Key="k")
    assert answer["Body"].read() == packed
    assert answer["ContentEncoding"] == "gzip"
    assert answer["ContentType"] == "text/x"
    assert answer["Metadata"] == {"run_id": "7"}


def test_a_range_is_no_digest_of_the_object_unless_it_is_all_of_it(world):
    put(world, "k", b"0123456789")
    s3 = world.s3()
    some = s3.get_object(Bucket=world.bucket, Key="k", Range="bytes=2-4")
    every = s3.get_object(Bucket=world.bucket, Key="k", Range="bytes=0-9")
    assert (some["Body"].read(), every["Body"].read()) == (b"234", b"0123456789")
    part, whole = world.requests()[1:]
    assert (part.status, part.size, part.sha256) == (206, 3, None)
    assert (whole.status, whole.size, whole.sha256) == (206, 10, sha256_of(b"0123456789"))


def test_a_condition_that_fails_stores_nothing_and_is_told(world):
    put(world, "k", b"one", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        put(world, "k", b"two", IfNoneMatch="*")
    won, lost = world.requests()
    assert (won.status, won.stored, won.condition) == (200, True, "if-none-match:*")
    assert (lost.status, lost.stored, lost.version) == (412, False, None)
    assert world.stored("k") == [b"one"]


def test_of_many_conditional_writes_at_once_one_wins(world):
    def attempt(number):
        try:
            put(world, "k", str(number).encode(), IfNoneMatch="*")
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return 200

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(attempt, range(8)))
    assert statuses == [200] + [412] * 7
    assert sum(each.stored for each in world.requests()) == 1


def test_a_multipart_upload_is_recorded_part_by_part(world):
    s3 = world.s3()
    where = {"Bucket": world.bucket, "Key": "big"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    parts = [bytes([number]) * (5 << 20) for number in (1, 2)]
    tags = [
        s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        for number, body in enumerate(parts, start=1)
    ]
    assert len(s3.list_parts(**where, UploadId=upload)["Parts"]) == 2
    listed = s3.list_multipart_uploads(Bucket=world.bucket)["Uploads"]
    assert [each["UploadId"] for each in listed] == [upload]
    listing = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]
    version = s3.complete_multipart_upload(
        **where, UploadId=upload, MultipartUpload={"Parts": listing}
    )["VersionId"]
    assert s3.get_object(**where)["Body"].read() == b"".join(parts)
    requests = {(each.operation, each.part): each for each in world.requests()}
    assert requests["CreateMultipartUpload", None].upload == upload
    assert requests["UploadPart", 2].sha256 == sha256_of(parts[1])
    assert requests["UploadPart", 2].upload == upload
    assert requests["CompleteMultipartUpload", None].version == version
    assert requests["GetObject", None].version == version


def test_an_aborted_multipart_upload_is_gone(world):
    s3 = world.s3()
    where = {"Bucket": world.bucket, "Key": "big"}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    s3.abort_multipart_upload(**where, UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=world.bucket)
    assert world.requests()[1].operation == "AbortMultipartUpload"


def test_a_copy_is_a_new_version(world):
    put(world, "from", b"x")
    source = {"Bucket": world.bucket, "Key": "from"}
    version = world.s3().copy_object(Bucket=world.bucket, Key="to", CopySource=source)["VersionId"]
    assert world.stored("to") == [b"x"]
    assert world.requests()[-1].version == version


def test_several_objects_are_deleted_in_one_request(world):
    for key in ("a", "b"):
        put(world, key, b"x")
    world.s3().delete_objects(Bucket=world.bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]})
    assert "Contents" not in world.s3().list_objects_v2(Bucket=world.bucket)
    assert world.requests()[2].operation == "DeleteObjects"


def in_chunks(body, trailer=b""):
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


def put_in_chunks(world, key, body, checksum=None, **headers):
    crc = base64_of(zlib.crc32(body).to_bytes(4, "big")) if checksum is None else checksum
    return put_plainly(
        world,
        key,
        in_chunks(body, b"x-amz-checksum-crc32:%s\r\n" % crc.encode()),
        Content_Encoding="aws-chunked",
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        x_amz_decoded_content_length=str(len(body)),
        x_amz_trailer="x-amz-checksum-crc32",
        x_amz_sdk_checksum_algorithm="CRC32",
        **headers,
    )


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
def test_a_chunked_body_is_stored_and_digested_decoded(world, body):
    status, _, _ = put_in_chunks(world, "k", body)
    assert status == 200
    assert world.stored("k") == [body]
    head = world.store().head_object(Bucket=world.bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == base64_of(zlib.crc32(body).to_bytes(4, "big"))
    assert "ContentEncoding" not in head
    written = world.requests()[0]
    assert (written.size, written.sha256) == (len(body), sha256_of(body))


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
def test_a_wrong_checksum_in_the_trailer_is_refused(world, body):
    status, _, document = put_in_chunks(world, "k", body, checksum="AAAAAA==")
    assert (status, b"<Code>BadDigest</Code>" in document) == (400, True)
    assert world.stored("k") == []


def test_a_chunked_body_of_another_length_than_stated_is_refused(world):
    body = in_chunks(b"12345")
    status, _, document = put_plainly(
        world,
        "k",
        body,
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        x_amz_decoded_content_length="6",
    )
    assert (status, b"IncompleteBody" in document) == (400, True)
    assert world.stored("k") == []


WRONG = {
    "Content-MD5": base64_of(hashlib.md5(b"another", usedforsecurity=False).digest()),
    "x-amz-checksum-crc32": base64_of(zlib.crc32(b"another").to_bytes(4, "big")),
    "x-amz-checksum-sha256": base64_of(hashlib.sha256(b"another").digest()),
    "x-amz-content-sha256": sha256_of(b"another"),
}


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("header", sorted(WRONG))
def test_a_body_that_is_not_what_was_stated_is_refused_and_not_stored(world, header, body):
    status, _, document = put_plainly(world, "k", body, **{header: WRONG[header]})
    assert status == 400
    expected = b"XAmzContentSHA256Mismatch" if "content-sha" in header else b"BadDigest"
    assert b"<Code>" + expected + b"</Code>" in document
    assert world.stored("k") == []
    refused = world.requests()[0]
    assert (refused.status, refused.outcome, refused.stored) == (400, "refused", False)


def test_a_guarded_copy_is_refused_by_name_since_the_store_would_not_guard_it(world):
    put(world, "from", b"new")
    put(world, "to", b"old")
    source = {"Bucket": world.bucket, "Key": "from"}
    with pytest.raises(ClientError, match="ignores If-None-Match on CopyObject"):
        world.s3().copy_object(Bucket=world.bucket, Key="to", CopySource=source, IfNoneMatch="*")
    assert world.stored("to") == [b"old"]
    refused = world.requests()[-1]
    assert (refused.status, refused.outcome, refused.stored) == (501, "refused", False)


def test_a_put_without_a_length_is_refused(world):
    with connect(world.endpoints.gate_url) as client:
        head = f"PUT /{world.bucket}/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 411 ")


def test_the_embedded_stores_own_controls_are_out_of_reach(world):
    put(world, "k", b"x")
    status, _, _ = request(world.endpoints.gate_url, "POST", "/moto-api/reset", signed())
    assert status in (403, 501)
    assert world.stored("k") == [b"x"]


@pytest.mark.parametrize(
    "garbage",
    [b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"PUT /b/k HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
)
def test_malformed_http_is_answered_and_the_gate_goes_on(world, garbage):
    with connect(world.endpoints.gate_url) as client:
        client.sendall(garbage)
        assert b" 400 Bad Request" in client.recv(65536)
    put(world, "k", b"x")
    assert [each.status for each in world.requests()] == [200]


def test_without_an_execution_nothing_is_stored_unrecorded(world):
    world.end()
    with pytest.raises(ClientError, match="No execution is going on"):
        put(world, "k", b"x")
    assert world.stored("k") == []


@pytest.mark.parametrize("length", [1000, len(LARGE)], ids=["small", "large"])
def test_an_upload_whose_client_leaves_is_never_stored_shortened(world, length):
    head = f"PUT /{world.bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signed().items())
    with connect(world.endpoints.gate_url) as client:
        client.sendall(head.encode() + b"\r\n" + LARGE[: length - 1])
    left = world.wait_for(Request)
    assert (left.outcome, left.status, left.stored) == ("client-gone", None, False)
    assert world.stored("k") == []
    assert world.store().list_multipart_uploads(Bucket=world.bucket).get("Uploads") is None


def test_a_client_that_leaves_in_the_middle_of_its_answer_has_no_digest(world):
    put(world, "k", LARGE * 4)
    head = f"GET /{world.bucket}/k HTTP/1.1\r\nHost: x\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in signed().items())
    with connect(world.endpoints.gate_url) as client:
        client.sendall(head.encode() + b"\r\n")
        client.recv(1000)
    left = world.wait_for(Request, 2)
    assert (left.operation, left.outcome, left.status) == ("GetObject", "client-gone", None)
    assert (left.sha256, left.version is not None) == (None, True)


def test_an_upload_that_never_ends_does_not_keep_the_execution_from_ending(world):
    head = f"PUT /{world.bucket}/k HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n"
    with connect(world.endpoints.gate_url) as client:
        client.sendall(head.encode() + LARGE[: 2 << 20])
        stuck = world.requests()[0]
    assert (stuck.outcome, stuck.status, stuck.stored) == ("client-gone", None, False)
    assert world.stored("k") == []


@pytest.mark.parametrize("quiet", [False, True], ids=["told of markers", "quiet"])
def test_several_deletions_are_recorded_each_with_its_marker(world, quiet):
    for key in ("a", "b"):
        put(world, key, b"x")
    doomed = {"Quiet": quiet, "Objects": [{"Key": "a"}, {"Key": "b"}]}
    world.s3().delete_objects(Bucket=world.bucket, Delete=doomed)
    deletion = world.requests()[-1]
    assert (deletion.operation, deletion.key, deletion.stored) == ("DeleteObjects", "", True)
    assert [(one.key, one.version) for one in deletion.deletions] == [("a", None), ("b", None)]
    listed = world.store().list_object_versions(Bucket=world.bucket)["DeleteMarkers"]
    markers = {one["Key"]: one["VersionId"] for one in listed}
    assert {one.key: one.marker for one in deletion.deletions} == (
        dict.fromkeys(markers, "") if quiet else markers
    )
