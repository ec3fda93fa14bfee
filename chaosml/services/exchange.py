"""One request at the gate, from its head to its record."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping

import aiohttp
from aiohttp import web

from chaosml import clock
from chaosml.event import Deletion, Request
from chaosml.services.connection import connection_of
from chaosml.services.deletions import deletions_of
from chaosml.services.disturbances import LATE_ERROR, RESET, THROTTLE
from chaosml.services.execution import Execution
from chaosml.services.messages import Disturbance
from chaosml.services.operation import classify
from chaosml.services.payload import PayloadCheck
from chaosml.services.refusal import Refusal
from chaosml.services.signing import access_key_id, strip_presigned
from chaosml.services.sources import GATE
from chaosml.services.store import Store, StoreAnswer, StoreUnanswered
from chaosml.services.upload import ClientGone, Severed, Upload

__all__ = ["Exchange"]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_REPLACED = _HOP_BY_HOP | {
    "authorization",
    "content-length",
    "date",
    "expect",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-trailer",
}
_ERROR_IN_200 = ("CompleteMultipartUpload", "CopyObject", "UploadPartCopy")
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_WHOLE_RANGE = re.compile(r"bytes 0-(\d+)/(\d+)")


class Exchange:
    """A request and what became of it."""

    def __init__(
        self, request: web.BaseRequest, execution: Execution, store: Store, *, strict: bool
    ) -> None:
        self._arrived_ns = clock.monotonic_ns()
        self._decided_ns: int | None = None
        """When the answer to a write was about to leave: before that nobody knew of it."""
        self._request = request
        self._execution = execution
        self._store = store
        self._strict = strict
        self._connection = connection_of(request)
        self._target = _origin_form(request.raw_path)
        self._headers = _lower(request)
        self._operation = classify(request.method, self._target, self._headers)
        self._pod = execution.find_pod(access_key_id(self._headers, self._target))
        # A handler that breaks leaves these, with aiohttp's 500.
        self._outcome = "store-failed"
        self._status: int | None = 500
        self._stored: bool | None = None
        self._version: str | None = None
        self._upload_id = self._operation.upload
        self._injection: str | None = None
        self._size: int | None = None
        self._sha256: str | None = None
        self._asked = b""
        """The body of a DeleteObjects request."""
        self._deletions: tuple[Deletion, ...] = ()

    async def run(self) -> web.StreamResponse:
        """Pass the request on and its answer back, and record what happened."""
        try:
            return await self._pass_on()
        except Refusal as refusal:
            self._outcome = "refused" if self._injection is None else "throttled"
            self._stored = False
            return await self._answer_error(refusal)
        except ClientGone:
            self._outcome, self._status = "client-gone", None
            if self._request.transport is not None:
                self._request.transport.abort()
            return web.Response()
        except Severed:
            # What was lost is the answer, or else the request.
            self._outcome = "answer-lost" if self._stored else "reset"
            self._status = None
            self._connection.reset()
            return web.Response()
        except StoreUnanswered as error:
            self._outcome = "store-failed"
            self._stored = None if error.sent else False
            # Names the store's address and the system's error, nothing of the request.
            return await self._answer_error(
                Refusal(503, "ServiceUnavailable", f"The store does not answer: {error}.")
            )
        except asyncio.CancelledError:
            # The execution ended, its pods are dead, and the time to drain is over.
            self._outcome, self._status = "client-gone", None
            raise
        finally:
            self._record()

    async def _pass_on(self) -> web.StreamResponse:
        self._refuse_by_name()
        if not await self._hold("before"):
            self._stored = False
            raise ClientGone("the client left in front of the store")
        disturbance = self._take_disturbance(stored=False)
        if disturbance is not None and disturbance.how == THROTTLE:
            raise _refusal_of(disturbance)
        if disturbance is not None and disturbance.how == LATE_ERROR:
            return await self._answer_late_error()
        resets = disturbance is not None and disturbance.how == RESET
        after = disturbance.after_bytes if disturbance is not None and resets else None
        async with await self._send(after) as answer:
            self._version = answer.headers.get("x-amz-version-id")
            content = await self._read_answer(answer) if self._operation.writes else None
            if self._stored and self._operation.name == "PutObject":
                self._note_digest()
            if self._succeeded(answer, content) and not await self._hold("after"):
                raise ClientGone("the client left behind the store")
            if self._stored and self._take_disturbance(stored=True) is not None:
                raise Severed("the answer is lost")
            return await self._answer(answer, content)

    def _refuse_by_name(self) -> None:
        name = self._operation.name
        if not self._target.startswith("/"):
            # It would be put behind the store's address, and name another host there.
            raise Refusal(400, "InvalidURI", "The request target is no path.")
        if name in ("Unknown", "PostObject", "SelectObjectContent"):
            detail = f"The gate does not know this {self._request.method} request ({name})."
            raise Refusal(501, "NotImplemented", detail)
        for field, value in self._request.headers.items():
            if not value.isascii() and not _is_text(value):
                raise Refusal(400, "InvalidRequest", f"The header {field} is not UTF-8.")
        if not self._strict:
            return
        if self._operation.bucket in ("moto-api", "-"):
            raise Refusal(403, "AccessDenied", "This path controls the embedded store itself.")
        if name == "CopyObject" and "if-none-match" in self._headers:
            raise Refusal(
                501,
                "NotImplemented",
                "The embedded store ignores If-None-Match on CopyObject, so it would not guard "
                "the copy: promote with a conditional PutObject, or use another store.",
            )

    async def _hold(self, when: str) -> bool:
        """Wait where a rule is due; return whether the client is still there to go on."""
        pod = self._pod
        if pod is None or self._execution.is_dead(pod.uid):
            return True
        rule = self._execution.rules.take_request(self._operation, pod, when)
        if rule is None:
            return True
        hold = self._execution.hold(GATE, rule, pod.uid, step=None, key=self._operation.key)
        with self._connection.on_loss(hold.leave):
            why = await hold.ended
        return why not in ("death", "abandoned") and not self._connection.gone

    def _take_disturbance(self, *, stored: bool) -> Disturbance | None:
        """Return the disturbance that the request meets, if it meets one."""
        pod = self._pod
        if pod is None or self._injection is not None or self._execution.is_dead(pod.uid):
            return None
        found = self._execution.disturbances.take(self._operation, pod, stored=stored)
        self._injection = None if found is None else found.injection
        return found

    async def _answer_late_error(self) -> web.StreamResponse:
        """Answer 200 with an error in the body, as S3 does where it fails after its first byte."""
        try:
            async for _ in self._request.content.iter_any():
                pass
        except (ConnectionError, web.RequestPayloadError) as error:
            raise ClientGone("the client left in the middle of its request") from error
        self._outcome, self._status, self._stored = "late-error", 200, False
        # In the words of S3's documentation of CompleteMultipartUpload.
        words = "We encountered an internal error. Please try again."
        body = Refusal(500, "InternalError", words).render(self._target.partition("?")[0])
        return web.Response(body=body, content_type="application/xml")

    async def _send(self, sever_after: int | None) -> StoreAnswer:
        check = PayloadCheck(
            self._headers,
            of_body=self._operation.name != "CompleteMultipartUpload",
            strict=self._strict,
        )
        upload = Upload(self._request, self._headers, check, sever_after=sever_after)
        target = strip_presigned(self._target)
        try:
            body = await upload.open()
            if self._operation.name == "DeleteObjects" and isinstance(body, bytes):
                self._asked = body
            headers = self._headers_for_store(upload)
            return await self._store.send(
                self._request.method, target, headers, body, upload.payload_sha256
            )
        except StoreUnanswered as error:
            if upload.failure is not None:
                raise upload.failure from error
            # Without its last piece an upload is nothing to the store.
            raise StoreUnanswered(str(error), sent=error.sent and upload.complete) from error
        finally:
            if not upload.complete:
                self._stored = False
            elif self._operation.carries_object:
                self._size, self._sha256 = check.size, check.sha256

    def _headers_for_store(self, upload: Upload) -> dict[str, str]:
        passed: dict[str, str] = {}
        for name, value in self._request.headers.items():
            if name.lower() not in _REPLACED:
                passed[name] = f"{passed[name]},{value}" if name in passed else value
        if "aws-chunked" in self._headers.get("content-encoding", ""):
            self._drop(passed, "content-encoding")
            codings = [coding.strip() for coding in self._headers["content-encoding"].split(",")]
            if rest := [coding for coding in codings if coding and coding != "aws-chunked"]:
                passed["Content-Encoding"] = ",".join(rest)
        passed |= upload.trailing
        if upload.is_streamed and not self._strict and "x-amz-trailer" in self._headers:
            # The checksum comes after the head; it was stated to us and is verified by us.
            self._drop(passed, "x-amz-sdk-checksum-algorithm")
        if upload.size or self._request.method in ("PUT", "POST"):
            passed["Content-Length"] = str(upload.size)
        return passed

    @staticmethod
    def _drop(headers: dict[str, str], unwanted: str) -> None:
        for name in [name for name in headers if name.lower() == unwanted]:
            del headers[name]

    async def _read_answer(self, answer: StoreAnswer) -> bytes:
        try:
            content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StoreUnanswered(f"its answer broke off ({error})", sent=True) from error
        if answer.status >= 500:
            self._stored = None
        else:
            self._stored = self._succeeded(answer, content)
        if self._operation.name == "CreateMultipartUpload" and (
            found := _UPLOAD_ID.search(content)
        ):
            self._upload_id = found[1].decode()
        if self._asked and self._stored:
            self._deletions = deletions_of(self._asked, content)
        return content

    def _succeeded(self, answer: StoreAnswer, content: bytes | None) -> bool:
        if self._operation.name in _ERROR_IN_200 and content and b"<Error>" in content[:1024]:
            return False
        return answer.status < 400

    async def _answer(self, answer: StoreAnswer, content: bytes | None) -> web.StreamResponse:
        kept = [(n, v) for n, v in answer.headers.items() if n.lower() not in _HOP_BY_HOP]
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
        if not self._request.content.at_eof():
            response.force_close()
        self._status = answer.status
        if self._connection.gone:
            raise ClientGone("the client left before its answer")
        if self._operation.writes:
            self._decided_ns = clock.monotonic_ns()
        try:
            await response.prepare(self._request)
            if content is None:
                await self._stream(answer, response)
            elif content:
                await response.write(content)
            await response.write_eof()
        except ConnectionError as error:
            raise ClientGone("the client left in the middle of its answer") from error
        self._outcome = "answered"
        return response

    async def _stream(self, answer: StoreAnswer, response: web.StreamResponse) -> None:
        """Pass an answer's body on as it comes, digesting an object's where it is not known."""
        is_object = self._operation.name == "GetObject" and answer.status in (200, 206)
        known = self._known_digest() if is_object else None
        digest = hashlib.sha256() if is_object and known is None else None
        size = 0
        while piece := await self._read_piece(answer):
            size += len(piece)
            if digest is not None:
                digest.update(piece)
            await response.write(piece)
        if is_object:
            self._size = size
            if _is_whole(answer):
                self._settle_digest(size, known, digest)

    def _settle_digest(
        self, size: int, known: tuple[int, str] | None, digest: hashlib._Hash | None
    ) -> None:
        """State the digest of a whole object; what is not as long as it was put stays unknown."""
        if digest is not None:
            self._sha256 = digest.hexdigest()
            self._note_digest()
        elif known is not None and known[0] == size:
            self._sha256 = known[1]

    def _known_digest(self) -> tuple[int, str] | None:
        version = self._version_key
        return None if version is None else self._execution.digests.get(version)

    def _note_digest(self) -> None:
        version = self._version_key
        if version is not None and self._size is not None and self._sha256 is not None:
            self._execution.digests[version] = (self._size, self._sha256)

    @property
    def _version_key(self) -> tuple[str, str, str] | None:
        """Names what never changes; None where the store keeps no versions."""
        if self._version in (None, "", "null"):
            return None
        return self._operation.bucket, self._operation.key, str(self._version)

    async def _read_piece(self, answer: StoreAnswer) -> bytes:
        try:
            return await answer.content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            # Only a broken connection tells the client that the rest is missing.
            if self._request.transport is not None:
                self._request.transport.abort()
            raise StoreUnanswered(f"its answer broke off ({error})", sent=True) from error

    async def _answer_error(self, refusal: Refusal) -> web.StreamResponse:
        self._status = refusal.status
        if self._connection.gone or self._request.writer.output_size > 0:
            return web.Response()
        path = self._target.partition("?")[0]
        response = web.Response(
            status=refusal.status,
            reason=refusal.reason,
            headers=refusal.headers,
            body=refusal.render(path),
            content_type="application/xml",
        )
        # What is left of the body must not be taken for the next request.
        response.force_close()
        try:
            await response.prepare(self._request)
            await response.write_eof()
        except ConnectionError:
            self._status = None
        return response

    def _record(self) -> None:
        operation = self._operation
        uid = None if self._pod is None else self._pod.uid
        self._execution.emit(
            GATE,
            f"pod/{uid}" if uid else f"source/{GATE}",
            Request(
                operation=operation.name,
                bucket=operation.bucket,
                key=operation.key,
                uid=uid,
                status=self._status,
                outcome=self._outcome,
                stored=self._stored if operation.writes else None,
                version=self._version,
                size=self._size,
                sha256=self._sha256,
                condition=operation.condition,
                upload=self._upload_id,
                part=operation.part,
                deletions=self._deletions,
                injection=self._injection,
            ),
            earliest_ns=self._arrived_ns,
            latest_ns=self._decided_ns,
        )


def _refusal_of(disturbance: Disturbance) -> Refusal:
    """Return a refusal as S3 words it; Google's XML API says the same with status 429."""
    wait_s = disturbance.retry_after_s
    return Refusal(
        disturbance.status,
        "SlowDown",
        "Please reduce your request rate.",
        reason="Slow Down" if disturbance.status == 503 else "Too Many Requests",
        headers={} if wait_s is None else {"Retry-After": str(wait_s)},
    )


def _lower(request: web.BaseRequest) -> Mapping[str, str]:
    """Return the fields by names in lower case, as text: what is no UTF-8 is replaced."""
    return {name.lower(): _as_text(value) for name, value in request.headers.items()}


def _as_text(value: str) -> str:
    if value.isascii():
        return value
    return value.encode(errors="surrogateescape").decode(errors="replace")


def _origin_form(target: str) -> str:
    """Return path and query of a request target; a client of a proxy sends a whole URL.

    RFC 9112, section 3.2.2: a server must accept the absolute form too.
    """
    found = _ABSOLUTE.match(target)
    return target if found is None else target[found.end() :] or "/"


def _is_text(value: str) -> bool:
    """Whether a header's bytes were UTF-8; what was not stands there as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_whole(answer: StoreAnswer) -> bool:
    if answer.status == 200:
        return True
    found = _WHOLE_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) + 1 == int(found[2])
