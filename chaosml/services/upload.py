"""The body of a request on its way through the gate, never longer or shorter at the store.

    client ─► decode ─► digest ─► withhold the last piece ─► store

Bodies up to 1 MiB are read whole before anything is sent. Longer ones stream, and
their last piece is held back until everything that the client stated about the
body has been verified. The store is told the length beforehand, so a body
that is refused, or whose client leaves, stays incomplete there and is not stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from chaosml.errors import ServiceError
from chaosml.services.payload import ChunkedDecoder, PayloadCheck, is_chunked
from chaosml.services.refusal import Refusal
from chaosml.services.signing import UNSIGNED_PAYLOAD
from chaosml.services.store import EMPTY_SHA256

__all__ = ["ClientGone", "Severed", "Upload"]

_WHOLE_BYTES_MAX = 1 << 20
_SHA256_HEX_CHARS = 64


class ClientGone(ServiceError):
    """The client went away before it had its answer."""


class Severed(ServiceError):
    """The connection to the client is to be cut, since an injection wants it so."""


class Upload:
    """The body of one request."""

    def __init__(
        self,
        request: web.BaseRequest,
        headers: Mapping[str, str],
        check: PayloadCheck,
        *,
        sever_after: int | None = None,
    ) -> None:
        """Prepare to read the body.

        Args:
            request: The request, its body unread.
            headers: Its header fields, names in lower case.
            check: Digests the payload and compares it with what was stated.
            sever_after: Bytes of the payload after which it is broken off; None: never. A
                shorter one is broken off at its end, so that none is ever complete.

        Raises:
            Refusal: the length is not stated.
        """
        self.check = check
        self.complete = False
        """Whether all of it was verified and may have reached the store."""
        self.failure: Refusal | ClientGone | Severed | None = None
        """Why sending it was broken off."""
        self.trailing: dict[str, str] = {}
        """Checksums from the trailer, verified; there for bodies that were read whole."""
        self._sever_after = sever_after
        self._request = request
        self._stated_sha256 = headers.get("x-amz-content-sha256", "")
        self._decoder = ChunkedDecoder() if is_chunked(headers) else None
        self.size = self._stated_size(headers)

    def _stated_size(self, headers: Mapping[str, str]) -> int:
        name = "content-length" if self._decoder is None else "x-amz-decoded-content-length"
        stated = headers.get(name)
        if stated is None and not self._request.can_read_body:
            return 0
        if stated is None or not stated.isdecimal():
            raise Refusal(411, "MissingContentLength", f"You must provide the {name} header.")
        return int(stated)

    @property
    def is_streamed(self) -> bool:
        """Whether it is too long to be read whole first."""
        return self.size > _WHOLE_BYTES_MAX

    @property
    def payload_sha256(self) -> str:
        """What the signature for the store says of the payload."""
        if self.is_streamed:
            stated = self._stated_sha256
            return stated if len(stated) == _SHA256_HEX_CHARS else UNSIGNED_PAYLOAD
        return self.check.sha256 if self.size else EMPTY_SHA256

    async def open(self) -> bytes | AsyncIterator[bytes] | None:
        """Let the client send and return what goes to the store: bytes, or pieces as they come.

        Raises:
            Refusal: a body read whole is not what was stated.
            ClientGone: the client left while it was read.
            Severed: a body read whole was to be broken off.
        """
        if self._sever_after == 0:
            self._sever(0)
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            try:
                await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            except ConnectionError as error:
                raise ClientGone("the client left before it sent its body") from error
            # What was written is no part of the answer.
            self._request.writer.output_size = 0
        if self.is_streamed:
            return self._withhold()
        pieces = [piece async for piece in self._pieces()]
        self._verify()
        return b"".join(pieces) or None

    async def _pieces(self) -> AsyncIterator[bytes]:
        content = self._request.content
        while True:
            try:
                data = await content.readany()
            except (ConnectionError, web.RequestPayloadError) as error:
                raise ClientGone("the client left in the middle of its request") from error
            if not data:
                break
            piece = data if self._decoder is None else self._decoder.feed(data)
            if piece:
                self.check.update(piece)
                if self.check.size > self.size:
                    raise Refusal(400, "IncompleteBody", "The body is longer than was stated.")
                self._sever(self.check.size)
                yield piece
        if self._decoder is not None:
            self._decoder.finish()

    def _sever(self, size: int) -> None:
        if self._sever_after is not None and size >= self._sever_after:
            raise Severed(f"broken off after {size} bytes")

    def _verify(self) -> None:
        if self.check.size != self.size:
            raise Refusal(
                400, "IncompleteBody", f"{self.size} bytes were stated, {self.check.size} came."
            )
        if self._sever_after is not None:
            raise Severed("broken off at its end")
        trailer = {} if self._decoder is None else self._decoder.trailer
        self.trailing = self.check.verify(trailer)
        self.complete = True

    async def _withhold(self) -> AsyncIterator[bytes]:
        last = b""
        try:
            async for piece in self._pieces():
                if last:
                    yield last
                last = piece
            self._verify()
        except (Refusal, ClientGone, Severed) as failure:
            self.failure = failure
            # An OSError is what makes the HTTP client drop its connection to the store.
            raise ConnectionAbortedError("the upload was broken off") from failure
        yield last
