"""YAML documents that know where everything in them stands, and their validation.

read(path) ─► Document ─► validate(document, Model) ─► Model
                 └─► document.problem(("trials",), "…")   file:line:column of a key or value
"""

from chaosml.document.reading import (
    Document,
    Loc,
    Mark,
    describe,
    parse,
    parse_all,
    read,
    read_all,
    read_scalar,
)
from chaosml.document.source import display_path, read_text
from chaosml.document.validation import (
    attempt,
    explain_unknown_key,
    name_path,
    nearest,
    salvage,
    takes_text,
    validate,
)

__all__ = [
    "Document",
    "Loc",
    "Mark",
    "attempt",
    "describe",
    "display_path",
    "explain_unknown_key",
    "name_path",
    "nearest",
    "parse",
    "parse_all",
    "read",
    "read_all",
    "read_scalar",
    "read_text",
    "salvage",
    "takes_text",
    "validate",
]
