"""A scorecard in each of its forms, as bytes; what a form needs is imported with it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chaosml.scorecard.model import Change, Key, Scorecard
from chaosml.scorecard.reading import Harvest

__all__ = ["changes_json", "changes_markdown", "content"]


def content(form: str, scorecard: Scorecard, harvest: Harvest) -> bytes:
    """Return the document of a form: the name of the option that asks for it.

    Raises:
        UsageError: the form needs a library that is not installed.
    """
    match form:
        case "html":
            from chaosml.scorecard import page

            return page.render(scorecard, harvest)
        case "markdown":
            from chaosml.scorecard import markdown

            return markdown.render(scorecard).encode()
        case "badge":
            from chaosml.scorecard import badge

            return badge.render(scorecard)
        case "csv" | "parquet":
            from chaosml.scorecard import tables

            return tables.csv(harvest) if form == "csv" else tables.parquet(harvest)
        case "openmetrics":
            from chaosml.scorecard import openmetrics

            return openmetrics.render(scorecard)
        case _:
            return _json(scorecard)


def _json(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def changes_json(changes: Mapping[Key, tuple[Change, ...]]) -> bytes:
    """Return a comparison for machines."""
    return _json(
        {
            "kind": "chaosml.comparison",
            "schema": 1,
            "rows": [
                {"scenario": key[0], "pipeline": key[1], "substrate": key[2], "changes": found}
                for key, found in changes.items()
            ],
        }
    )


def changes_markdown(changes: Mapping[Key, tuple[Change, ...]]) -> str:
    """Return a comparison as a comment on a pull request."""
    from chaosml.scorecard import markdown

    return markdown.render_changes(changes)
