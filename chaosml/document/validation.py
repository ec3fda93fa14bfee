"""Validation of a document against a model, with every problem in words of ours.

Pydantic says which rule broke in which place of the model; people need to read
what stands in their file, where, and what would be right there.
"""

from __future__ import annotations

import copy
import difflib
import re
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chaosml.document.reading import Document, Loc, describe
from chaosml.errors import Problem, ScenarioError

__all__ = [
    "attempt",
    "explain_unknown_key",
    "name_path",
    "nearest",
    "salvage",
    "takes_text",
    "validate",
]

_M = TypeVar("_M", bound=BaseModel)


def validate(document: Document, model: type[_M], at: Loc = ()) -> _M:
    """Return an instance of a model from the value at a place of a document.

    A model may have the classmethods `explain_key(key) -> str | None`, which says why a key that
    is no field of it is refused, and `known_keys() -> Iterable[str]`, among which near misses are
    looked for.

    Raises:
        ScenarioError: every problem of the value.
    """
    instance, problems = attempt(document, model, at)
    if instance is None:
        raise ScenarioError(problems)
    return instance


def attempt(document: Document, model: type[_M], at: Loc = ()) -> tuple[_M | None, list[Problem]]:
    """Return an instance and no problem, or None and every problem of the value."""
    value = _given(document, at)
    try:
        return model.model_validate(value, by_alias=True, by_name=False), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    places = [_locate(model, value, found["loc"]) for found in errors]
    return None, list(_explain(document, at, list(zip(errors, places, strict=True))))


def _given(document: Document, at: Loc) -> Any:
    """Return the value at a place; a mapping that is not there is empty."""
    value = document.get(at)
    return {} if value is None else value


def explain_unknown_key(model: type[BaseModel], loc: Loc) -> str | None:
    """Return what is wrong with a place that no document of a model can have; else None."""
    annotation: Any = model
    for depth, item in enumerate(loc):
        annotation = _strip(annotation)
        candidates = _members(annotation) if _is_union(annotation) else [annotation]
        models = [member for member in candidates if _is_model(member)]
        owners = [owner for owner in models if item in _fields(owner)]
        if models and not owners:
            return _explain_key(models[0], str(item), loc[:depth])
        annotation = _child(owners[0] if owners else annotation, item)
    return None


def takes_text(model: type[BaseModel], loc: Loc) -> bool:
    """Tell whether a place of a model takes any text."""
    annotation: Any = model
    for item in loc:
        annotation = _child(_strip(annotation), item)
    return _strip(annotation) is str


def salvage(
    document: Document, model: type[_M], at: Loc = (), *, expendable: Collection[Loc] = ()
) -> _M | None:
    """Return an instance without what is wrong, for checks that go on regardless.

    Keys that are no fields are left out, unless one was probably meant to be a field; so is what
    lies at an `expendable` place and is wrong. None where anything else is wrong: what would be
    concluded without it would be wrong, too.
    """
    value = copy.deepcopy(_given(document, at))
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for found in errors:
        place = _locate(model, value, found["loc"])
        drop = next((wide for wide in expendable if place.loc[: len(wide)] == wide), None)
        if drop is None and found["type"] == "extra_forbidden":
            meant = nearest(str(place.loc[-1]), _fields(place.owner))
            drop = None if meant else place.loc
        if not drop:
            return None
        _remove(value, drop)
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError:
        return None


def _remove(value: Any, loc: Loc) -> None:
    """Remove what is at a place; there may be nothing left, nor around it."""
    *around, last = loc
    for item in around:
        value = value.get(item) if isinstance(value, dict) else value[item]
        if value is None:
            return
    value.pop(last, None)


