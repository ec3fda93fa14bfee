"""Random generators whose whole state fits into an array of integers.

Pickled generator state would be code that a reader must run; these six numbers are data.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

__all__ = ["capture", "generators", "restore"]

_LOW = (1 << 64) - 1


def generators(seed: int, count: int) -> list[numpy.random.Generator]:
    """Return independent generators of one seed."""
    return [
        numpy.random.Generator(numpy.random.PCG64(part))
        for part in numpy.random.SeedSequence(seed).spawn(count)
    ]


def capture(generator: numpy.random.Generator) -> NDArray[numpy.uint64]:
    """Return the state of a generator: what it will draw next, and after that."""
    state: Any = generator.bit_generator.state
    value, increment = state["state"]["state"], state["state"]["inc"]
    return numpy.array(
        [
            value >> 64,
            value & _LOW,
            increment >> 64,
            increment & _LOW,
            # Half of a 64-bit draw may be left over for the next 32-bit one.
            state["has_uint32"],
            state["uinteger"],
        ],
        dtype=numpy.uint64,
    )


def restore(generator: numpy.random.Generator, captured: NDArray[numpy.uint64]) -> None:
    """Bring a generator into a captured state."""
    high, low, increment_high, increment_low, has_half, half = (int(part) for part in captured)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << 64 | low, "inc": increment_high << 64 | increment_low},
        "has_uint32": has_half,
        "uinteger": half,
    }
