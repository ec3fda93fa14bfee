"""The bodies of requests: which fields they have, and Go's words for those of a wrong type."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml.services.toxiproxy.syntax import JsonError, Number, Pairs, read
from chaosml.services.toxiproxy.toxics import KINDS, Setting

__all__ = [
    "Changes",
    "Given",
    "as_float32",
    "read_attributes",
    "read_changes",
    "read_proxies",
    "read_proxy",
    "read_toxic",
]

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_INT64_MAX = (1 << 63) - 1
_LOGGER = "zerolog.Logger"
_PROXY = {"name": "string", "listen": "string", "upstream": "string", "enabled": "bool"}
_TOXIC = {"name": "string", "type": "string", "stream": "string", "toxicity": "float32"}
_ENTRY = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }'
_CHANGES = (
    'struct { Attributes interface {} "json:\\"attributes\\""; '
    'Toxicity float32 "json:\\"toxicity\\"" }'
)

Given = dict[str, Any]
"""The fields that a body gives, by name."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be another about a toxic."""

    setting: Setting
    toxicity: float


def read_proxy(data: bytes) -> Given:
    """Return what is said of a proxy.

    Raises:
        JsonError: It is malformed or of a wrong type.
    """
    value = _object(read(data), "toxiproxy.Proxy")
    return _fields(value, _PROXY | {"Logger": _LOGGER}, "Proxy.")


def read_proxies(data: bytes) -> list[Given]:
    """Return what is said of several proxies.

    Raises:
        JsonError: As for one.
    """
    value = read(data)
    if value is not None and (isinstance(value, Pairs) or not isinstance(value, list)):
        raise _unfit(value, f"value of type []{_ENTRY}")
    fields = _PROXY | {"Logger": _LOGGER}
    return [
        _fields(_object(each, _ENTRY), fields, ".Proxy.", {"enabled": "."}) for each in value or []
    ]


def read_toxic(data: bytes) -> Given:
    """Return what is said of a toxic, except for its attributes.

    Raises:
        JsonError: As for a proxy.
    """
    value = _object(read(data), "toxics.ToxicWrapper")
    fields = _TOXIC | {"owner": "string", "attributes": "toxics.NoopToxic"}
    return _fields(value, fields, "ToxicWrapper.")


def read_attributes(data: bytes, kind: str) -> Setting:
    """Return the attributes of a toxic; what is not said of them is 0.

    Raises:
        JsonError: As for a proxy.
    """
    setting = KINDS[kind]()
    for key, value in _object(read(data), "struct { Attributes interface {} }"):
        if key.casefold() == "attributes":
            setting = _merge(value, setting)
    return setting


def read_changes(data: bytes, setting: Setting, toxicity: float) -> Changes:
    """Return what a toxic is to be instead of `setting` and `toxicity`.

    Raises:
        JsonError: As for a proxy.
    """
    for key, value in _object(read(data), _CHANGES):
        if key.casefold() == "attributes":
            setting = _merge(value, setting)
        elif key.casefold() == "toxicity" and value is not None:
            toxicity = _convert(value, "float32", "struct field .toxicity")
    return Changes(setting, toxicity)


def as_float32(value: float) -> float | int:
    """Return what Go prints for a number of 32 bits: the shortest that reads back the same."""
    shortest = next(
        short
        for digits in range(1, 10)
        if _single(short := float(f"{value:.{digits}g}")) == _single(value)
    )
    return int(shortest) if shortest.is_integer() else shortest


def _single(value: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _object(value: object, type_: str) -> Pairs:
    if value is None:
        return Pairs()
    if not isinstance(value, Pairs):
        raise _unfit(value, f"value of type {type_}")
    return value


def _fields(
    pairs: Pairs, types: dict[str, str], prefix: str, prefixes: dict[str, str] | None = None
) -> Given:
    """Return the fields that are known; null leaves a field as it is."""
    names = {name.casefold(): name for name in types}
    given: Given = {}
    for key, value in pairs:
        name = key if key in types else names.get(key.casefold())
        if name is None or value is None:
            continue
        where = f"struct field {(prefixes or {}).get(name, prefix)}{name}"
        given[name] = _convert(value, types[name], where)
    return given


def _merge(value: object, setting: Setting) -> Setting:
    """Return the setting with the attributes that are given changed."""
    if value is None:
        return setting
    if not isinstance(value, Pairs):
        raise _unfit(value, f"struct field .attributes of type toxics.{setting.go_name}")
    types = dict.fromkeys(type(setting).__struct_fields__, setting.go_integer)
    return msgspec.structs.replace(
        setting, **_fields(value, types, f"{setting.go_name}.attributes.")
    )


def _convert(value: object, type_: str, where: str) -> Any:
    where = f"{where} of type {type_}"
    if isinstance(value, Number) and type_ in ("int", "int64", "float32"):
        return _float32(value, where) if type_ == "float32" else _integer(value, where)
    if type_ == "string" and isinstance(value, str) and not isinstance(value, Number):
        # Half a surrogate pair cannot be encoded; Go replaces it.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if type_ == "bool" and isinstance(value, bool):
        return value
    if isinstance(value, Pairs) and type_ not in ("string", "bool", "int", "int64", "float32"):
        return value
    raise _unfit(value, where)


def _integer(value: Number, where: str) -> int:
    if not _INTEGER.fullmatch(value) or not -_INT64_MAX - 1 <= int(value) <= _INT64_MAX:
        raise JsonError(f"json: cannot unmarshal number {value} into Go {where}")
    return int(value)


def _float32(value: Number, where: str) -> float:
    try:
        return _single(_finite(value))
    except OverflowError:
        raise JsonError(f"json: cannot unmarshal number {value} into Go {where}") from None


def _finite(value: Number) -> float:
    number = float(value)
    if math.isinf(number):
        raise OverflowError
    return number


def _unfit(value: object, where: str) -> JsonError:
    kinds = ((bool, "bool"), (Number, "number"), (str, "string"), (Pairs, "object"))
    kind = next((name for type_, name in kinds if isinstance(value, type_)), "array")
    return JsonError(f"json: cannot unmarshal {kind} into Go {where}")
