"""The embedded store inside the services process: moto, called with no network in between.

A sweep executes short executions by the hundred, and carrying requests to the store's own
process and back took more of the processors than storing. It is the same moto behind the
same application as in that process, so a request is answered alike; but one that takes
moto long keeps the services waiting, which a timed execution could not bear.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web
from multidict import CIMultiDict

from chaosml.services.state_door import StateDoor

__all__ = ["InsideAnswer", "InsideStore", "application"]

_INLINE_BYTES_MAX = 1 << 20
"""What moto digests in a moment; more goes to a thread."""
_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=chaosml/20000101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
"""Moto believes every signature, but treats a request without one as anonymous."""


def application() -> StateDoor:
    """Return moto's S3 as a WSGI application, with the way in for whole bucket states."""
    # Imported here: moto takes a quarter of a second, and the parent must be watched before.
    from moto.moto_server.werkzeug_app import create_backend_app

    return StateDoor(create_backend_app("s3"))


class InsideAnswer:
    """An answer that is there whole; used as `aiohttp.ClientResponse` is."""

    def __init__(self, status: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        code, _, self.reason = status.partition(" ")
        self.status = int(code)
        self.headers = CIMultiDict(headers)
        self._body = body

    async def __aenter__(self) -> InsideAnswer:
        """Nothing has to be kept open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing has to be closed."""

    @property
    def content(self) -> InsideAnswer:
        """The body as a stream."""
        return self

    async def read(self) -> bytes:
        """Return the body."""
        return self._body

    async def readany(self) -> bytes:
        """Return what is left of the body."""
        body, self._body = self._body, b""
        return body


class InsideStore:
    """Answers requests of the gate, and over HTTP those of the audit."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    async def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> InsideAnswer:
        """Answer a request, whoever signed it.

        Args:
            method: HTTP method.
            target: Path and query, percent-encoded.
            headers: Header fields.
            body: What is sent.
        """
        whole = body if isinstance(body, bytes) else await _gather(body)
        environ = _environ(method, target, headers, whole)
        if len(whole) > _INLINE_BYTES_MAX:
            return await asyncio.to_thread(self._call, environ)
        return self._call(environ)

    def _call(self, environ: dict[str, Any]) -> InsideAnswer:
        said: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], error: object = None
        ) -> Callable[[bytes], object]:
            said.append((status, headers))
            return lambda _: None

        pieces = self._application(environ, start_response)
        try:
            body = b"".join(pieces)
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                close()
        return InsideAnswer(*said[-1], body)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request that came over HTTP."""
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # What was written is no part of the answer.
            request.writer.output_size = 0
        # Not `request.read`, which takes a mebibyte at most.
        body = await request.content.read()
        answer = await self.ask(request.method, request.raw_path, request.headers, body)
        response = web.Response(
            status=answer.status,
            reason=answer.reason,
            headers=answer.headers,
            body=await answer.read(),
        )
        if request.method == "HEAD" and "Content-Length" in answer.headers:
            response.headers["Content-Length"] = answer.headers["Content-Length"]
        return response


async def _gather(pieces: AsyncIterator[bytes] | None) -> bytes:
    return b"" if pieces is None else b"".join([piece async for piece in pieces])


def _environ(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return a request as PEP 3333 has it, with what werkzeug's server and moto's add."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **_fields(headers),
    }
    environ["CONTENT_LENGTH"] = str(len(body))
    # An address, so that moto takes the bucket's name from the path.
    environ["HTTP_HOST"] = "127.0.0.1"
    environ.setdefault("HTTP_AUTHORIZATION", _AUTHORIZATION)
    return environ


def _fields(headers: Mapping[str, str]) -> dict[str, Any]:
    """Return header fields by their WSGI names.

    A name with an underscore would stand there as the one with a dash: such fields are
    dropped, but for metadata, whose spelling moto gets beside.
    """
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    fields: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for name, value in sorted(headers.items(), key=lambda field: "_" in field[0]):
        key = environ_key_for_header(name)
        if "_" in name:
            if key in fields or not should_preserve_original_header_name(name):
                continue
            spelled[key] = name
        fields[key] = value
    fields.pop("HTTP_TRANSFER_ENCODING", None)
    fields[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = spelled
    return fields
