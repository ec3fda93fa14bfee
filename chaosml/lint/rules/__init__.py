"""The rules, one module each; a module here is a rule and is found by being here."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from chaosml.lint.rule import Rule

__all__ = ["rules"]


@functools.cache
def rules() -> Mapping[str, Rule]:
    """Return every rule by its name, in the order of the names."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        rule: Rule = importlib.import_module(f"{__name__}.{module.name}").RULE
        found[rule.name] = rule
    return MappingProxyType(found)
