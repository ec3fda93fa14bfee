"""What every verb has from the command line: where it writes, who reads it, and `--set`.

The command line hands a verb how it turns errors into exit codes and where it writes, so that all
verbs behave alike wherever they live. Light: it is imported at every start.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaosml.errors import UsageError

__all__ = ["Doubt", "Form", "Terminal", "set_values"]


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the command line does with an action and with text."""

    attempt: Callable[[Callable[[], int]], int]
    """Does something and returns its exit code; errors become messages."""
    emit: Callable[[str], None]
    """Writes a result."""
    say: Callable[[str], None]
    """Writes a line for people."""


class Form(enum.StrEnum):
    """Who reads the result."""

    TEXT = "text"
    JSON = "json"


class Doubt(enum.StrEnum):
    """What becomes of a result that proves nothing."""

    FAIL = "fail"
    WARN = "warn"


def set_values(given: Iterable[str], *, example: str) -> dict[str, str]:
    """Return the values of `--set PATH=VALUE`, by path.

    Args:
        given: What the options say.
        example: A sound one, for the message.

    Raises:
        UsageError: one is not PATH=VALUE.
    """
    values = {}
    for item in given:
        path, equals, value = item.partition("=")
        if not path or not equals:
            raise UsageError(f"--set {item}: is not PATH=VALUE, such as {example}")
        values[path] = value
    return values
