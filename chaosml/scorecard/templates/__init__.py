"""Templates of documents that escape whatever is put into them."""

from __future__ import annotations

import functools

import jinja2

from chaosml.reports.wording import printable

__all__ = ["render"]


def render(name: str, **values: object) -> bytes:
    """Fill a template of this folder; a missing value is an error.

    Every text is escaped, and what acts instead of being read (control characters, turned
    writing) is made visible.
    """
    return _environment().get_template(f"{name}.jinja").render(**values).encode()


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("chaosml.scorecard", "templates"),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _visible(value: object) -> object:
    # Markup, a kind of str, is what this package made itself.
    return printable(value) if type(value) is str else value
