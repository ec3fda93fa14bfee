"""The interruption notice, as a pod reads it from the metadata service of its machine.

AWS, IMDSv2: a session token by PUT, then `spot/instance-action`, which is 404 until the
machine is to be taken back. AWS advises a poll every five seconds.

GCP: `instance/preempted` turns from FALSE to TRUE; the request waits for it.

Which of them is asked, the environment says. A metadata service that does not answer means
no notice, never an end of the training.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import urllib.parse
from collections.abc import Callable

from chaosml.reference.interruption import Interruption

__all__ = ["ENDPOINT_VARIABLE", "GOOGLE_VARIABLE", "GoogleMetadata", "Metadata", "watch"]

ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
GOOGLE_VARIABLE = "GCE_METADATA_HOST"
"""As Google's own libraries read it: a host, here with a path behind it."""
_TIMEOUT_S = 1.0
_TOKEN_TTL_S = 21600
_ACTION = "/latest/meta-data/spot/instance-action"
_PREEMPTED = "/computeMetadata/v1/instance/preempted"
_CHANGE_S = 60
_CHANGE_LATE_S = 10.0


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


class GoogleMetadata:
    """A client of Google's metadata server; each look waits until there is something new."""

    def __init__(self, host: str) -> None:
        parts = urllib.parse.urlsplit(f"http://{host}")
        self._address = (parts.hostname or "", parts.port or 80)
        self._path = parts.path.rstrip("/")
        self._etag = "NONE"

    def read_notice(self) -> str | None:
        """Return what is announced, or None where nothing is."""
        query = f"?wait_for_change=true&timeout_sec={_CHANGE_S}&last_etag={self._etag}"
        connection = http.client.HTTPConnection(*self._address, timeout=_CHANGE_S + _CHANGE_LATE_S)
        try:
            headers = {"Metadata-Flavor": "Google"}
            connection.request("GET", self._path + _PREEMPTED + query, headers=headers)
            answer = connection.getresponse()
            body = answer.read(4096)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if answer.status != 200:
            return None
        self._etag = answer.getheader("ETag") or "NONE"
        return "preempted" if body.strip() == b"TRUE" else None


def watch(interruption: Interruption, *, poll_s: float) -> None:
    """Look for a notice in the background, and take it as a request to end.

    Does nothing where the environment names no service or `poll_s` is 0.
    """
    endpoint, host = os.environ.get(ENDPOINT_VARIABLE), os.environ.get(GOOGLE_VARIABLE)
    if poll_s <= 0:
        return
    if endpoint:
        _start(interruption, Metadata(endpoint).read_notice, poll_s)
    if host:
        _start(interruption, GoogleMetadata(host).read_notice, poll_s)


def _start(interruption: Interruption, read: Callable[[], str | None], poll_s: float) -> None:
    """Look again and again, with a pause after each look that found nothing."""

    def poll() -> None:
        ended = threading.Event()
        while interruption.reason is None:
            notice = read()
            if notice:
                interruption.request(f"interruption notice: {notice}")
            ended.wait(poll_s)

    threading.Thread(target=poll, name="notice", daemon=True).start()
