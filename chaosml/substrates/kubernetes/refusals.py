"""What the API server says when it refuses a call, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chaosml.errors import SubstrateError

if TYPE_CHECKING:
    import urllib3

__all__ = ["ApiError", "refusal"]

_TOO_MANY = 429
_UNAUTHORIZED = 401
_QUOTA = "exceeded quota"


class ApiError(SubstrateError):
    """The API server refused a call."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)

    @property
    def may_pass(self) -> bool:
        """Whether the same call may be answered later: the server starts, or has too much to do."""
        return self.status >= 500 or self.status == _TOO_MANY


def refusal(method: str, path: str, response: urllib3.BaseHTTPResponse) -> ApiError:
    """Read the `Status` object of a refusal.

    Its message leaves out causes that its details have: which PodDisruptionBudget, which quota.
    """
    status = _decode(response.data)
    reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    told = [str(cause["message"]) for cause in causes or () if cause.get("message")]
    message = " ".join([message, *(one for one in told if one not in message)]).strip()
    text = f"the API server refused {method} {path}: {response.status} {message or reason}"
    return ApiError(response.status, reason, text.rstrip() + _advice(response.status, message))


def _decode(data: bytes) -> dict[str, Any]:
    try:
        status = msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return {}
    return status if isinstance(status, dict) else {}


def _advice(status: int, message: str) -> str:
    """Say what to do where it is not the same for every call; "" where it is."""
    if status == _UNAUTHORIZED:
        return "; the context's credentials are not valid (any more): log in again or renew them"
    if _QUOTA in message:
        return "; raise the quota or ask for less"
    return ""
