"""The interruption notice, as a pod reads it from the metadata service of its machine (AWS).

IMDSv2: a session token by PUT, then `spot/instance-action`, which is 404 until the
machine is to be taken back. AWS advises a poll every five seconds. A metadata
service that does not answer means no notice, never an end of the training.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import urllib.parse

from chaosml.reference.interruption import Interruption

__all__ = ["ENDPOINT_VARIABLE", "Metadata", "watch"]

ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
_TIMEOUT_S = 1.0
_TOKEN_TTL_S = 21600
_ACTION = "/latest/meta-data/spot/instance-action"


class Metadata:
    """A client of the metadata service."""

    def __init__(self, endpoint: str) -> None:
        parts = urllib.parse.urlsplit(endpoint)
        self._address = (parts.hostname or "", parts.port or 80)
        self._path = parts.path.rstrip("/")
        self._token: str | None = None

    def read_notice(self) -> str | None:
        """Return the announced action with its time, or None where nothing is announced."""
        if self._token is None:
            self._token = self._fetch_token()
        # IMDSv1 answers without a token; a service that insists on one says 401.
        headers = {"X-aws-ec2-metadata-token": self._token} if self._token else {}
        status, body = self._ask("GET", _ACTION, headers)
        if status == 401:
            self._token = None
        if status != 200:
            return None
        try:
            notice = json.loads(body)
            return f"{notice['action']} at {notice['time']}"
        except (ValueError, KeyError, TypeError):
            return None

    def _fetch_token(self) -> str | None:
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_TTL_S)}
        status, body = self._ask("PUT", "/latest/api/token", ttl)
        return body.decode("ascii", "replace") if status == 200 else None

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Return status and body; 0 where nobody answered."""
        host, port = self._address
        # No urllib.request: the link-local service must not be asked through a proxy.
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, self._path + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(4096)
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def watch(interruption: Interruption, *, poll_s: float) -> None:
    """Poll for a notice in the background, and take it as a request to end.

    Does nothing where no endpoint is set or `poll_s` is 0.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if not endpoint or poll_s <= 0:
        return
    metadata = Metadata(endpoint)

    def poll() -> None:
        ended = threading.Event()
        while interruption.reason is None:
            notice = metadata.read_notice()
            if notice:
                interruption.request(f"interruption notice: {notice}")
            ended.wait(poll_s)

    threading.Thread(target=poll, name="notice", daemon=True).start()
