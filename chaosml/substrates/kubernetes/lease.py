"""A Lease in the namespace: two runs must not overlap there.

A holder renews it; one that has not been renewed for its duration is free again, so
that a run that died blocks nobody for long. One whose holder is provably dead, because
it was a process of this host that is gone, is free at once.

The Lease also keeps what nobody could know otherwise after the holder's death: the
nodes that it keeps stopped, whose objects may be gone.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.store.owner import Process
from chaosml.substrates.kubernetes.api import ApiUnreachable, Objects, delete_if_there, path_of
from chaosml.substrates.kubernetes.names import LEASE, OWNER
from chaosml.substrates.kubernetes.refusals import ApiError

__all__ = ["DURATION_S", "Healed", "Holding", "Lease", "find", "holdings"]

DURATION_S = 60
"""A holder that has not renewed its Lease for so long has lost it."""

_GROUP = "coordination.k8s.io/v1"
_RENEW_NS = 15_000_000_000
_AGAIN_NS = 1_000_000_000
_FORBIDDEN = 403
_NOT_FOUND = 404
_CONFLICT = 409

_STOPPED = "chaosml.dev/stopped-nodes"
"""Annotation with the nodes that the holder keeps stopped."""
_HEALED = "chaosml.dev/healed"
"""Annotation with what was healed after a holder that had died."""


class Healed(msgspec.Struct, frozen=True, kw_only=True):
    """What was undone after a run that had died."""

    run: str
    at: str
    """The second in UTC."""
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A Lease as it stands."""

    namespace: str
    holder: str
    """Empty where nobody holds it."""
    renewed: str
    version: str
    owner: Process | None
    stopped: frozenset[str]
    """Nodes that the holder keeps stopped."""
    healed: Healed | None
    is_expired: bool

    @property
    def is_free(self) -> bool:
        """Whether it may be taken: nobody holds it, or whoever did is dead."""
        dead = self.owner is not None and self.owner.is_provably_dead
        return not self.holder or self.is_expired or dead


def find(api: Objects, namespace: str) -> Holding | None:
    """Return the Lease of a namespace; None where there is none.

    Raises:
        SubstrateError: the API does not say.
    """
    try:
        return _read(api.get(_path(namespace)))
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        return None


def holdings(api: Objects) -> tuple[Holding, ...]:
    """Return the Leases of all namespaces, as far as they may be read.

    Raises:
        SubstrateError: the API does not say.
    """
    try:
        listed = api.get(path_of("leases", group=_GROUP), fieldSelector=f"metadata.name={LEASE}")
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return ()
    return tuple(_read(item) for item in listed.get("items") or ())


