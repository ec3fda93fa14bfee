"""Which S3 operation a request is, read from its method, path, query and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

__all__ = ["Operation", "classify"]

_CONDITIONS = (
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
)

_BUCKET_SUBRESOURCES = {
    "accelerate": "BucketAccelerateConfiguration",
    "acl": "BucketAcl",
    "analytics": "BucketAnalyticsConfiguration",
    "cors": "BucketCors",
    "encryption": "BucketEncryption",
    "inventory": "BucketInventoryConfiguration",
    "lifecycle": "BucketLifecycleConfiguration",
    "location": "BucketLocation",
    "logging": "BucketLogging",
    "metrics": "BucketMetricsConfiguration",
    "notification": "BucketNotificationConfiguration",
    "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "BucketOwnershipControls",
    "policy": "BucketPolicy",
    "policyStatus": "BucketPolicyStatus",
    "publicAccessBlock": "PublicAccessBlock",
    "replication": "BucketReplication",
    "requestPayment": "BucketRequestPayment",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "website": "BucketWebsite",
}

_OBJECT_SUBRESOURCES = {
    "acl": "ObjectAcl",
    "attributes": "ObjectAttributes",
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
    "torrent": "ObjectTorrent",
}

_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request asks of the store."""

    name: str
    """S3's name; `Unknown` for what S3 does not have."""
    bucket: str = ""
    key: str = ""
    upload: str | None = None
    part: int | None = None
    condition: str | None = None
    """Conditional headers, such as `if-none-match:*`."""

    @property
    def writes(self) -> bool:
        """Whether it may change what is stored."""
        reads = ("Get", "Head", "List", "Select", "Unknown")
        return not self.name.startswith(reads)

    @property
    def carries_object(self) -> bool:
        """Whether the request's body is an object or a part of one."""
        return self.name in ("PutObject", "UploadPart")


def classify(method: str, target: str, headers: Mapping[str, str]) -> Operation:
    """Return the operation of a request with path-style addressing.

    Args:
        method: HTTP method.
        target: The request target as it was sent, percent-encoded.
        headers: Header fields; looked up in lower case.
    """
    path, _, query = target.partition("?")
    bucket, _, key = path.lstrip("/").partition("/")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if not bucket:
        return Operation("ListBuckets" if method == "GET" else "Unknown")
    if not key:
        name = _name_for_bucket(method, parameters)
        return Operation(name or "Unknown", bucket=unquote(bucket))
    part = parameters.get("partNumber", "")
    return Operation(
        _name_for_object(method, parameters, "x-amz-copy-source" in headers) or "Unknown",
        bucket=unquote(bucket),
        key=unquote(key),
        upload=parameters.get("uploadId"),
        part=int(part) if part.isdecimal() else None,
        condition=_condition(headers),
    )


def _condition(headers: Mapping[str, str]) -> str | None:
    found = [f"{name}:{headers[name]}" for name in _CONDITIONS if name in headers]
    return "; ".join(found) or None


def _name_for_bucket(method: str, parameters: Mapping[str, str]) -> str | None:
    for subresource, name in _BUCKET_SUBRESOURCES.items():
        if subresource in parameters and method in _VERBS:
            return _VERBS[method] + name
    if method == "POST":
        return "DeleteObjects" if "delete" in parameters else "PostObject"
    if method == "GET":
        return _name_for_listing(parameters)
    return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method)


def _name_for_listing(parameters: Mapping[str, str]) -> str:
    if "versions" in parameters:
        return "ListObjectVersions"
    if "uploads" in parameters:
        return "ListMultipartUploads"
    return "ListObjectsV2" if parameters.get("list-type") == "2" else "ListObjects"


def _name_for_object(method: str, parameters: Mapping[str, str], copies: bool) -> str | None:
    for subresource, name in _OBJECT_SUBRESOURCES.items():
        if subresource in parameters and method in _VERBS:
            return _VERBS[method] + name
    if method == "POST":
        return _name_for_post(parameters)
    if "uploadId" in parameters:
        part = "UploadPartCopy" if copies else "UploadPart"
        names = {"GET": "ListParts", "PUT": part, "DELETE": "AbortMultipartUpload"}
        return names.get(method)
    put = "CopyObject" if copies else "PutObject"
    names = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": put, "DELETE": "DeleteObject"}
    return names.get(method)


def _name_for_post(parameters: Mapping[str, str]) -> str | None:
    if "uploads" in parameters:
        return "CreateMultipartUpload"
    if "uploadId" in parameters:
        return "CompleteMultipartUpload"
    if "restore" in parameters:
        return "RestoreObject"
    return "SelectObjectContent" if "select" in parameters else None
