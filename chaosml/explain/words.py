"""What a value may be and what it is by default, in words, from its JSON Schema."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from chaosml.faults.quantity import Rate, Size
from chaosml.scenario.units import Duration, Percent

__all__ = ["default_words", "kind_words", "unit_of", "variants", "written_default"]

_UNITS = (("duration", Duration), ("share", Percent), ("size", Size), ("rate", Rate))
_EMPTY: tuple[Any, ...] = (None, {}, [], "")


def variants(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the forms that a value may have; that it may be left out is none of them."""
    forms = described.get("anyOf", [described])
    return [one for one in forms if one.get("type") != "null"]


def kind_words(described: Mapping[str, Any]) -> str:
    """Return what a value may be, such as `duration such as 30s`."""
    return ", or ".join(map(_form, variants(described)))


def _form(one: Mapping[str, Any]) -> str:
    if "enum" in one or "const" in one:
        listed = [_code(value) for value in one.get("enum", [one.get("const")])]
        return _alternatives(listed)
    if "$ref" in one:
        return "mapping"
    match one.get("type"):
        case "array":
            return _list_words(one)
        case "object":
            return _mapping_words(one)
        case "boolean":
            return "`true` or `false`"
        case "integer":
            return f"whole number{_range(one)}"
        case "number":
            return f"number{_range(one)}"
        case "string":
            return _text_words(one)
    return "anything"


def _alternatives(listed: list[str]) -> str:
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} or {listed[-1]}"


def _list_words(one: Mapping[str, Any]) -> str:
    if "prefixItems" in one:
        return f"list of {len(one['prefixItems'])}: {_form(one['prefixItems'][0])}"
    return f"list of {_form(one['items']).replace('mapping', 'mappings')}"


def _mapping_words(one: Mapping[str, Any]) -> str:
    inner = one.get("additionalProperties")
    inner = next(iter(one.get("patternProperties", {}).values()), inner)
    if not isinstance(inner, Mapping):
        return "mapping"
    return f"mapping of names to {_form(inner).replace('mapping', 'mappings')}"


def _text_words(one: Mapping[str, Any]) -> str:
    unit = unit_of(one)
    return f"{unit} such as {_code(one['examples'][0])}" if unit else "text"


def _range(one: Mapping[str, Any]) -> str:
    least, most = one.get("minimum"), one.get("maximum")
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    return f" from {least:g}" if least is not None else ""


def unit_of(one: Mapping[str, Any]) -> str | None:
    """Return the quantity that a text with a unit is, such as `duration`."""
    return _patterns().get(one.get("pattern", ""))


@functools.cache
def _patterns() -> dict[str, str]:
    return {TypeAdapter(kind).json_schema()["pattern"]: name for name, kind in _UNITS}


def _code(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{str(value).lower()}`"


def written_default(described: Mapping[str, Any]) -> Any:
    """Return a default as a scenario writes it; None where nothing is, or a mapping of its own."""
    default = described["default"]
    if default in _EMPTY or isinstance(default, dict):
        return None
    unit = next((found for one in variants(described) if (found := unit_of(one))), None)
    return _with_unit(default, unit) if unit and not isinstance(default, str) else default


def _with_unit(value: float, unit: str) -> str:
    if unit == "duration":
        return _duration(value)
    return f"{value * 100:g}%" if unit == "share" else f"{value:g}B{'/s' * (unit == 'rate')}"


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        # Two minutes are a notice of 120s to everybody who deals with clouds.
        if seconds > 2 * size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def default_words(described: Mapping[str, Any], *, required: bool) -> str:
    """Return what holds where a key is left out."""
    if required:
        return "required"
    default = described.get("default")
    if isinstance(default, list | tuple):
        return ", ".join(_code(one) for one in default)
    return _code(default) if default is not None else ""
