"""JSON as Go's decoder reads it: the first value of a text, with its words for what is wrong."""

from __future__ import annotations

import json
import re

from chaosml.errors import ServiceError

__all__ = ["JsonError", "Number", "Pairs", "read"]

_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_HEX = b"0123456789abcdefABCDEF"
_ESCAPES = b'bfnrt\\/"'
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_TOO_DEEP = "exceeded max depth"


class JsonError(ServiceError):
    """A text that is no JSON, in Go's words."""


class Number(str):
    """A number as it was written, which a message may quote."""

    __slots__ = ()


class Pairs(list[tuple[str, object]]):
    """An object; a key may come twice, and what comes last stands."""


def read(data: bytes) -> object:
    """Return the first value; what follows it is ignored.

    Raises:
        JsonError: There is none, or it is malformed.
    """
    try:
        value = _read(data.decode("utf-8", "replace"))
    except ValueError:
        raise JsonError(_explain(data) or "invalid JSON") from None
    except RecursionError:
        raise JsonError(_TOO_DEEP) from None
    # Of `1.x` Python's decoder takes the `1`.
    if isinstance(value, Number) and (wrong := _explain(data)):
        raise JsonError(wrong)
    return value


def _read(text: str) -> object:
    return _DECODER.raw_decode(text.lstrip(" \t\n\r"))[0]


def _refuse(literal: str) -> object:
    raise ValueError(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=_refuse
)


class _Stop(Exception):
    """Where a scan ends because something is wrong."""


def _explain(data: bytes) -> str | None:
    try:
        _Scan(data).run()
    except _Stop as stop:
        return str(stop)
    return None


def _quote(byte: int) -> str:
    if byte == ord("'"):
        return "'\\''"
    if byte == ord('"'):
        return "'\"'"
    if (
        short := {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 92: "\\"}.get(byte)
    ) is not None:
        return f"'\\{short}'"
    character = chr(byte)
    if character.isprintable():
        return f"'{character}'"
    return f"'\\x{byte:02x}'" if byte < 0x80 else f"'\\u{byte:04x}'"


class _Scan:
    """Goes over a malformed text until the byte at which Go's scanner stops."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._open: list[int] = []

    def run(self) -> None:
        """Pass one value.

        Raises:
            _Stop: It is malformed; with the message.
        """
        if self._peek() is None:
            raise _Stop("EOF")
        while True:
            if not self._value():
                continue
            while self._open and self._ends():
                self._open.pop()
            if not self._open:
                return

    def _value(self) -> bool:
        """Pass a scalar or the opening of something else; return whether a value is complete."""
        byte = self._need()
        if byte in b"{[":
            self._at += 1
            self._open.append(byte)
            return self._opened(byte)
        if byte == ord('"'):
            self._string()
        elif byte == ord("-") or chr(byte) in "0123456789":
            self._number()
        elif byte in _LITERALS:
            self._literal(_LITERALS[byte])
        else:
            raise self._unexpected("looking for beginning of value")
        return True

    def _opened(self, byte: int) -> bool:
        """Pass what follows an opening; return whether it is closed again at once."""
        if self._need() == byte + 2:
            self._at += 1
            self._open.pop()
            return True
        if byte == ord("{"):
            self._key()
        return False

    def _key(self) -> None:
        if self._need() != ord('"'):
            raise self._unexpected("looking for beginning of object key string")
        self._string()
        if self._need() != ord(":"):
            raise self._unexpected("after object key")
        self._at += 1

    def _ends(self) -> bool:
        """Pass what follows an element; return whether that closes what is open."""
        opening, byte = self._open[-1], self._need()
        if byte not in (ord(","), opening + 2):
            array = opening == ord("[")
            raise self._unexpected(
                "after array element" if array else "after object key:value pair"
            )
        self._at += 1
        if byte == ord(",") and opening == ord("{"):
            self._key()
        return byte != ord(",")

    def _string(self) -> None:
        self._at += 1
        while True:
            self._skip(_PLAIN)
            byte = self._byte()
            if byte == ord('"'):
                self._at += 1
                return
            if byte != ord("\\"):
                raise self._unexpected("in string literal")
            self._at += 1
            self._escape()

    def _escape(self) -> None:
        byte = self._byte()
        if byte not in _ESCAPES and byte != ord("u"):
            raise self._unexpected("in string escape code")
        self._at += 1
        for _ in range(4 if byte == ord("u") else 0):
            if self._byte() not in _HEX:
                raise self._unexpected("in \\u hexadecimal character escape")
            self._at += 1

    def _number(self) -> None:
        if self._byte() == ord("-"):
            self._at += 1
        if self._byte() == ord("0"):
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._has(b"."):
            self._digits("after decimal point in numeric literal")
        if self._has(b"eE"):
            self._has(b"+-")
            self._digits("in exponent of numeric literal")

    def _has(self, bytes_: bytes) -> bool:
        has = self._at < len(self._data) and self._data[self._at] in bytes_
        self._at += has
        return has

    def _digits(self, where: str) -> None:
        if chr(self._byte()) not in "0123456789":
            raise self._unexpected(where)
        self._skip(_DIGITS)

    def _literal(self, word: bytes) -> None:
        for expected in word:
            if self._byte() != expected:
                raise self._unexpected(f"in literal {word.decode()} (expecting {_quote(expected)})")
            self._at += 1

    def _skip(self, pattern: re.Pattern[bytes]) -> None:
        found = pattern.match(self._data, self._at)
        assert found is not None
        self._at = found.end()

    def _peek(self) -> int | None:
        self._skip(_SPACE)
        return self._data[self._at] if self._at < len(self._data) else None

    def _need(self) -> int:
        self._skip(_SPACE)
        return self._byte()

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise _Stop("unexpected EOF")
        return self._data[self._at]

    def _unexpected(self, where: str) -> _Stop:
        return _Stop(f"invalid character {_quote(self._data[self._at])} {where}")
