"""A Lease in the namespace: two runs must not overlap there.

A holder renews it; one that has not been renewed for its duration is free again, so
that a run that died blocks nobody for long.
"""

from __future__ import annotations

import datetime
from typing import Any

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.api import Api, ApiError, path_of

__all__ = ["Lease"]

_NAME = "chaosml"
_GROUP = "coordination.k8s.io/v1"
_DURATION_S = 60
_RENEW_NS = 15_000_000_000
_NOT_FOUND = 404
_CONFLICT = 409


class Lease:
    """The right to use a namespace."""

    def __init__(self, api: Api, namespace: str, holder: str) -> None:
        self._api = api
        self._namespace = namespace
        self._holder = holder
        self._due_ns: int | None = None

    @property
    def due_ns(self) -> int | None:
        """When it must be renewed; None while it is not held."""
        return self._due_ns

    def acquire(self) -> None:
        """Take the lease.

        Raises:
            SubstrateError: another run holds it.
        """
        body = self._body()
        try:
            self._api.create(path_of("leases", namespace=self._namespace, group=_GROUP), body)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            self._take_over()
        self._due_ns = clock.monotonic_ns() + _RENEW_NS

    def renew(self, now_ns: int) -> None:
        """Renew the lease where that is due.

        Raises:
            SubstrateError: somebody else has taken it.
        """
        if self._due_ns is not None and now_ns >= self._due_ns:
            self._take_over()
            self._due_ns = now_ns + _RENEW_NS

    def release(self) -> None:
        """Give the lease back; one that is not held is left alone."""
        if self._due_ns is None:
            return
        self._due_ns = None
        try:
            if self._api.get(self._path)["spec"].get("holderIdentity") == self._holder:
                self._api.delete(self._path)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    @property
    def _path(self) -> str:
        return path_of("leases", namespace=self._namespace, name=_NAME, group=_GROUP)

    def _take_over(self) -> None:
        there = self._api.get(self._path)
        spec = there.get("spec") or {}
        holder = spec.get("holderIdentity")
        if holder not in (None, "", self._holder) and not _is_expired(spec):
            raise SubstrateError(
                f"the namespace {self._namespace} is in use by the run {holder}; wait for its end, "
                f"or {_DURATION_S} s if it died"
            )
        body = self._body()
        body["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
        try:
            self._api.replace(self._path, body)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            raise SubstrateError(
                f"another run took the namespace {self._namespace} at the same time; try again"
            ) from error

    def _body(self) -> dict[str, Any]:
        return {
            "apiVersion": _GROUP,
            "kind": "Lease",
            "metadata": {"name": _NAME, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": _DURATION_S,
                "renewTime": f"{clock.utc_now():%Y-%m-%dT%H:%M:%S.%fZ}",
            },
        }


def _is_expired(spec: dict[str, Any]) -> bool:
    stamp = spec.get("renewTime")
    if stamp is None:
        return True
    renewed = datetime.datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))
    duration = datetime.timedelta(seconds=float(spec.get("leaseDurationSeconds") or 0))
    return clock.utc_now() > renewed + duration
