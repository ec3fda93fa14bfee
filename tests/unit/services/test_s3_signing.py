"""Whose a request is, and its signature for the store."""

import re

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chaosml.services.signing import Signer, access_key_id, strip_presigned

UID = "7a3e0c9e-1f0b-4b7e-9d52-000000000001"


@pytest.mark.parametrize(
    "authorization",
    [
        f"AWS4-HMAC-SHA256 Credential={UID}/20261125/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=00",
        f"AWS4-HMAC-SHA256 SignedHeaders=host,Signature=00,Credential={UID}/20261125/r/s3/x",
        f"AWS {UID}:c2lnbmF0dXJl",
    ],
)
def test_the_credential_of_a_signed_request_is_found(authorization):
    assert access_key_id({"authorization": authorization}, "/b/k") == UID


@pytest.mark.parametrize(
    "target",
    [
        f"/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={UID}%2F20261125%2Fr%2Fs3%2Fx",
        f"/b/k?AWSAccessKeyId={UID}&Signature=00&Expires=1",
    ],
)
def test_the_credential_of_a_presigned_request_is_found(target):
    assert access_key_id({}, target) == UID


@pytest.mark.parametrize("authorization", ["", "Bearer x", "AWS4-HMAC-SHA256 nothing"])
def test_a_request_without_a_credential_is_nobodys(authorization):
    assert access_key_id({"authorization": authorization}, "/b/k?list-type=2") is None


def test_a_presigned_signature_is_taken_off_and_the_rest_stays_as_it_was_sent():
    target = "/b/k%20x?versionId=a%2Bb&X-Amz-Credential=c%2Fd&X-Amz-Signature=00&x-amz-date=1"
    assert strip_presigned(target) == "/b/k%20x?versionId=a%2Bb"
    assert strip_presigned("/b/k?Signature=00&Expires=1&AWSAccessKeyId=x") == "/b/k"


def test_a_target_without_a_signature_stays_as_it_was_sent():
    target = "/b?list-type=2&prefix=a%2F&expires=7"
    assert strip_presigned(target) == target


def test_the_stores_signature_is_botocores_own_for_the_stated_payload():
    body = b"payload"
    theirs = AWSRequest(method="PUT", url="http://127.0.0.1:1/b/k", data=body)
    S3SigV4Auth(Credentials("id", "secret"), "s3", "us-east-1").add_auth(theirs)
    ours = Signer(Credentials("id", "secret"), "us-east-1").sign(
        "PUT", "http://127.0.0.1:1/b/k", {}, theirs.headers["X-Amz-Content-SHA256"]
    )
    assert ours["X-Amz-Content-SHA256"] == theirs.headers["X-Amz-Content-SHA256"]
    if ours["X-Amz-Date"] == theirs.headers["X-Amz-Date"]:
        assert ours["Authorization"] == theirs.headers["Authorization"]
    assert re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=id/\d{8}/us-east-1/s3/aws4_request, "
        r"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}",
        ours["Authorization"],
    )
