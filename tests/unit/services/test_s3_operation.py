"""Which S3 operation a request is."""

import pytest

from chaosml.services.operation import classify


@pytest.mark.parametrize(
    ("method", "target", "headers", "name"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("PUT", "/b", {}, "CreateBucket"),
        ("HEAD", "/b", {}, "HeadBucket"),
        ("DELETE", "/b/", {}, "DeleteBucket"),
        ("GET", "/b", {}, "ListObjects"),
        ("GET", "/b?list-type=2&prefix=a%2F", {}, "ListObjectsV2"),
        ("GET", "/b?versions", {}, "ListObjectVersions"),
        ("GET", "/b?uploads=", {}, "ListMultipartUploads"),
        ("GET", "/b?versioning", {}, "GetBucketVersioning"),
        ("PUT", "/b?versioning", {}, "PutBucketVersioning"),
        ("GET", "/b?object-lock", {}, "GetObjectLockConfiguration"),
        ("DELETE", "/b?lifecycle", {}, "DeleteBucketLifecycleConfiguration"),
        ("POST", "/b?delete", {}, "DeleteObjects"),
        ("POST", "/b", {}, "PostObject"),
        ("PUT", "/b/k", {}, "PutObject"),
        ("PUT", "/b/k", {"x-amz-copy-source": "b/j"}, "CopyObject"),
        ("GET", "/b/k?versionId=7", {}, "GetObject"),
        ("HEAD", "/b/k", {}, "HeadObject"),
        ("DELETE", "/b/k?versionId=7", {}, "DeleteObject"),
        ("GET", "/b/k?tagging", {}, "GetObjectTagging"),
        ("PUT", "/b/k?tagging", {}, "PutObjectTagging"),
        ("GET", "/b/k?attributes", {}, "GetObjectAttributes"),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
        ("PUT", "/b/k?partNumber=2&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k?partNumber=2&uploadId=u", {"x-amz-copy-source": "b/j"}, "UploadPartCopy"),
        ("GET", "/b/k?uploadId=u", {}, "ListParts"),
        ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload"),
        ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload"),
        ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
        ("PATCH", "/b/k", {}, "Unknown"),
        ("POST", "/", {}, "Unknown"),
    ],
)
def test_a_request_has_the_name_that_s3_gives_it(method, target, headers, name):
    assert classify(method, target, headers).name == name


def test_a_key_is_decoded_and_keeps_its_slashes():
    operation = classify("PUT", "/my-bucket/a%20b/%C3%BC//c?x-id=PutObject", {})
    assert (operation.bucket, operation.key) == ("my-bucket", "a b/ü//c")


def test_a_part_names_its_upload_and_number():
    operation = classify("PUT", "/b/k?partNumber=12&uploadId=u%2B1", {})
    assert (operation.upload, operation.part) == ("u+1", 12)


def test_a_part_number_that_is_none_is_no_part_number():
    assert classify("PUT", "/b/k?partNumber=x&uploadId=u", {}).part is None


def test_conditions_are_told_as_they_were_sent():
    operation = classify("PUT", "/b/k", {"if-none-match": "*", "content-type": "x"})
    assert operation.condition == "if-none-match:*"
    assert classify("PUT", "/b/k", {"if-match": '"abc"'}).condition == 'if-match:"abc"'


@pytest.mark.parametrize(
    ("method", "target", "writes"),
    [
        ("PUT", "/b/k", True),
        ("POST", "/b/k?uploads", True),
        ("DELETE", "/b/k?uploadId=u", True),
        ("POST", "/b?delete", True),
        ("GET", "/b/k", False),
        ("HEAD", "/b/k", False),
        ("GET", "/b?uploads", False),
    ],
)
def test_only_what_may_change_the_store_is_a_write(method, target, writes):
    assert classify(method, target, {}).writes is writes
