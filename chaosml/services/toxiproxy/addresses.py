"""Network addresses as Go reads and writes them, with its words for what is wrong."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from typing import Any

from chaosml.errors import ServiceError

__all__ = [
    "AddressError",
    "join",
    "listen_on",
    "resolve",
    "show_listener",
    "split",
    "upstream_addresses",
]

_PORT_MAX = 65535
_BACKLOG = 4096


class AddressError(ServiceError):
    """An address that cannot be read, resolved or bound, in Go's words."""


def split(address: str) -> tuple[str, str]:
    """Split `host:port`; the host may stand in brackets.

    Raises:
        AddressError: It cannot be split.
    """
    colon = address.rfind(":")
    if colon < 0:
        raise _malformed(address, "missing port in address")
    if address.startswith("["):
        bracket = address.find("]")
        if bracket < 0:
            raise _malformed(address, "missing ']' in address")
        if bracket + 1 != colon:
            more = address[bracket + 1 : bracket + 2] == ":"
            raise _malformed(
                address, "too many colons in address" if more else "missing port in address"
            )
        host, searched = address[1:bracket], (address[1:], address[bracket + 1 :])
    else:
        host, searched = address[:colon], (address, address)
        if ":" in host:
            raise _malformed(address, "too many colons in address")
    if "[" in searched[0]:
        raise _malformed(address, "unexpected '[' in address")
    if "]" in searched[1]:
        raise _malformed(address, "unexpected ']' in address")
    return host, address[colon + 1 :]


def _malformed(address: str, what: str) -> AddressError:
    return AddressError(f"address {address}: {what}")


def _port(text: str) -> int:
    if not text:
        return 0
    if re.fullmatch(r"[+-]?\d+", text, re.ASCII):
        # A port of thousands of digits is not worth being turned into a number.
        if len(text) <= 8 and 0 <= int(text) <= _PORT_MAX:
            return int(text)
        raise AddressError(f"address {text}: invalid port")
    try:
        return socket.getservbyname(text, "tcp")
    except (OSError, ValueError):
        raise AddressError(f"lookup tcp/{text}: unknown port") from None


async def resolve(address: str) -> tuple[str, int]:
    """Return the IP address and port of a `host:port`; empty parts stay empty or 0.

    Raises:
        AddressError: It cannot be read or the host is not known.
    """
    if not address:
        return "", 0
    host, port_text = split(address)
    port = _port(port_text)
    if not host:
        return "", port
    return (await _look_up(host, port))[0][1][0], port


async def upstream_addresses(address: str) -> list[tuple[socket.AddressFamily, Any]]:
    """Return where to connect to, in the order in which to try.

    Raises:
        AddressError: It cannot be read or the host is not known.
    """
    host, port_text = split(address)
    return await _look_up(host or "localhost", _port(port_text))


async def _look_up(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if number.version == 4:
            return [(socket.AF_INET, (host, port))]
        if "%" not in host:
            return [(socket.AF_INET6, (host, port, 0, 0))]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressError(f"lookup {host}: no such host") from None
    # The original prefers IPv4 where a name has both.
    return sorted(
        ((family, place) for family, _, _, _, place in found),
        key=lambda each: each[0] is not socket.AF_INET,
    )


async def listen_on(address: str, own_host: str) -> socket.socket:
    """Return a listening socket; where the address names no host, on `own_host`.

    Raises:
        AddressError: It cannot be read, the host is not known or the port cannot be bound.
    """
    try:
        host, port = await resolve(address)
        (family, place), *_ = await _look_up(host or own_host, port)
    except AddressError as error:
        raise AddressError(f"listen tcp: {error}") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        shown = join(place[0], place[1])
        raise AddressError(f"listen tcp {shown}: bind: {_reason(error)}") from None
    listener.setblocking(False)
    return listener


def _reason(error: OSError) -> str:
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]


def show_listener(listener: socket.socket) -> str:
    """Return where a socket listens, as `host:port`."""
    place = listener.getsockname()
    return join(place[0], place[1])


def join(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
