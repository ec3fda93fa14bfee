"""The names of the sources in the services process."""

from __future__ import annotations

__all__ = ["CONTROL", "GATE", "METADATA", "SOURCES"]

GATE = "gate"
CONTROL = "control"
METADATA = "metadata"

SOURCES = (GATE, CONTROL, METADATA)
"""The runner opens them at `Begin` and closes them with the numbers that `End` answers."""
