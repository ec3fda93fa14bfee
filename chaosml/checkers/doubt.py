"""Why an injection proves nothing, raised where its evidence is looked at."""

from __future__ import annotations

__all__ = ["Doubt"]


class Doubt(Exception):
    """Why an injection proves nothing; raised inside of an examination only."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(why)
        self.why = why
        self.detail = detail
