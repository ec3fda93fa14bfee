"""What the API refuses."""

from __future__ import annotations

from chaosml.errors import ServiceError

__all__ = ["ApiError"]


class ApiError(ServiceError):
    """A refused request: its status and the words for it, which are Toxiproxy's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
