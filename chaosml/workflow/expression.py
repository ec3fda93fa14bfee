"""Expressions of Argo documents: `when`, `depends`, `{{=…}}` and retry conditions.

One parser reads three flavours:

- `WHEN`: govaluate as Argo uses it, where a bare word is a string;
- `DEPENDS`: tasks and their results with `&&`, `||`, `!`;
- `EXPR`: expr-lang, with what `functions`, `closures` and `operators` give.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosml.workflow.parser import Flavour, parse_term
from chaosml.workflow.terms import Term, references
from chaosml.workflow.tokens import ExpressionError

__all__ = ["Expression", "ExpressionError", "Flavour", "parse"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    source: str
    flavour: Flavour
    term: Term
    references: tuple[str, ...]
    """The variables it reads, dotted as far as they are constant: `tasks.a.outputs.result`;
    for `depends`, the tasks."""

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Return the value.

        Args:
            scope: Variables by name, maps nested; for `depends` the results of each task as a
                set; not read for `when`, whose references are substituted before.

        Raises:
            ExpressionError: a name is unknown or an operand has the wrong type.
        """
        return self.term.evaluate(scope)

    def holds(self, scope: Mapping[str, Any]) -> bool:
        """Return the value of a condition.

        Raises:
            ExpressionError: as `evaluate`, or the value is neither true nor false.
        """
        value = self.evaluate(scope)
        if not isinstance(value, bool):
            raise ExpressionError(f"{self.source!r} must be true or false, but is {value!r}")
        return value


@functools.lru_cache(maxsize=1024)
def parse(source: str, flavour: Flavour = Flavour.EXPR) -> Expression:
    """Parse an expression.

    Raises:
        ExpressionError: the syntax is wrong, a function is unknown, or a limit is exceeded.
    """
    term = parse_term(source, flavour)
    return Expression(source, flavour, term, tuple(dict.fromkeys(references(term))))
