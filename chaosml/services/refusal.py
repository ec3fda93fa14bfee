"""An error answer in the words of S3."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from xml.sax.saxutils import escape

from chaosml.errors import ServiceError

__all__ = ["Refusal"]


class Refusal(ServiceError):
    """A request that the gate answers itself, with an S3 error."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        reason: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Say what is answered.

        Args:
            status: HTTP status.
            code: S3's name of the error.
            message: In words.
            reason: The status in words, where it is not the usual one.
            headers: Further header fields.
        """
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason
        self.headers = headers

    def render(self, resource: str) -> bytes:
        """Return the XML document that S3 clients read the error from."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
            f"<Resource>{escape(resource)}</Resource><RequestId>chaosml</RequestId></Error>"
        ).encode()
