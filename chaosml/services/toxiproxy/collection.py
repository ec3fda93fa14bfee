"""All proxies of a server, and what may be done to them."""

from __future__ import annotations

import asyncio
from typing import Any

from chaosml.services.toxiproxy.addresses import AddressError
from chaosml.services.toxiproxy.bodies import (
    Given,
    read_attributes,
    read_changes,
    read_proxies,
    read_proxy,
    read_toxic,
)
from chaosml.services.toxiproxy.failure import ApiError
from chaosml.services.toxiproxy.leases import Leases
from chaosml.services.toxiproxy.link import Machinery
from chaosml.services.toxiproxy.proxy import Proxy, ProxySettings
from chaosml.services.toxiproxy.syntax import JsonError
from chaosml.services.toxiproxy.toxic import Stream, Toxic
from chaosml.services.toxiproxy.toxics import KINDS

__all__ = ["ProxyCollection"]


class ProxyCollection:
    """Proxies by name. What takes a while, such as starting one, happens one after the other."""

    def __init__(self, machinery: Machinery, host: str, seed: str) -> None:
        """Hold no proxy yet.

        Args:
            machinery: What all links share.
            host: Where proxies listen whose address names no host.
            seed: What all draws follow from.
        """
        self._machinery = machinery
        self._host = host
        self._seed = seed
        self._proxies: dict[str, Proxy] = {}
        self._lock = asyncio.Lock()
        self.leases = Leases(machinery.loop, self._drop)

    @property
    def proxies(self) -> list[Proxy]:
        """All proxies, by name."""
        return [self._proxies[name] for name in sorted(self._proxies)]

    def proxy(self, name: str) -> Proxy:
        """Return the proxy of a name.

        Raises:
            ApiError: There is none.
        """
        try:
            return self._proxies[name]
        except KeyError:
            raise ApiError(404, "proxy not found") from None

    def toxic(self, proxy: Proxy, name: str) -> Toxic:
        """Return the toxic of a name.

        Raises:
            ApiError: The proxy has none.
        """
        found = proxy.find_toxic(name)
        if found is None:
            raise ApiError(404, "toxic not found")
        return found

    async def create(self, body: bytes) -> Proxy:
        """Create the proxy that a body describes.

        Raises:
            ApiError: The body is wrong, the name is taken or the proxy cannot listen.
        """
        given = _checked(_read(read_proxy, body), "")
        async with self._lock:
            if given["name"] in self._proxies:
                raise ApiError(409, "proxy already exists")
            return await self._add(given)

    async def populate(self, body: bytes, done: list[Proxy]) -> None:
        """Have the proxies that a body describes; those that are so already are left alone.

        Args:
            body: A list of proxies.
            done: Gets the proxies, which on an error are those before it.

        Raises:
            ApiError: As for `create`.
        """
        wanted = [
            _checked(given, f" at proxy {number}")
            for number, given in enumerate(_read(read_proxies, body), 1)
        ]
        async with self._lock:
            for given in wanted:
                done.append(await self._have(given))

    async def update(self, proxy: Proxy, body: bytes) -> None:
        """Change what a body says of a proxy.

        Raises:
            ApiError: The body is wrong or the proxy cannot listen.
        """
        given = _read(read_proxy, body)
        async with self._lock:
            settings = ProxySettings(
                given.get("listen", proxy.listen),
                given.get("upstream", proxy.upstream),
                given.get("enabled", proxy.enabled),
            )
            try:
                await proxy.update(settings)
            except AddressError as error:
                raise ApiError(500, str(error)) from None

    async def remove(self, name: str) -> None:
        """Remove a proxy and close its connections.

        Raises:
            ApiError: There is none of that name.
        """
        async with self._lock:
            await self.proxy(name).close()
            del self._proxies[name]

    async def reset(self) -> None:
        """Enable every proxy and remove every toxic.

        Raises:
            ApiError: A proxy cannot listen; those after it are left as they are.
        """
        async with self._lock:
            for proxy in self.proxies:
                await _start(proxy)
                for toxic in proxy.toxics:
                    proxy.remove_toxic(toxic)

    def add_toxic(self, proxy: Proxy, body: bytes) -> Toxic:
        """Add the toxic that a body describes.

        Raises:
            ApiError: The body is wrong, the name is taken or nobody holds the owner's lease.
        """
        given = _read(read_toxic, body)
        stream_text = given.get("stream", "downstream")
        try:
            stream = Stream(stream_text.lower())
        except ValueError:
            allowed = "can be either upstream or downstream"
            raise ApiError(400, f"stream was invalid, {allowed}") from None
        kind = given.get("type", "")
        if kind not in KINDS:
            raise ApiError(400, "invalid toxic type")
        name = given.get("name") or f"{kind}_{stream_text}"
        if proxy.find_toxic(name) is not None:
            raise ApiError(409, "toxic already exists")
        owner = given.get("owner")
        if owner is not None and owner not in self.leases:
            raise ApiError(404, "lease not found")
        setting = _read(read_attributes, body, kind)
        toxicity = given.get("toxicity", 1.0)
        toxic = Toxic(name, kind, stream, stream_text, toxicity, setting, owner)
        proxy.add_toxic(toxic)
        return toxic

    def change_toxic(self, proxy: Proxy, toxic: Toxic, body: bytes) -> None:
        """Change what a body says of a toxic.

        Raises:
            ApiError: The body is wrong.
        """
        changes = _read(read_changes, body, toxic.setting, toxic.toxicity)
        toxic.setting, toxic.toxicity = changes.setting, changes.toxicity
        proxy.change_toxic(toxic)

    async def close(self) -> None:
        """Remove everything."""
        self.leases.close()
        async with self._lock:
            for proxy in self.proxies:
                await proxy.close()
            self._proxies.clear()

    async def _have(self, given: Given) -> Proxy:
        existing = self._proxies.get(given["name"])
        if existing is not None:
            try:
                if not await existing.differs(given.get("listen", ""), given["upstream"]):
                    return existing
            except AddressError as error:
                raise ApiError(500, str(error)) from None
            await existing.close()
        return await self._add(given)

    async def _add(self, given: Given) -> Proxy:
        listen = given.get("listen", "")
        proxy = Proxy(
            self._machinery, given["name"], listen, given["upstream"], self._host, self._seed
        )
        if given.get("enabled", True):
            await _start(proxy)
        self._proxies[proxy.name] = proxy
        return proxy

    def _drop(self, owner: str, expired: bool) -> None:
        """Remove the toxics of an owner whose lease has ended."""
        for proxy in self.proxies:
            for toxic in proxy.toxics:
                if toxic.owner == owner:
                    toxic.counts.expired = expired
                    proxy.remove_toxic(toxic)


async def _start(proxy: Proxy) -> None:
    try:
        await proxy.start()
    except AddressError as error:
        raise ApiError(500, str(error)) from None


def _read(reader: Any, *arguments: Any) -> Any:
    try:
        return reader(*arguments)
    except JsonError as error:
        raise ApiError(400, f"bad request body: {error}") from None


def _checked(given: Given, where: str) -> Given:
    for field in ("name", "upstream"):
        if not given.get(field):
            raise ApiError(400, f"missing required field: {field}{where}")
    return given
