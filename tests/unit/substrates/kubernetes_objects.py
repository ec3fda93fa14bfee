"""Pods, workflows and nodes as the API shows them, and the changes between them."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from chaosml import clock
from chaosml.store.owner import Process
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.kubernetes.watches import Change, Kind

SECOND = 1_000_000_000
EPOCH = int(datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC).timestamp()) * SECOND
WALL = WallClock(EPOCH)
"""A wall clock that shows noon where the monotonic clock shows zero."""


def stamp(seconds: int) -> str:
    """Return the API's stamp of a second after noon."""
    return f"2026-11-25T12:{seconds // 60:02}:{seconds % 60:02}Z"


def pod(
    *,
    uid: str = "u0",
    vertex: str = "spot-t1.train(0)",
    name: str = "spot-t1-train-1234",
    node: str | None = "worker",
    state: dict[str, Any] | None = None,
    deleted: tuple[int, int] | None = None,
    version: int = 1,
) -> dict[str, Any]:
    """Return a pod; `deleted` is when its grace will be over, and the grace, in seconds."""
    metadata: dict[str, Any] = {
        "uid": uid,
        "name": name,
        "resourceVersion": str(version),
        "creationTimestamp": stamp(10),
        "annotations": {"workflows.argoproj.io/node-name": vertex},
        "labels": {"team": "vision"},
    }
    if deleted is not None:
        metadata["deletionTimestamp"] = stamp(deleted[0])
        metadata["deletionGracePeriodSeconds"] = deleted[1]
    main = {
        "name": "main",
        "image": "trainer:1",
        "env": [{"name": "RUN_ID", "value": "r1"}, {"name": "SECRET", "value": "s"}],
        "resources": {"requests": {"cpu": "250m"}},
    }
    status = {"name": "main", "imageID": "sha256:1", "state": state or {"waiting": {}}}
    return {
        "metadata": metadata,
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 100,
            "containers": [{"name": "wait"}, main],
        },
        "status": {"phase": "Running", "containerStatuses": [{"name": "wait"}, status]},
    }


def running(second: int) -> dict[str, Any]:
    return {"running": {"startedAt": stamp(second)}}


def ended(second: int, code: int, *, started: int = 12) -> dict[str, Any]:
    times = {"startedAt": stamp(started), "finishedAt": stamp(second)}
    return {"terminated": {"exitCode": code, **times}}


def change(
    thing: dict[str, Any],
    *,
    at: float,
    since: float | None = None,
    kind: Kind = Kind.MODIFIED,
    before: dict[str, Any] | None = None,
    after_gap: bool = False,
) -> Change:
    """Return a change that came `at` seconds; nothing had changed `since` then."""
    since = at - 0.5 if since is None else since
    return Change(kind, before, thing, int(since * SECOND), int(at * SECOND), after_gap)


def vertex(
    name: str,
    phase: str,
    *,
    kind: str = "Pod",
    template: str = "train",
    message: str = "",
    started: int = 10,
    finished: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a node of a workflow's status."""
    node = {
        "id": name,
        "name": name,
        "displayName": name.rpartition(".")[2],
        "type": kind,
        "templateName": template,
        "phase": phase,
        "message": message,
        "startedAt": stamp(started),
        **more,
    }
    if finished is not None:
        node["finishedAt"] = stamp(finished)
    return node


def workflow(*vertices: dict[str, Any], phase: str = "Running", **status: Any) -> dict[str, Any]:
    nodes = {one["id"]: one for one in vertices}
    metadata = {"uid": "w", "name": "spot-t1", "resourceVersion": "1"}
    return {"metadata": metadata, "status": {"phase": phase, "nodes": nodes, **status}}


def machine(
    name: str = "worker", *, ready: str = "True", closed: bool = False, **labels: str
) -> dict[str, Any]:
    metadata = {"uid": f"n-{name}", "name": name, "resourceVersion": "1", "labels": labels}
    return {
        "metadata": metadata,
        "spec": {"unschedulable": closed},
        "status": {"conditions": [{"type": "Ready", "status": ready}, {"type": "Other"}]},
    }


def held(
    holder: str,
    age_s: float,
    *,
    namespace: str = "chaosml",
    stopped: str = "",
    owner: Process | None = None,
) -> dict[str, Any]:
    """Return a Lease that was renewed `age_s` seconds ago."""
    renewed = clock.utc_now() - datetime.timedelta(seconds=age_s)
    annotations = {}
    if stopped:
        annotations["chaosml.dev/stopped-nodes"] = stopped
    if owner is not None:
        annotations["chaosml.dev/owner"] = msgspec.json.encode(owner).decode()
    return {
        "metadata": {
            "name": "chaosml",
            "namespace": namespace,
            "resourceVersion": "7",
            "annotations": annotations,
        },
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": 60,
            "renewTime": f"{renewed:%Y-%m-%dT%H:%M:%S.%fZ}",
        },
    }