def name_path(loc: Sequence[str | int]) -> str:
    """Return a place as people write it: `faults[0].when.step`."""
    shown = ""
    for item in loc:
        shown += f"[{item}]" if isinstance(item, int) else f".{item}" if shown else item
    return shown


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant."""
    folded = {_fold(candidate): candidate for candidate in known}
    close = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _fold(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the data an error is, and what the model has there."""

    loc: Loc
    owner: type[BaseModel] | None
    """The model that has, or lacks, the last key."""
    annotation: Any
    union: Loc | None = None
    """The outermost value on the way that may have one of several forms."""
    union_annotation: Any = None
    branch: type[BaseModel] | None = None
    """The form in which the error lies, where that is a model."""


def _locate(model: type[BaseModel], value: Any, loc: tuple[str | int, ...]) -> _Place:
    """Follow an error's location through the data, without the tags that unions add."""
    annotation: Any = model
    owner: type[BaseModel] | None = None
    union: Loc | None = None
    union_annotation: Any = None
    branch: type[BaseModel] | None = None
    found: Loc = ()
    for item in loc:
        annotation = _strip(annotation)
        if _is_union(annotation):
            if union is None:
                union, union_annotation = found, annotation
            chosen = _choose(annotation, item)
            if chosen is None:
                break
            branch = branch or chosen
            annotation = chosen
            continue
        if item == "[key]":
            break
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            owner = annotation
        else:
            owner = None
        annotation = _child(annotation, item)
        found = (*found, item)
    return _Place(found, owner, annotation, union, union_annotation, branch)


def _strip(annotation: Any) -> Any:
    """Return an annotation without metadata and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
            continue
        if get_origin(annotation) in (Union, types.UnionType):
            members = [member for member in get_args(annotation) if member is not type(None)]
            if len(members) == 1:
                annotation = members[0]
                continue
        return annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _members(annotation: Any) -> list[Any]:
    return [_strip(one) for one in get_args(annotation) if one is not type(None)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _choose(annotation: Any, tag: str | int) -> type[BaseModel] | None:
    """Return the model that a union's tag names: `Between`, `function-after[…, Between]`."""
    words = re.findall(r"\w+", str(tag))
    for member in _members(annotation):
        if _is_model(member) and member.__name__ in words:
            return typing.cast("type[BaseModel]", member)
    return None


def _fields(owner: type[BaseModel] | None) -> list[str]:
    """Return the keys that a model has."""
    if owner is None:
        return []
    return [field.alias or name for name, field in owner.model_fields.items()]


