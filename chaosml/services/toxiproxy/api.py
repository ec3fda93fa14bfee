"""The HTTP API: Toxiproxy's routes, and those of ours under `/chaosml`."""

from __future__ import annotations

import asyncio
import json
import posixpath
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web

from chaosml.services.toxiproxy.bodies import as_float32
from chaosml.services.toxiproxy.collection import ProxyCollection
from chaosml.services.toxiproxy.failure import ApiError
from chaosml.services.toxiproxy.proxy import Proxy
from chaosml.services.toxiproxy.toxic import Toxic

__all__ = ["VERSION", "Api"]

VERSION = "2.12.0"
"""The version of Toxiproxy whose API this is."""

_BODY_BYTES_MAX = 1 << 20
_READ_S = 15.0
_HANDLE_S = 25.0
_LEASE_S_MAX = 86_400.0
_JSON = "application/json"
_PLAIN = "text/plain; charset=utf-8"
_HTML = str.maketrans({each: f"\\u{ord(each):04x}" for each in ("<", ">", "&", "\u2028", "\u2029")})


class _Call:
    """A request that has found its route."""

    def __init__(self, request: web.BaseRequest, names: tuple[str, ...]) -> None:
        self.request = request
        self.names = names

    async def body(self) -> bytes:
        """Return the body.

        Raises:
            ApiError: It is too large or does not arrive in time.
        """
        data = bytearray()
        try:
            async with asyncio.timeout(_READ_S):
                async for piece in self.request.content.iter_any():
                    data += piece
                    if len(data) > _BODY_BYTES_MAX:
                        raise ApiError(413, f"request body is larger than {_BODY_BYTES_MAX} bytes")
        except TimeoutError:
            raise ApiError(408, f"request body did not arrive within {_READ_S:g} s") from None
        return bytes(data)


_Handler = Callable[[_Call], Awaitable[web.Response]]


class Api:
    """Answers requests about the proxies of one server."""

    def __init__(self, collection: ProxyCollection) -> None:
        self._collection = collection
        self._routes: list[tuple[re.Pattern[str], dict[str, _Handler]]] = [
            (_route("/proxies"), {"GET": self._list_proxies, "POST": self._create_proxy}),
            (_route("/populate"), {"POST": self._populate}),
            (_route("/reset"), {"POST": self._reset}),
            (_route("/version"), {"GET": self._show_version}),
            (_route("/metrics"), {"GET": self._show_metrics}),
            (
                _route("/proxies/{}"),
                {
                    "GET": self._show_proxy,
                    "POST": self._update_proxy,
                    "PATCH": self._update_proxy,
                    "DELETE": self._delete_proxy,
                },
            ),
            (
                _route("/proxies/{}/toxics"),
                {"GET": self._list_toxics, "POST": self._create_toxic},
            ),
            (
                _route("/proxies/{}/toxics/{}"),
                {
                    "GET": self._show_toxic,
                    "POST": self._update_toxic,
                    "PATCH": self._update_toxic,
                    "DELETE": self._delete_toxic,
                },
            ),
            (_route("/chaosml/counters"), {"GET": self._show_counters}),
            (_route("/chaosml/leases"), {"GET": self._list_leases}),
            (
                _route("/chaosml/leases/{}"),
                {"PUT": self._renew_lease, "DELETE": self._release_lease},
            ),
        ]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a request."""
        path = unquote(request.raw_path.partition("?")[0], errors="replace")
        if (clean := _clean(path)) != path:
            return web.Response(status=301, headers={"Location": quote(clean)})
        for pattern, handlers in self._routes:
            if found := pattern.fullmatch(path):
                return await self._answer(handlers.get(request.method), request, found.groups())
        return _text(404, "404 page not found")

    async def _answer(
        self, handler: _Handler | None, request: web.BaseRequest, names: tuple[str, ...]
    ) -> web.Response:
        if handler is None:
            return web.Response(status=405)
        if request.headers.get("User-Agent", "").startswith("Mozilla/"):
            response = _text(403, "User agent not allowed")
        else:
            response = await _limited(handler(_Call(request, names)))
        response.headers["X-Toxiproxy-Request-Id"] = secrets.token_hex(10)
        return response

    async def _list_proxies(self, call: _Call) -> web.Response:
        return _json(200, {proxy.name: _proxy(proxy) for proxy in self._collection.proxies})

    async def _create_proxy(self, call: _Call) -> web.Response:
        return _json(201, _proxy(await self._collection.create(await call.body())))

    async def _populate(self, call: _Call) -> web.Response:
        done: list[Proxy] = []
        status, refused = 201, {}
        try:
            await self._collection.populate(await call.body(), done)
        except ApiError as error:
            status, refused = error.status, _error(error)
        # The original shows an empty list as null.
        return _json(status, refused | {"proxies": [_proxy(each) for each in done] or None})

    async def _reset(self, call: _Call) -> web.Response:
        await self._collection.reset()
        return web.Response(status=204)

    async def _show_proxy(self, call: _Call) -> web.Response:
        return _json(200, _proxy(self._collection.proxy(*call.names)))

    async def _update_proxy(self, call: _Call) -> web.Response:
        proxy = self._collection.proxy(*call.names)
        await self._collection.update(proxy, await call.body())
        return _json(200, _proxy(proxy))

    async def _delete_proxy(self, call: _Call) -> web.Response:
        await self._collection.remove(*call.names)
        return web.Response(status=204)

    async def _list_toxics(self, call: _Call) -> web.Response:
        proxy = self._collection.proxy(*call.names)
        return _json(200, [_toxic(toxic) for toxic in proxy.toxics])

    async def _create_toxic(self, call: _Call) -> web.Response:
        self._collection.proxy(*call.names)
        body = await call.body()
        proxy = self._collection.proxy(*call.names)
        return _json(200, _toxic(self._collection.add_toxic(proxy, body)))

    async def _show_toxic(self, call: _Call) -> web.Response:
        return _json(200, _toxic(self._find(call)[1]))

    async def _update_toxic(self, call: _Call) -> web.Response:
        self._find(call)
        body = await call.body()
        proxy, toxic = self._find(call)
        self._collection.change_toxic(proxy, toxic, body)
        return _json(200, _toxic(toxic))

    async def _delete_toxic(self, call: _Call) -> web.Response:
        proxy, toxic = self._find(call)
        proxy.remove_toxic(toxic)
        return web.Response(status=204)

    def _find(self, call: _Call) -> tuple[Proxy, Toxic]:
        proxy = self._collection.proxy(call.names[0])
        return proxy, self._collection.toxic(proxy, call.names[1])

    async def _show_version(self, call: _Call) -> web.Response:
        text = f'{{"version": "{VERSION}"}}\n'
        return _bytes(200, f"{_JSON};charset=utf-8", text.encode())

    async def _show_metrics(self, call: _Call) -> web.Response:
        lines = []
        for verb in ("received", "sent"):
            name = f"toxiproxy_proxy_{verb}_bytes_total"
            lines += [f"# HELP {name} Bytes {verb} by proxies.", f"# TYPE {name} counter"]
            for proxy in self._collection.proxies:
                for stream, counts in proxy.counts.streams.items():
                    labels = _labels(
                        direction=stream.value,
                        listener=proxy.listen,
                        proxy=proxy.name,
                        upstream=proxy.upstream,
                    )
                    lines.append(f"{name}{{{labels}}} {getattr(counts, f'{verb}_bytes')}")
        return _bytes(200, "text/plain; version=0.0.4", "\n".join([*lines, ""]).encode())

    async def _show_counters(self, call: _Call) -> web.Response:
        return _json(200, {proxy.name: _counters(proxy) for proxy in self._collection.proxies})

    async def _list_leases(self, call: _Call) -> web.Response:
        return _json(200, self._collection.leases.left_s())

    async def _renew_lease(self, call: _Call) -> web.Response:
        (owner,) = call.names
        self._collection.leases.renew(owner, _seconds(await call.body()))
        return _json(200, {"owner": owner, "seconds": self._collection.leases.left_s()[owner]})

    async def _release_lease(self, call: _Call) -> web.Response:
        if not self._collection.leases.release(*call.names):
            raise ApiError(404, "lease not found")
        return web.Response(status=204)


def _route(template: str) -> re.Pattern[str]:
    return re.compile(re.escape(template).replace(r"\{\}", "([^/]+)"))


def _clean(path: str) -> str:
    """Return the path without empty steps and dots, as the original redirects to it."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


