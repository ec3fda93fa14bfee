"""Signatures at the gate: whose a request is, and the store's own signature on it.

The access key id names the pod, so it is read and believed: pods are programs
under test, not adversaries, and a wrong signature is no fault that we look for.
The client's signature is taken off and the request is signed for the store with
the digest of the payload that the client stated, so that no body has to be
buffered for its signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

__all__ = ["UNSIGNED_PAYLOAD", "Signer", "access_key_id", "strip_presigned"]

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256\s+(?:.*,\s*)?Credential=([^/,\s]+)/|AWS ([^:\s]+):")
_PRESIGNED = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
        "awsaccesskeyid",
        "signature",
        "expires",
    }
)


def access_key_id(headers: Mapping[str, str], target: str) -> str | None:
    """Return the access key id of a signed or presigned request, None where there is none."""
    found = _AUTHORIZATION.match(headers.get("authorization", ""))
    if found:
        return found[1] or found[2]
    query = dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
    if "X-Amz-Credential" in query:
        return query["X-Amz-Credential"].partition("/")[0] or None
    return query.get("AWSAccessKeyId") or None


def strip_presigned(target: str) -> str:
    """Return the request target without a presigned URL's signature."""
    path, _, query = target.partition("?")
    names = {unquote(pair.partition("=")[0]).lower() for pair in query.split("&")}
    if not names & {"x-amz-signature", "signature"}:
        return target
    kept = [
        pair
        for pair in query.split("&")
        if unquote(pair.partition("=")[0]).lower() not in _PRESIGNED
    ]
    return f"{path}?{'&'.join(kept)}" if kept else path


class _StatedPayloadAuth(S3SigV4Auth):
    """Signs for a payload whose digest is stated instead of computed."""

    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload_sha256"])


class Signer:
    """Signs requests with the store's own credentials."""

    def __init__(self, credentials: Credentials, region: str) -> None:
        self._credentials = credentials
        self.region = region

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], payload_sha256: str
    ) -> dict[str, str]:
        """Return `headers` with those of the signature added."""
        request = AWSRequest(method=method, url=url, headers=dict(headers))
        request.context["payload_sha256"] = payload_sha256
        # Frozen: credentials that are renewed must not change between key and token.
        credentials = self._credentials.get_frozen_credentials()
        _StatedPayloadAuth(credentials, "s3", self.region).add_auth(request)
        return dict(request.headers.items())
