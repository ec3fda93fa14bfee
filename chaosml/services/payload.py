"""The payload of an upload: decoded, digested, and checked against what the client stated.

moto stores a body whose checksum is wrong, so the gate checks them all itself:
`x-amz-content-sha256`, `Content-MD5` and `x-amz-checksum-*`, in the header or in
the trailer of an `aws-chunked` body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from chaosml.services.refusal import Refusal

__all__ = ["ChunkedDecoder", "PayloadCheck", "is_chunked"]

_HEADER_BYTES_MAX = 16 * 1024
_CHECKSUM = "x-amz-checksum-"
_NOT_VALUES = ("algorithm", "mode", "type")


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None:
        """Take more of the payload."""

    def digest(self) -> bytes:
        """Return the digest of what was taken."""


class _Cyclic:
    """A cyclic redundancy check behind hashlib's interface."""

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _create_digest(algorithm: str) -> _Digest | None:
    """Return a digest of S3's name, None for an algorithm that is not at hand."""
    match algorithm:
        case "crc32":
            return _Cyclic(zlib.crc32, 4)
        case "sha1" | "sha256" | "sha512" | "md5":
            return hashlib.new(algorithm, usedforsecurity=False)
        case "crc32c" | "crc64nvme":
            try:
                # botocore uses the same library where it is installed.
                checksums = importlib.import_module("awscrt.checksums")
            except ImportError:
                return None
            return _Cyclic(getattr(checksums, algorithm), 4 if algorithm == "crc32c" else 8)
    return None


def is_chunked(headers: Mapping[str, str]) -> bool:
    """Return whether a body is in S3's own chunks (`aws-chunked`), signed or not."""
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-") or (
        "aws-chunked" in headers.get("content-encoding", "").lower()
    )


class ChunkedDecoder:
    """Takes S3's chunks off a body as it arrives; keeps the trailer.

    `SIZE[;chunk-signature=…] CRLF data CRLF … 0[;…] CRLF name:value CRLF … CRLF`
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._left = -1
        """Bytes left of the chunk's data; -1 in front of a chunk's head."""
        self._in_trailer = False
        self.finished = False
        self.trailer: dict[str, str] = {}

    def feed(self, data: bytes) -> bytes:
        """Take encoded bytes; return the payload decoded from them.

        Raises:
            Refusal: the bytes are not in S3's chunks.
        """
        self._buffer += data
        decoded: list[bytes] = []
        while self._buffer and not self.finished:
            if self._left > 0:
                piece = self._buffer[: self._left]
                self._buffer = self._buffer[len(piece) :]
                self._left -= len(piece)
                decoded.append(piece)
            elif not self._take_line():
                break
        return b"".join(decoded)

    def finish(self) -> None:
        """State that the body has ended.

        Raises:
            Refusal: the last chunk has not arrived.
        """
        # A trailer may end with the body instead of with an empty line.
        if not (self.finished or self._in_trailer):
            raise Refusal(400, "IncompleteBody", "The chunked body ended before its last chunk.")

    def _take_line(self) -> bool:
        line, separator, rest = self._buffer.partition(b"\r\n")
        if not separator:
            if len(self._buffer) > _HEADER_BYTES_MAX:
                raise Refusal(400, "InvalidRequest", "A chunk's head is too long.")
            return False
        self._buffer = rest
        if self._in_trailer:
            self._take_trailer(line)
        elif self._left == 0:
            self._end_chunk(line)
        else:
            self._begin_chunk(line)
        return True

    def _end_chunk(self, line: bytes) -> None:
        if line:
            raise Refusal(400, "InvalidRequest", "A chunk is longer than its head says.")
        self._left = -1

    def _begin_chunk(self, line: bytes) -> None:
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise Refusal(400, "InvalidRequest", "A chunk's head has no size.") from None
        if size < 0:
            raise Refusal(400, "InvalidRequest", "A chunk's head has a negative size.")
        self._left = size if size else -1
        self._in_trailer = size == 0

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self.finished = True
            return
        name, _, value = line.decode("latin-1").partition(":")
        self.trailer[name.strip().lower()] = value.strip()


class PayloadCheck:
    """Digests a payload as it passes and compares it with every digest the client stated."""

    def __init__(self, headers: Mapping[str, str], *, of_body: bool, strict: bool) -> None:
        """Prepare for the stated digests.

        Args:
            headers: Header fields of the request, names in lower case.
            of_body: Whether `x-amz-checksum-*` speaks of this body; on
                CompleteMultipartUpload it speaks of the assembled object.
            strict: Whether to refuse a checksum that cannot be computed here, since the
                store would accept a wrong one.

        Raises:
            Refusal: a stated digest is malformed or cannot be checked.
        """
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._stated: dict[str, str] = {}
        self._digests: dict[str, _Digest] = {}
        self._stated_sha256 = headers.get("x-amz-content-sha256", "")
        if "content-md5" in headers:
            self._expect("md5", headers["content-md5"], code="InvalidDigest")
        if of_body:
            self._expect_checksums(headers, strict)

    def _expect_checksums(self, headers: Mapping[str, str], strict: bool) -> None:
        announced = headers.get("x-amz-trailer", "").lower().split(",")
        names = {*headers, *(name.strip() for name in announced)}
        for name in sorted(names):
            algorithm = name.removeprefix(_CHECKSUM)
            if not name.startswith(_CHECKSUM) or algorithm in _NOT_VALUES:
                continue
            if self._prepare(algorithm):
                if name in headers:
                    self._expect(algorithm, headers[name], code="InvalidRequest")
            elif strict:
                raise Refusal(
                    501,
                    "NotImplemented",
                    f"The gate cannot check {algorithm}, and its store would accept a wrong one: "
                    "use CRC32 or SHA256, or install awscrt beside chaosml.",
                )

    def _prepare(self, algorithm: str) -> bool:
        digest = _create_digest(algorithm)
        if digest is not None:
            self._digests.setdefault(algorithm, digest)
        return digest is not None

    def _expect(self, algorithm: str, value: str, *, code: str) -> None:
        self._prepare(algorithm)
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Refusal(400, code, f"The stated {algorithm} is not base64.") from None
        self._stated[algorithm] = value

    @property
    def sha256(self) -> str:
        """SHA-256 of what has passed, in hexadecimal."""
        return self._sha256.hexdigest()

    def update(self, data: bytes) -> None:
        """Take more of the decoded payload."""
        self.size += len(data)
        self._sha256.update(data)
        for digest in self._digests.values():
            digest.update(data)

    def verify(self, trailer: Mapping[str, str]) -> dict[str, str]:
        """Compare the whole payload with everything stated; return the trailer's checksums.

        Raises:
            Refusal: something differs.
        """
        if len(self._stated_sha256) == 64 and self._stated_sha256.lower() != self.sha256:
            raise Refusal(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        trailing = {name: value for name, value in trailer.items() if name.startswith(_CHECKSUM)}
        for name, value in trailing.items():
            if name.removeprefix(_CHECKSUM) in self._digests:
                self._expect(name.removeprefix(_CHECKSUM), value, code="InvalidRequest")
        for algorithm, value in self._stated.items():
            if base64.b64decode(value) != self._digests[algorithm].digest():
                raise Refusal(
                    400,
                    "BadDigest",
                    f"The {algorithm} you specified did not match the calculated checksum.",
                )
        return trailing