def _child(annotation: Any, item: str | int) -> Any:
    """Return what an annotation says about one of its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if item in (field.alias, name):
                return field.annotation
        return Any
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is tuple and isinstance(item, int):
        return arguments[item] if item < len(arguments) and ... not in arguments else arguments[0]
    if origin in (dict, Mapping) and arguments:
        return arguments[1]
    return arguments[0] if origin is list and arguments else Any


def _explain(
    document: Document, at: Loc, found: Sequence[tuple[ErrorDetails, _Place]]
) -> Iterable[Problem]:
    unions: dict[Loc, list[tuple[ErrorDetails, _Place]]] = {}
    for error, place in found:
        if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
            continue  # Its entries are wrong, which is said of each.
        if place.union is not None:
            unions.setdefault(place.union, []).append((error, place))
        else:
            yield _problem(document, at, error, place)
    for loc, group in unions.items():
        branches = [place.branch for _, place in group if place.branch is not None]
        if isinstance(document.get((*at, *loc)), dict) and branches:
            # A mapping is meant to be the form that breaks the fewest rules.
            best = min(dict.fromkeys(branches), key=branches.count)
            for error, place in group:
                if place.branch is best:
                    yield _problem(document, at, error, place)
        else:
            wanted = _describe_type(group[0][1].union_annotation)
            value = describe(document.get((*at, *loc)))
            where = name_path((*at, *loc))
            yield document.problem((*at, *loc), f"{where}: {value} is not {wanted}")


def _problem(document: Document, at: Loc, error: ErrorDetails, place: _Place) -> Problem:
    loc = (*at, *place.loc)
    kind = error["type"]
    if kind == "extra_forbidden":
        message = _explain_key(place.owner, str(loc[-1]), loc[:-1])
        return document.problem(loc, message, key=True)
    if kind == "missing":
        wanted = _describe_type(place.annotation)
        parent = name_path(loc[:-1]) or "the document"
        message = f'{parent}: the key "{loc[-1]}" is missing; it takes {wanted}'
        return document.problem(loc[:-1], message, key=True)
    where = name_path(loc)
    words = _describe_broken_rule(error, place)
    message = f"{where}: {words}" if where else words
    return document.problem(loc, message)


def _explain_key(owner: Any, key: str, parent: Loc) -> str:
    where = f"{name_path(parent)}: " if parent else ""
    explain = getattr(owner, "explain_key", None)
    reason = explain(key) if explain is not None else None
    if reason is not None:
        return f"{where}{reason}"
    own = _fields(owner)
    known = list(owner.known_keys()) if hasattr(owner, "known_keys") else own
    meant = nearest(key, known)
    advice = f'did you mean "{meant}"?' if meant else f"known here: {', '.join(own)}"
    return f'{where}unknown key "{key}"; {advice}'


def _describe_broken_rule(error: ErrorDetails, place: _Place) -> str:
    """Say what is wrong with a value, beginning with the value."""
    value = error["input"]
    context = error.get("ctx", {})
    shown = describe(value)
    match error["type"]:
        case "value_error":
            reason = str(context["error"])
            return reason if isinstance(value, dict | BaseModel) else f"{shown} {reason}"
        case "literal_error":
            return _describe_choice(value, place.annotation, str(context["expected"]))
        case "string_pattern_mismatch":
            return f"{shown} does not match {context['pattern']}"
        case "string_too_short":
            return "is empty; write something"
        case "too_short":
            return "is empty; write at least one entry"
        case "too_long":
            return f"has {len(value)} entries and takes {_describe_type(place.annotation)}"
        case "greater_than_equal":
            return f"{shown} is too small; the least is {context['ge']}"
        case "less_than_equal":
            return f"{shown} is too large; the most is {context['le']}"
        case "string_type" if isinstance(value, bool | int | float):
            return f'{shown} is not text; quote it: "{shown}"'
        case known if known in _TYPE_RULES:
            return f"{shown} is not {_describe_type(place.annotation)}"
        case _:
            return error["msg"]


_TYPE_RULES = frozenset(
    {
        *("string_type", "int_type", "int_parsing", "int_from_float", "bool_type", "bool_parsing"),
        *("float_type", "float_parsing", "tuple_type", "list_type", "dict_type", "model_type"),
        *("model_attributes_type", "mapping_type", "none_required"),
    }
)


def _describe_choice(value: Any, annotation: Any, expected: str) -> str:
    choices = get_args(_strip(annotation)) if get_origin(_strip(annotation)) is Literal else ()
    meant = nearest(value, map(str, choices)) if isinstance(value, str) else None
    advice = f'; did you mean "{meant}"?' if meant else ""
    listed = ", ".join(map(str, choices)) or expected
    if len(choices) == 1:
        return f"{describe(value)} must be {listed}"
    return f"{describe(value)} is none of {listed}{advice}"


_WORDS = {
    bool: "true or false",
    dict: "a mapping",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "text",
    tuple: "a list",
}


def _describe_type(annotation: Any) -> str:
    """Say what a place takes."""
    annotation = _strip(annotation)
    if _is_union(annotation):
        return " or ".join(_describe_type(member) for member in _members(annotation))
    origin = get_origin(annotation)
    if origin is Literal:
        choices = [str(choice) for choice in get_args(annotation)]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if origin is tuple and ... not in get_args(annotation):
        return f"a list of {len(get_args(annotation))}"
    if _is_model(annotation):
        return f"a mapping with {', '.join(_fields(annotation))}"
    return _WORDS.get(origin or annotation, "a value")
