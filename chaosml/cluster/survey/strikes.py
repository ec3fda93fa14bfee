"""Strikes at one pod: through the API, or at the process in its container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaosml.cluster import docker
from chaosml.cluster.api import Api
from chaosml.workflow.survey import Cell, Signal
from chaosml.workflow.views import WayToDie

__all__ = ["Target", "strike"]

_SIGNAL_S = 20.0


@dataclass(frozen=True, slots=True)
class Target:
    """The pod of a trial."""

    namespace: str
    workflow: str
    pod: str
    uid: str
    node: str

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}"


def strike(api: Api, cell: Cell, target: Target) -> str | None:
    """Strike a pod; return why it did not happen, if it did not.

    Raises:
        SubstrateError: the API or Docker does not answer.
    """
    if cell.signal is not None:
        return _send(cell.signal, target)
    same = {"preconditions": {"uid": target.uid}}
    body: dict[str, Any]
    match cell.way:
        case WayToDie.EVICT:
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": target.pod, "namespace": target.namespace},
                "deleteOptions": same,
            }
            answer = api.ask("post", f"{target.path}/eviction", body)
        case WayToDie.FORCE:
            answer = api.ask("delete", target.path, {**same, "gracePeriodSeconds": 0})
        case _:
            answer = api.ask("delete", target.path, same)
    return None if answer.succeeded else answer.message


def _send(signal: Signal, target: Target) -> str | None:
    # The trial's name is the process's last argument; Argo's executor, its parent, has the same
    # arguments after its own.
    pattern = f"^[^ ]*python[^ ]* .*{target.workflow}$"
    name = signal.value.removeprefix("SIG")
    sent = docker.in_container(
        target.node,
        ["pkill", "--signal", name, "--full", pattern],
        f"sending {signal} to {target.workflow} in node {target.node}",
        _SIGNAL_S,
    )
    return None if sent.code == 0 else f"no process of {target.workflow} in {target.node}"
