"""Canaries: requests of our own, timed through the same proxy as a pod's.

What a fault does to them is the receipt that it does something. Behind the proxy the
gate answers (it speaks HTTP and asks no store), or a relay (see `relay`):

    POST /_canary?bytes=N               any number of bytes; N bytes come back
    NUL chaosml-canary M N LF           M bytes; N bytes come back
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from chaosml import clock
from chaosml.event import CanaryMeasured
from chaosml.services.messages import Measure

__all__ = ["BYTES_MAX", "GATE_PATH", "OPENING", "answer_http", "answer_raw", "measure"]

GATE_PATH = "/_canary"
"""No bucket can be called so."""
OPENING = b"\0chaosml-canary "
BYTES_MAX = 64 << 20

_READ_BYTES = 1 << 16
_NS_PER_S = 1e9


@dataclass(slots=True)
class _Times:
    """What was measured so far, sample by sample."""

    connect_s: list[float] = field(default_factory=list)
    first_byte_s: list[float] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)


async def measure(order: Measure) -> CanaryMeasured:
    """Send the canaries, one after the other; what cannot be measured is said in the answer."""
    times, problem, failure = _Times(), None, None
    try:
        async with asyncio.timeout(order.limit_s):
            for _ in range(order.samples):
                await _send_one(order, times)
    except TimeoutError:
        problem, failure = f"no answer within {order.limit_s:g} s", "silent"
    except OSError as error:
        problem, failure = f"{order.address}: {error}", _name(error)
    return CanaryMeasured(
        injection=order.injection,
        proxy=order.proxy,
        when=order.when,
        upload_bytes=order.upload_bytes,
        download_bytes=order.download_bytes,
        connect_s=tuple(times.connect_s),
        first_byte_s=tuple(times.first_byte_s),
        total_s=tuple(times.total_s),
        problem=problem,
        failure=failure,
    )


class _ClosedEarly(ConnectionError):
    """The connection ended before the answer did."""


def _name(error: OSError) -> str:
    """Return how a canary failed, in the words of `CanaryMeasured.failure`."""
    match error:
        case ConnectionRefusedError():
            return "refused"
        case ConnectionResetError() | BrokenPipeError():
            return "reset"
        case _ClosedEarly():
            return "cut"
        case _:
            return "unreachable"


async def _send_one(order: Measure, times: _Times) -> None:
    host, _, port = order.address.rpartition(":")
    begun_ns = clock.monotonic_ns()
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        sent_ns = clock.monotonic_ns()
        writer.write(_head(order) + bytes(order.upload_bytes))
        await writer.drain()
        received = len(await reader.read(_READ_BYTES))
        first_ns = clock.monotonic_ns()
        while chunk := await reader.read(_READ_BYTES):
            received += len(chunk)
        last_ns = clock.monotonic_ns()
    finally:
        writer.close()
    if received < order.download_bytes or not received:
        raise _ClosedEarly(f"the connection broke off after {received} bytes")
    times.connect_s.append((sent_ns - begun_ns) / _NS_PER_S)
    times.first_byte_s.append((first_ns - sent_ns) / _NS_PER_S)
    times.total_s.append((last_ns - sent_ns) / _NS_PER_S)


def _head(order: Measure) -> bytes:
    if not order.http:
        return OPENING + b"%d %d\n" % (order.upload_bytes, order.download_bytes)
    lines = (
        f"POST {GATE_PATH}?bytes={order.download_bytes} HTTP/1.1",
        "Host: canary",
        f"Content-Length: {order.upload_bytes}",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answer_http(request: web.BaseRequest) -> web.StreamResponse:
    """Take what a canary sends to the gate and give it as many bytes as it asks for."""
    wanted = request.query.get("bytes", "0")
    size = int(wanted) if wanted.isdecimal() else 0
    async for _ in request.content.iter_any():
        pass
    if size > BYTES_MAX:
        return web.Response(status=400, text=f"at most {BYTES_MAX} bytes")
    response = web.Response(body=bytes(size))
    response.force_close()
    return response


async def answer_raw(
    opening: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer a canary that came to a relay; `opening` is what was read of it already."""
    line, _, body = opening.partition(b"\n")
    if len(body) == 0 and not opening.endswith(b"\n"):
        line += (await reader.readline()).rstrip(b"\n")
    upload, _, download = line.removeprefix(OPENING).partition(b" ")
    left = min(int(upload), BYTES_MAX) - len(body)
    while left > 0 and (chunk := await reader.read(_READ_BYTES)):
        left -= len(chunk)
    writer.write(bytes(max(1, min(int(download), BYTES_MAX))))
    await writer.drain()
