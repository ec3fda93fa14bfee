"""The JSON Schema of scenario documents, for editors: what `chaosml schema` prints.

The model says what is allowed; the texts below its fields say what it is for. Options of a fault
hang on its kind: `with:` is described by the kind that `inject:` names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from chaosml.explain.docstrings import attribute_texts
from chaosml.explain.words import written_default
from chaosml.faults.catalogue import option_models
from chaosml.scenario.model import Scenario

__all__ = ["described_by", "options_schema", "schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema of a scenario; durations and shares are text with their units."""
    described = described_by(Scenario)
    parts = described["$defs"]
    kinds = {kind: options_schema(kind) for kind in option_models()}
    for kind, one in kinds.items():
        parts.update(one.pop("$defs", {}))
        parts[_name(kind)] = one
    fault = parts["Fault"]
    fault["properties"]["inject"]["enum"] = list(kinds)
    fault["allOf"] = [_of_kind(kind, one) for kind, one in kinds.items()]
    return {"$schema": _DIALECT, **described, "title": "chaosml scenario"}


def options_schema(kind: str) -> dict[str, Any]:
    """Return the schema of `with:` for a kind of fault; mappings inside stand in its `$defs`."""
    return described_by(option_models()[kind])


def described_by(top: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a model, with what each key is for."""
    described = top.model_json_schema(by_alias=True, mode="validation")
    parts = described.get("$defs", {})
    for model in _models(top):
        _complete(described if model is top else parts[model.__name__], model)
    return described


def _name(kind: str) -> str:
    return f"with-{kind}"


def _of_kind(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for faults of a kind."""
    then: dict[str, Any] = {"properties": {"with": {"$ref": f"#/$defs/{_name(kind)}"}}}
    if options.get("required"):
        then["required"] = ["with"]
    return {"if": {"properties": {"inject": {"const": kind}}, "required": ["inject"]}, "then": then}


def _complete(described: dict[str, Any], model: type[BaseModel]) -> None:
    """Add what each key is for; write defaults as a scenario writes them."""
    texts = attribute_texts(model)
    for name, field in model.model_fields.items():
        one = described["properties"][field.alias or name]
        # A title that repeats the key helps nobody.
        one.pop("title", None)
        if name in texts:
            one["description"] = texts[name]
        if "default" not in one:
            continue
        default = written_default(one)
        if default is None:
            del one["default"]
        else:
            one["default"] = default


def _models(top: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield every model that a document of a model can hold, each once."""
    seen: dict[type[BaseModel], None] = {}
    left: list[Any] = [top]
    while left:
        one = left.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one not in seen:
                seen[one] = None
                left += _annotations(one)
        else:
            left += get_args(one)
    yield from seen


def _annotations(model: type[BaseModel]) -> Iterator[Any]:
    fields: Mapping[str, Any] = model.model_fields
    for field in fields.values():
        yield field.annotation