async def _limited(answer: Awaitable[web.Response]) -> web.Response:
    try:
        async with asyncio.timeout(_HANDLE_S):
            return await answer
    except TimeoutError:
        return web.Response(status=503)
    except ApiError as error:
        response = _text(error.status, _dump(_error(error)))
        if error.status in (408, 413):
            # The rest of the body is not worth reading.
            response.force_close()
        return response


def _text(status: int, text: str) -> web.Response:
    response = _bytes(status, _PLAIN, f"{text}\n".encode())
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _json(status: int, value: object) -> web.Response:
    return _bytes(status, _JSON, _dump(value).encode())


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_HTML)


def _bytes(status: int, type_: str, data: bytes) -> web.Response:
    return web.Response(status=status, body=data, headers={"Content-Type": type_})


def _error(error: ApiError) -> dict[str, Any]:
    return {"error": error.message, "status": error.status}


def _proxy(proxy: Proxy) -> dict[str, Any]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        # An inner part of the original that it shows; clients may count on nothing in it.
        "Logger": {},
        "toxics": [_toxic(toxic) for toxic in proxy.toxics],
    }


def _toxic(toxic: Toxic) -> dict[str, Any]:
    shown = {
        "attributes": msgspec.to_builtins(toxic.setting),
        "name": toxic.name,
        "type": toxic.kind,
        "stream": toxic.stream_text,
        "toxicity": as_float32(toxic.toxicity),
    }
    return shown if toxic.owner is None else shown | {"owner": toxic.owner}


def _counters(proxy: Proxy) -> dict[str, Any]:
    return {
        "connections": msgspec.to_builtins(proxy.counts.connections),
        "streams": {
            stream.value: msgspec.to_builtins(counts)
            for stream, counts in proxy.counts.streams.items()
        },
        "toxics": msgspec.to_builtins(proxy.counts.toxics),
    }


def _labels(**values: str) -> str:
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    return ",".join(f'{name}="{value.translate(escapes)}"' for name, value in values.items())


class _LeaseTime(msgspec.Struct):
    seconds: float


def _seconds(body: bytes) -> float:
    try:
        seconds = msgspec.json.decode(body, type=_LeaseTime).seconds
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"bad request body: {error}") from None
    if not 0 < seconds <= _LEASE_S_MAX:
        raise ApiError(400, f"a lease lasts more than 0 and at most {_LEASE_S_MAX:g} s")
    return seconds
