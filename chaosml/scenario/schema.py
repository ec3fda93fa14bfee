"""The JSON Schema of scenario documents, for editors: what `chaosml schema` prints."""

from __future__ import annotations

from typing import Any

from chaosml.scenario.model import Scenario

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """Return the schema; durations and shares are text with their units."""
    described = Scenario.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "chaosml scenario",
    }
