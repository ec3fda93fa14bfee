"""What the objects of an Argo document have in common: how they are read and what they refuse."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from chaosml.workflow import fields

__all__ = ["AnyString", "ArgoObject", "Boolean", "IntOrString", "Integer"]


def _to_text(value: Any) -> Any:
    """Write a scalar as Argo's `AnyString` reads it: the JSON text, strings as they are."""
    if isinstance(value, bool | int | float):
        return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
    return value


def _to_int_or_string(value: Any) -> Any:
    if isinstance(value, float):
        whole = f"{value:.0f}"
        raise PydanticCustomError(
            "int_or_string",
            "Argo's IntOrString refuses the float {number}; write {whole} or {quoted}",
            {"number": repr(value), "whole": whole, "quoted": f'"{whole}"'},
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


AnyString = Annotated[str, BeforeValidator(_to_text)]
"""Text; numbers and booleans are accepted and become text, as Argo does it."""
IntOrString = Annotated[str, BeforeValidator(_to_int_or_string)]
"""A whole number or a `{{…}}` that becomes one, kept as text."""
Integer = Annotated[int, Field(strict=True)]
Boolean = Annotated[bool, Field(strict=True)]


class ArgoObject(BaseModel):
    """An object of the document."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    kind_of_object: ClassVar[str] = ""
    """What messages call it; the key into the tables of `fields`."""

    @model_validator(mode="before")
    @classmethod
    def _drop_without_effect(cls, value: Any) -> Any:
        ignored = fields.WITHOUT_EFFECT.get(cls.kind_of_object)
        if not ignored or not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if key not in ignored}

    @classmethod
    def explain_key(cls, key: str) -> str | None:
        """Return why a key that is no field is refused; None where Argo has no such field."""
        foreign = fields.FOREIGN.get(cls.kind_of_object, {}).get(key)
        if foreign is not None:
            return f"{key!r} is unknown: {foreign}"
        advice = fields.UNSUPPORTED.get(cls.kind_of_object, {}).get(key)
        if advice is None:
            return None
        refusal = f"{key!r} is not supported by the embedded substrate"
        return f"{refusal}: {advice}" if advice else refusal

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Return every key that Argo knows here, for near misses."""
        own = (field.alias or name for name, field in cls.model_fields.items())
        ignored = fields.WITHOUT_EFFECT.get(cls.kind_of_object, {})
        unsupported = fields.UNSUPPORTED.get(cls.kind_of_object, {})
        return (*own, *ignored, *unsupported)
