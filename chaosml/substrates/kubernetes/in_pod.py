"""The Kubernetes API as a pod gets to it: the address and the credentials that Kubernetes gave it.

Needs nothing but what the services' image has: the official client is not in it.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import urllib3

from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.api import HttpApi

__all__ = ["connect"]

_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")


def connect(account: pathlib.Path = _ACCOUNT) -> HttpApi:
    """Return the API server of the cluster that this pod runs in.

    Raises:
        SubstrateError: this is no pod, or it has no service account.
    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    authority, token = account / "ca.crt", account / "token"
    if host is None or not token.is_file():
        raise SubstrateError("this is no pod with a service account, so it has no API server")

    def sign(headers: dict[str, str], queries: Any, method: str, path: str, body: Any) -> None:
        # Read at each call: the kubelet renews it before it expires.
        headers["Authorization"] = f"Bearer {token.read_text(encoding='ascii').strip()}"

    host = f"[{host}]" if ":" in host else host
    return HttpApi(f"https://{host}:{port}", urllib3.PoolManager(ca_certs=str(authority)), sign)
