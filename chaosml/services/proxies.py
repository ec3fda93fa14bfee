"""The driver of Toxiproxy: proxies and toxics of one server, stock or embedded.

It goes through `toxiproxy-python`, which keeps its server's address in class
attributes, passes no timeout, asks the proxies that the environment names, and takes a
status of 500 for success. So every call here sets the address, has a limit, and looks
afterwards whether the server really has what was asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import toxiproxy
import toxiproxy.api
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from chaosml import clock
from chaosml.errors import ServiceError
from chaosml.event import DOWN

__all__ = ["Proxies"]

_CALL_S = 20.0
"""On a cluster a call goes through API server and kubelet: on a busy one that takes seconds."""
_START_S = 60.0
_POLL_S = 0.2


class _Transport:
    """Stands for `requests` inside of the library."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        # A forwarded connection may break while it is idle.
        self._session.headers["Connection"] = "close"

    def get(self, url: str, **options: Any) -> requests.Response:
        return self._send("GET", url, **options)

    def post(self, url: str, **options: Any) -> requests.Response:
        return self._send("POST", url, **options)

    def delete(self, url: str, **options: Any) -> requests.Response:
        return self._send("DELETE", url, **options)

    def _send(self, method: str, url: str, **options: Any) -> requests.Response:
        response = self._session.request(method, url, timeout=_CALL_S, **options)
        if response.status_code >= 500:
            raise requests.HTTPError(response.text.strip() or f"status {response.status_code}")
        return response


class Proxies:
    """The proxies of one Toxiproxy server."""

    _lock = threading.Lock()
    """One for all: the library's address is the class's."""

    def __init__(self, url: str) -> None:
        """Take the address of the server's API, such as `http://127.0.0.1:8474`."""
        found = urlsplit(url)
        self.url = url
        self._host, self._port = found.hostname or "127.0.0.1", found.port or 8474
        self._server = toxiproxy.Toxiproxy()

    def wait(self, check: Callable[[], None], limit_s: float = _START_S) -> None:
        """Wait until the server answers.

        Args:
            check: Raises where it never will, since whoever runs it has ended.
            limit_s: How long it may take.

        Raises:
            ServiceError: it does not within the limit.
        """
        deadline = clock.Deadline("Toxiproxy's API", limit_s)
        while True:
            check()
            try:
                self._ask("list its proxies", self._server.proxies)
            except ServiceError:
                if deadline.passed:
                    raise
            else:
                return
            clock.pause(_POLL_S)

    def create(self, name: str, *, upstream: str, host: str) -> str:
        """Create a proxy on a free port of `host`; return `host:port`, where it listens.

        Raises:
            ServiceError: the server cannot, or does not answer in time.
        """
        what = f"create the proxy {name!r} for {upstream}"
        made = self._ask(
            what, lambda: self._server.create(name=name, upstream=upstream, listen=f"{host}:0")
        )
        _, _, port = str(made.listen).rpartition(":")
        return f"{host}:{port}"

    def add(
        self, proxy: str, name: str, type_: str, stream: str, attributes: Mapping[str, int]
    ) -> None:
        """Add a toxic, to connections that are open too.

        Args:
            proxy: Name of the proxy.
            name: Name of the toxic.
            type_: Toxiproxy's: `latency`, `bandwidth`, …; `down` disables the proxy, which is
                no toxic to the server.
            stream: `upstream` or `downstream`.
            attributes: As the type takes them.

        Raises:
            ServiceError: the server refuses it, or does not have it afterwards.
        """
        if type_ == DOWN:
            self._switch(proxy, on=False)
            return
        what = f"add the toxic {name!r} to {proxy!r}"
        wanted = dict(attributes)

        def add() -> Any:
            found = self._find(proxy)
            found.add_toxic(name=name, type=type_, stream=stream, attributes=wanted)
            return found.get_toxic(name)

        made = self._ask(what, add)
        # What was not asked for has the server's default, such as a jitter of 0.
        if made is None or made.stream != stream or not wanted.items() <= made.attributes.items():
            has = "nothing" if made is None else f"{made.stream} {made.attributes}"
            raise ServiceError(
                f"Toxiproxy at {self.url} did not {what}: wanted {stream} {wanted}, it has {has}"
            )

    def remove(self, proxy: str, name: str) -> None:
        """Remove a toxic; one that is not there is left alone.

        Raises:
            ServiceError: the server does not answer in time, or has it still.
        """
        if name == DOWN:
            self._switch(proxy, on=True)
            return

        def remove() -> Any:
            found = self._find(proxy)
            try:
                found.destroy_toxic(name)
            except NotFound:
                return None
            return found.get_toxic(name)

        what = f"remove the toxic {name!r} from {proxy!r}"
        if self._ask(what, remove) is not None:
            raise ServiceError(f"Toxiproxy at {self.url} did not {what}: it is still there")

    def _switch(self, proxy: str, *, on: bool) -> None:
        """Enable or disable a proxy."""
        what = f"{'enable' if on else 'disable'} {proxy!r}"

        def switch() -> Any:
            found = self._find(proxy)
            (found.enable if on else found.disable)()
            return self._find(proxy).enabled

        if self._ask(what, switch) is not on:
            raise ServiceError(f"Toxiproxy at {self.url} did not {what}")

    def _find(self, name: str) -> Any:
        found = self._server.get_proxy(name)
        if found is None:
            raise NotFound(f"no proxy {name!r}")
        return found

    def _ask(self, what: str, work: Callable[[], Any]) -> Any:
        with self._lock, _translated(f"Toxiproxy at {self.url} could not {what}"):
            toxiproxy.api.requests = _TRANSPORT
            self._server.update_api_consumer(self._host, self._port)
            return work()


_TRANSPORT = _Transport()


@contextmanager
def _translated(words: str) -> Iterator[None]:
    """Turn everything that the library lets through into an error of ours."""
    try:
        yield
    except requests.Timeout as error:
        raise ServiceError(f"{words}: no answer within {_CALL_S:g} s") from error
    except requests.RequestException as error:
        raise ServiceError(f"{words}: {error}") from error
    except (ProxyExists, NotFound, InvalidToxic) as error:
        said = error.args[0] if error.args else ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ServiceError(f"{words}: {text.strip()}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceError(f"{words}: its answer is not Toxiproxy's ({error!r})") from error
