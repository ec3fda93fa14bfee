"""Named arrays as a state: its canonical digests by component, its scalars, its step.

Arrays are named `component/name`, such as `model/w1` or `optimizer/momentum/w1`.
Names without a slash form the component `unnamed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from chaosml import probe
from chaosml.artifacts.content import Content, clean_fields, find_step

__all__ = ["ARRAY_BYTES_MAX", "describe_arrays"]

ARRAY_BYTES_MAX = 2 << 30
"""Limit for the arrays of one object together, uncompressed."""

_Arrays = Mapping[str, "numpy.ndarray[Any, Any]"]


def describe_arrays(arrays: _Arrays) -> Content:
    """Return the digests, scalars and step of named arrays."""
    components: dict[str, dict[str, numpy.ndarray[Any, Any]]] = {}
    for name, array in arrays.items():
        component, slash, _ = name.partition("/")
        components.setdefault(component if slash else "unnamed", {})[name] = array
    singles = {
        name: array
        for name, array in arrays.items()
        if array.size == 1 and array.ndim <= 1 and array.dtype.kind in "biufU"
    }
    return Content(
        digest=probe.digest(arrays),
        digests={name: probe.digest(part) for name, part in sorted(components.items())},
        step=find_step({name.replace("/", "."): array.item() for name, array in singles.items()}),
        fields=clean_fields(
            (name, array.item()) for name, array in singles.items() if array.ndim == 0
        ),
    )