class Lease:
    """The right to use a namespace."""

    def __init__(
        self, api: Objects, namespace: str, holder: str, *, owner: Process | None = None
    ) -> None:
        """Prepare; `acquire` takes it.

        Args:
            api: The cluster.
            namespace: To be used alone.
            holder: Name of the run, for people and for comparison.
            owner: The process that holds it, where its death can be seen from this host.
        """
        self._api = api
        self._namespace = namespace
        self._holder = holder
        self._owner = owner
        self._stopped: set[str] = set()
        self._due_ns: int | None = None

    @property
    def due_ns(self) -> int | None:
        """When it must be renewed; None while it is not held."""
        return self._due_ns

    @property
    def stopped(self) -> frozenset[str]:
        """The nodes that are kept stopped, also those of a holder before that had died."""
        return frozenset(self._stopped)

    def acquire(self) -> Holding | None:
        """Take the lease; return it as it was before, None where there was none.

        Raises:
            SubstrateError: another run holds it.
        """
        before = None
        try:
            path = path_of("leases", namespace=self._namespace, group=_GROUP)
            self._api.create(path, self._body())
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            before = self._take_over()
        self._due_ns = clock.monotonic_ns() + _RENEW_NS
        return before

    def take(self, seen: Holding) -> bool:
        """Take the lease as it was seen; return False where it has changed since.

        Raises:
            SubstrateError: the API does not answer.
        """
        self._stopped |= seen.stopped
        if not self._replace(seen.version):
            return False
        self._due_ns = clock.monotonic_ns() + _RENEW_NS
        return True

    def renew(self, now_ns: int) -> None:
        """Renew the lease where that is due.

        While the API server is away nobody can take it, so that is tried again; for how long
        it may be away the watches know.

        Raises:
            SubstrateError: somebody else has taken it.
        """
        if self._due_ns is None or now_ns < self._due_ns:
            return
        try:
            self._take_over()
            self._due_ns = now_ns + _RENEW_NS
        except ApiUnreachable:
            self._due_ns = now_ns + _AGAIN_NS
        except ApiError as error:
            if not error.may_pass:
                raise
            self._due_ns = now_ns + _AGAIN_NS

    def note_stopped(self, node: str) -> None:
        """Write down that a node will be stopped, before it is.

        Raises:
            SubstrateError: somebody else has taken the lease.
        """
        self._stopped.add(node)
        self._write_down()

    def note_started(self, node: str) -> None:
        """Write down that a node runs again.

        Raises:
            SubstrateError: somebody else has taken the lease.
        """
        if node in self._stopped:
            self._stopped.discard(node)
            self._write_down()

    def release(self, healed: Healed | None = None) -> None:
        """Give the lease back; one that is not held is left alone.

        Args:
            healed: Stays to be read there, under no holder's name.
        """
        if self._due_ns is None:
            return
        self._due_ns = None
        with contextlib.suppress(_Absent):
            there = self._find()
            if there.holder != self._holder:
                return
            if healed is None:
                delete_if_there(self._api, _path(self._namespace))
            else:
                self._replace(there.version, healed)

    def _write_down(self) -> None:
        if self._due_ns is not None:
            self._take_over()

    def _take_over(self) -> Holding:
        there = self._find()
        if there.holder != self._holder:
            if not there.is_free:
                raise SubstrateError(
                    f"the namespace {self._namespace} is in use by the run {there.holder}; wait "
                    f"for its end, or {DURATION_S} s if it died"
                )
            self._stopped |= there.stopped
        if not self._replace(there.version):
            raise SubstrateError(
                f"another run took the namespace {self._namespace} at the same time; try again"
            )
        return there

    def _find(self) -> Holding:
        there = find(self._api, self._namespace)
        if there is None:
            raise _Absent(
                f"the Lease of the namespace {self._namespace} was removed by somebody else"
            )
        return there

    def _replace(self, version: str, healed: Healed | None = None) -> bool:
        """Write the lease over the version that was read; return False where it has changed."""
        body = self._body(healed)
        body["metadata"]["resourceVersion"] = version
        try:
            self._api.replace(_path(self._namespace), body)
        except ApiError as error:
            if error.status not in (_CONFLICT, _NOT_FOUND):
                raise
            return False
        return True

    def _body(self, healed: Healed | None = None) -> dict[str, Any]:
        annotations = {}
        if self._stopped:
            annotations[_STOPPED] = ",".join(sorted(self._stopped))
        if healed is not None:
            annotations[_HEALED] = msgspec.json.encode(healed).decode()
        elif self._owner is not None:
            annotations[OWNER] = msgspec.json.encode(self._owner).decode()
        return {
            "apiVersion": _GROUP,
            "kind": "Lease",
            "metadata": {
                "name": LEASE,
                "namespace": self._namespace,
                "annotations": annotations,
            },
            "spec": {
                "holderIdentity": self._holder if healed is None else "",
                "leaseDurationSeconds": DURATION_S,
                "renewTime": f"{clock.utc_now():%Y-%m-%dT%H:%M:%S.%fZ}",
            },
        }


class _Absent(SubstrateError):
    """The lease was there and is not any more."""


def _path(namespace: str) -> str:
    return path_of("leases", namespace=namespace, name=LEASE, group=_GROUP)


def _read(item: Mapping[str, Any]) -> Holding:
    metadata, spec = item["metadata"], item.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    return Holding(
        namespace=str(metadata.get("namespace", "")),
        holder=str(spec.get("holderIdentity") or ""),
        renewed=str(spec.get("renewTime") or ""),
        version=str(metadata.get("resourceVersion", "")),
        owner=_decode(annotations.get(OWNER), Process),
        stopped=frozenset(filter(None, str(annotations.get(_STOPPED, "")).split(","))),
        healed=_decode(annotations.get(_HEALED), Healed),
        is_expired=_is_expired(spec),
    )


def _decode(text: str | None, kind: type[Any]) -> Any:
    """Return what an annotation says; None where there is none or somebody else wrote it."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return None


def _is_expired(spec: Mapping[str, Any]) -> bool:
    stamp = spec.get("renewTime")
    if stamp is None:
        return True
    renewed = datetime.datetime.fromisoformat(str(stamp).replace("Z", "+00:00"))
    duration = datetime.timedelta(seconds=float(spec.get("leaseDurationSeconds") or 0))
    return clock.utc_now() > renewed + duration
