"""The form of every mapping of a scenario: keys with hyphens, none unknown, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Section", "check_one"]


def check_one(model: BaseModel, names: tuple[str, ...]) -> None:
    """Refuse a mapping that does not have exactly one of these keys."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ValueError(f"exactly one of {', '.join(names)} is needed, found {found}")


class Section(BaseModel):
    """A mapping of the document."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )
