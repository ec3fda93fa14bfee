"""Values of expressions as Go writes them: with `%v`, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["escape_html", "show", "to_json"]

_HTML_ESCAPES = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"))


def show(value: Any) -> str:
    """Return a value as Go's `%v` prints it, which is how a result gets into a string."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _show_float(value)
    if isinstance(value, list):
        return "[" + " ".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{show(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def _show_float(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    # Go's %v takes the exponent form from 1e21 on, Python's repr from 1e16.
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent}" if exponent else mantissa


def to_json(value: Any, indent: int | None = None) -> str:
    """Return a value as Go's `json.Marshal` writes it, or `json.MarshalIndent`."""
    written = _whole_floats_as_integers(value)
    separators = (",", ":") if indent is None else (",", ": ")
    return escape_html(
        json.dumps(
            written, separators=separators, sort_keys=True, ensure_ascii=False, indent=indent
        )
    )


def _whole_floats_as_integers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, list | tuple):
        return [_whole_floats_as_integers(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _whole_floats_as_integers(item) for key, item in value.items()}
    return value


def escape_html(text: str) -> str:
    """Escape in JSON what Go's `json.Marshal` escapes besides."""
    for character, escape in _HTML_ESCAPES:
        text = text.replace(character, escape)
    return text
