"""The functions of expr-lang that take a list and a predicate, such as `filter(list, # > 1)`.

Each gets the items and a function that applies the predicate to the item at an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["CLOSURES"]


def _holds(apply: Callable[..., Any], index: int) -> bool:
    value = apply(index)
    if not isinstance(value, bool):
        raise TypeError(f"the predicate must be true or false, but is {value!r}")
    return value


def _found(items: list[Any], apply: Callable[..., Any], indices: Iterable[int]) -> int | None:
    return next((index for index in indices if _holds(apply, index)), None)


def _backwards(items: list[Any]) -> range:
    return range(len(items) - 1, -1, -1)


def _item(items: list[Any], index: int | None) -> Any:
    return None if index is None else items[index]


def _count(items: list[Any], apply: Callable[..., Any]) -> int:
    return sum(_holds(apply, index) for index in range(len(items)))


def _sum(items: list[Any], apply: Callable[..., Any]) -> Any:
    values = [apply(index) for index in range(len(items))]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        raise TypeError("every item must be a number")
    return sum(values)


def _reduce(items: list[Any], apply: Callable[..., Any], *initial: Any) -> Any:
    if not initial and not items:
        raise ValueError("there are no items and no initial value")
    value = initial[0] if initial else items[0]
    for index in range(0 if initial else 1, len(items)):
        value = apply(index, **{"#acc": value})
    return value


def _sort_by(items: list[Any], apply: Callable[..., Any], order: str = "asc") -> list[Any]:
    if order not in ("asc", "desc"):
        raise ValueError(f"the order is asc or desc, not {order!r}")
    keys = sorted(range(len(items)), key=apply, reverse=order == "desc")
    return [items[index] for index in keys]


def _group_by(items: list[Any], apply: Callable[..., Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for index, item in enumerate(items):
        groups.setdefault(apply(index), []).append(item)
    return groups


CLOSURES: Mapping[str, Callable[..., Any]] = {
    "all": lambda items, apply: all(_holds(apply, index) for index in range(len(items))),
    "any": lambda items, apply: any(_holds(apply, index) for index in range(len(items))),
    "count": _count,
    "filter": lambda items, apply: [
        item for index, item in enumerate(items) if _holds(apply, index)
    ],
    "find": lambda items, apply: _item(items, _found(items, apply, range(len(items)))),
    "findIndex": lambda items, apply: _found(items, apply, range(len(items))),
    "findLast": lambda items, apply: _item(items, _found(items, apply, _backwards(items))),
    "findLastIndex": lambda items, apply: _found(items, apply, _backwards(items)),
    "groupBy": _group_by,
    "map": lambda items, apply: [apply(index) for index in range(len(items))],
    "none": lambda items, apply: not any(_holds(apply, index) for index in range(len(items))),
    "one": lambda items, apply: _count(items, apply) == 1,
    "reduce": _reduce,
    "sortBy": _sort_by,
    "sum": _sum,
}
"""Functions that take a list and a predicate."""
