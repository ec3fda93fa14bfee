"""The machines behind a kind cluster's nodes: containers that can be killed and started again."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chaosml.errors import SubstrateError
from chaosml.substrates.kubernetes.pods import MAIN

__all__ = ["KindMachines", "Machines"]

_CALL_S = 30.0
_CLUSTER = "io.x-k8s.kind.cluster"
_ROLE = "io.x-k8s.kind.role"
_LOGS = "/var/log/pods"
_CRI = "io.kubernetes"
"""Prefix of the labels that the kubelet gives to containers."""


class Machines(Protocol):
    """The machines behind the nodes; every call has a limit."""

    def workers(self, *, stopped: bool = False) -> Sequence[str]:
        """Return the workers that run, or those that are stopped."""

    def kill(self, node: str) -> None:
        """Kill a worker: every process in it is dead when this returns."""

    def start(self, node: str) -> None:
        """Start a worker again."""

    def look(self, node: str, script: str, *arguments: str) -> str:
        """Return what a shell script on a worker prints that changes nothing."""

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        """Return what a shell script on a worker prints that reads `data`."""

    def read_log(self, node: str, *, namespace: str, pod: str, uid: str) -> list[bytes]:
        """Return the lines of a main container's log as the runtime wrote them to a dead disk."""

    def main_containers(self, node: str, *, namespace: str) -> Mapping[str, tuple[str, str]]:
        """Return the stamps of start and end of the main containers that have ended, by pod uid."""


class KindMachines:
    """The worker containers of one kind cluster, by the names of their nodes."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def workers(self, *, stopped: bool = False) -> Sequence[str]:
        """Return the workers that run, or those that are stopped.

        Raises:
            SubstrateError: Docker does not answer.
        """
        status = "exited" if stopped else "running"
        filters = (f"label={_CLUSTER}={self._cluster}", f"label={_ROLE}=worker", f"status={status}")
        options = [part for one in filters for part in ("--filter", one)]
        listed = self._docker("ps", "--all", *options, "--format", "{{.Names}}")
        return tuple(sorted(listed.decode().split()))

    def kill(self, node: str) -> None:
        """Kill a worker: every process in it is dead when this returns.

        Raises:
            SubstrateError: it is no running worker of the cluster, or Docker does not answer.
        """
        if node not in self.workers():
            raise SubstrateError(
                f"node {node} is not a running worker of the kind cluster {self._cluster}"
            )
        self._docker("kill", node)

    def start(self, node: str) -> None:
        """Start a worker again."""
        self._docker("start", node)

    def look(self, node: str, script: str, *arguments: str) -> str:
        """Return what a shell script on a worker prints that changes nothing.

        Raises:
            SubstrateError: it failed, or Docker does not answer.
        """
        return self.run(node, script, *arguments)

    def run(self, node: str, script: str, *arguments: str, data: str = "") -> str:
        """Return what a shell script on a worker prints that reads `data`.

        Raises:
            SubstrateError: it failed, or Docker does not answer.
        """
        command = ("exec", "--interactive", node, "sh", "-c", script, "sh", *arguments)
        return self._docker(*command, data=data.encode()).decode(errors="replace")

    def read_log(self, node: str, *, namespace: str, pod: str, uid: str) -> list[bytes]:
        """Return the lines of a main container's log as the runtime wrote them to a dead disk."""
        path = f"{_LOGS}/{namespace}_{pod}_{uid}/main/0.log"
        archive = self._docker("cp", "--follow-link", f"{node}:{path}", "-")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    return file.read().splitlines(keepends=True)
        return []

    def main_containers(self, node: str, *, namespace: str) -> Mapping[str, tuple[str, str]]:
        """Return the stamps of start and end of the main containers that have ended, by pod uid.

        Raises:
            SubstrateError: the node does not run, or its runtime does not answer.
        """
        labels = (f"{_CRI}.pod.namespace={namespace}", f"{_CRI}.container.name={MAIN}")
        listed = self._docker(
            "exec", node, "crictl", "ps", "--all", "--quiet", "--state", "Exited",
            *(part for one in labels for part in ("--label", one)),
        )  # fmt: skip
        ids = listed.decode().split()
        if not ids:
            return {}
        said = self._docker("exec", node, "crictl", "inspect", "--output", "json", *ids)
        return _ran(json.loads(said))

    @staticmethod
    def _docker(*arguments: str, data: bytes = b"") -> bytes:
        command = f"docker {' '.join(arguments[:2])}"
        try:
            done = subprocess.run(
                ["docker", *arguments],
                input=data,
                capture_output=True,
                timeout=_CALL_S,
                check=True,
            )
        except FileNotFoundError:
            raise SubstrateError("docker is not installed or not on PATH") from None
        except subprocess.TimeoutExpired:
            raise SubstrateError(f"`{command}` did not end within {_CALL_S:.0f} s") from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise SubstrateError(f"`{command}` failed: {said}") from None
        return done.stdout


def _ran(inspected: Any) -> dict[str, tuple[str, str]]:
    """Return the stamps of what `crictl inspect` says: an object for one, a list for several."""
    statuses = [
        one["status"] for one in (inspected if isinstance(inspected, list) else [inspected])
    ]
    return {
        str(status["labels"][f"{_CRI}.pod.uid"]): (status["startedAt"], status["finishedAt"])
        for status in statuses
    }
