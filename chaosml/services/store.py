"""The store behind the gate, as the gate talks to it."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote

import aiohttp
import yarl

from chaosml.errors import ServiceError
from chaosml.services.signing import Signer
from chaosml.services.store_inside import InsideStore

__all__ = ["EMPTY_SHA256", "Store", "StoreAnswer", "StoreUnanswered"]

EMPTY_SHA256 = hashlib.sha256().hexdigest()

_CONNECT_S = 5.0
_SILENCE_S = 60.0
_SKIPPED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_NOT_IMPLEMENTED = (405, 501)


class StoreUnanswered(aiohttp.ClientError, ServiceError):
    """The store gave no answer. `sent` says whether anything may have reached it."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class _Pieces(Protocol):
    """A body as it comes."""

    async def readany(self) -> bytes:
        """Return what is there next; empty at the end."""


class StoreAnswer(Protocol):
    """What the gate needs of an answer, wherever the store is."""

    async def __aenter__(self) -> Self:
        """Keep it open within the context."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def reason(self) -> str | None:
        """The words of the status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; names in any case."""

    @property
    def content(self) -> _Pieces:
        """The body as a stream."""

    async def read(self) -> bytes:
        """Return the whole body."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Turn a broken connection into an error that the session does not retry.

    A request that the store carried out before the connection broke would be carried out
    twice, behind the back of the pod whose request it was.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise StoreUnanswered(str(error), sent=False) from error
    except (aiohttp.ClientError, OSError) as error:
        raise StoreUnanswered(str(error) or type(error).__name__, sent=True) from error


class Store:
    """An S3 endpoint."""

    def __init__(self, url: str, signer: Signer, inside: InsideStore | None = None) -> None:
        """Prepare to talk to the endpoint; needs a running event loop.

        Args:
            url: Where it listens.
            signer: Signs requests.
            inside: The store itself, where it is in this process: it is asked directly.
        """
        self.url = url.rstrip("/")
        self._inside = inside
        self._signer = signer
        # A pooled connection may be closed by the store just as the next request is sent,
        # which cannot be told from a request that it carried out.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S
            ),
            auto_decompress=False,
            read_bufsize=1 << 18,
            middlewares=(_send_once,),
            skip_auto_headers=_SKIPPED,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        payload_sha256: str,
    ) -> StoreAnswer:
        """Send a request, signed for the store; return its answer once its head is there.

        Args:
            method: HTTP method.
            target: Path and query, percent-encoded; sent as it is.
            headers: Header fields, `Content-Length` included where the body is an iterator.
            body: What to send.
            payload_sha256: Digest of the body, or `UNSIGNED-PAYLOAD`.

        Raises:
            StoreUnanswered: there was no answer.
        """
        if self._inside is not None:
            try:
                return await self._inside.ask(method, target, headers, body)
            except OSError as error:  # The upload was broken off, and nothing came of it.
                raise StoreUnanswered(str(error), sent=False) from error
        url = self.url + target
        signed = self._signer.sign(method, url, headers, payload_sha256)
        try:
            return await self._session.request(
                method,
                yarl.URL(url, encoded=True),
                headers=signed,
                data=body,
                allow_redirects=False,
            )
        except TimeoutError as error:
            raise StoreUnanswered(f"no answer within {_SILENCE_S:.0f} s", sent=True) from error

    async def _ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        digest = hashlib.sha256(body).hexdigest()
        try:
            async with await self.send(method, target, {}, body or None, digest) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceError(f"the store at {self.url} does not answer: {error}") from error

    async def create_bucket(self, bucket: str) -> None:
        """Create a bucket with versioning, where it is not there.

        Raises:
            ServiceError: the store refused or did not answer.
        """
        path = "/" + quote(bucket, safe="")
        status, _ = await self._ask("HEAD", path)
        if status == 404:
            self._expect(await self._ask("PUT", path, self._location()), f"create {bucket!r}")
        elif status != 200:
            raise ServiceError(f"the store at {self.url} answered {status} for bucket {bucket!r}")
        enabled = (
            b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            b"<Status>Enabled</Status></VersioningConfiguration>"
        )
        answer = await self._ask("PUT", path + "?versioning", enabled)
        # Without versions the audit says so, and what cannot be known stays unknown.
        if answer[0] not in _NOT_IMPLEMENTED:
            self._expect(answer, f"switch versioning of {bucket!r} on")

    def _location(self) -> bytes:
        if self._signer.region == "us-east-1":
            return b""
        return (
            '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<LocationConstraint>{self._signer.region}</LocationConstraint>"
            "</CreateBucketConfiguration>"
        ).encode()

    def _expect(self, answer: tuple[int, bytes], what: str) -> bytes:
        status, content = answer
        if status // 100 != 2:
            detail = content[:300].decode(errors="replace")
            raise ServiceError(f"the store at {self.url} did not {what}: {status} {detail}")
        return content

    async def count_objects(self, bucket: str) -> int:
        """Count what a bucket holds: every version and delete marker, or objects without them.

        Raises:
            ServiceError: the store refused or did not answer.
        """
        path = "/" + quote(bucket, safe="")
        total, query = 0, "versions"
        while True:
            answer = await self._ask("GET", f"{path}?{query}")
            if answer[0] in _NOT_IMPLEMENTED and query == "versions":
                query = "list-type=2"
                continue
            listing = _Listing(self._expect(answer, f"list {bucket!r}"))
            total += listing.entries
            if listing.following is None:
                return total
            query = listing.following


class _Listing:
    """A page of a bucket's listing."""

    def __init__(self, content: bytes) -> None:
        root = ElementTree.fromstring(content)
        found = [(element.tag.rpartition("}")[2], element.text or "") for element in root]
        names = [name for name, _ in found]
        self.entries = sum(names.count(name) for name in ("Version", "DeleteMarker", "Contents"))
        self.following = self._following(dict(found))

    @staticmethod
    def _following(fields: Mapping[str, str]) -> str | None:
        if fields.get("IsTruncated") != "true":
            return None
        if "NextContinuationToken" in fields:
            token = quote(fields["NextContinuationToken"], safe="")
            return f"list-type=2&continuation-token={token}"
        key = quote(fields.get("NextKeyMarker", ""), safe="")
        version = quote(fields.get("NextVersionIdMarker", ""), safe="")
        return f"versions&key-marker={key}&version-id-marker={version}"
