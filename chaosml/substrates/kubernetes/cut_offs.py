"""Pods whose object is gone while their containers run on, on nodes whose kubelet is stopped.

Nobody but the container runtime of the node knows of them: it is asked through a shell there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chaosml import clock
from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes.logs import LogTail
from chaosml.substrates.kubernetes.machines import Machines
from chaosml.substrates.kubernetes.pods import MAIN, Pod

__all__ = ["CutOff", "CutOffs", "Ended"]

_ARGOEXEC = "/var/run/argo/argoexec"
_CONTINUE = "18"
_EXITED = "CONTAINER_EXITED"
_LIFE_S = 3600.0
_REPORTED_S = 15.0
_POLL_S = 0.2
_FIND = (
    'crictl ps --quiet --label "io.kubernetes.pod.uid=$1" '
    f'--label "io.kubernetes.container.name={MAIN}"'
)
_INSPECT = 'crictl inspect --output json "$1"'
_RESUME = f'crictl exec "$1" {_ARGOEXEC} kill {_CONTINUE} 1'
_KILL = 'crictl stop --timeout 0 "$1"'
_AWAIT = """
i=0
while [ $i -lt 100 ] && [ -d "/proc/$1" ]; do i=$((i + 1)); sleep 0.2; done
if [ -d "/proc/$1" ]; then echo alive; else echo dead; fi
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended, in the words of its runtime."""

    code: int
    finished: str
    """Stamp of the runtime."""


@dataclass(slots=True)
class CutOff:
    """A pod that was cut off."""

    pod: Pod
    container: str
    pid: int
    tail: LogTail | None
    """Who has followed its log until then."""
    by: str
    end: Ended | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class CutOffs:
    """The pods that one substrate has cut off and not ended yet."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._there: dict[str, CutOff] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._there

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._there))

    def on(self, node: str) -> bool:
        """Whether one is on a node."""
        return any(one.pod.node == node for one in self._there.values())

    def find_container(self, pod: Pod) -> tuple[str, int]:
        """Return id and process of the main container of a pod that still has its kubelet.

        Raises:
            FaultRefused: none runs.
        """
        found = self._machines.look(pod.node, _FIND, pod.uid).split()
        if not found:
            raise FaultRefused("target-finished", f"no main container of pod {pod.name} runs")
        said = self._inspect(pod.node, found[0])
        return found[0], int(said.get("info", {}).get("pid", 0))

    def add(self, cut: CutOff, tell: Callable[[CutOff], None]) -> None:
        """Wait for the end of one from now on, in a thread, which calls `tell` then."""
        self._there[cut.pod.uid] = cut
        threading.Thread(
            target=self._follow, args=(cut, tell), name=f"end of {cut.pod.name}", daemon=True
        ).start()

    def resume(self, uid: str) -> bool:
        """Let a stopped program go on; return False where it has ended."""
        cut = self._there[uid]
        if cut.ended.is_set():
            return False
        self._machines.run(cut.pod.node, _RESUME, cut.container)
        return True

    def end(self, uid: str) -> CutOff:
        """Kill one that has not ended, wait until that is known, and forget it.

        Raises:
            SubstrateError: its runtime does not say that it has ended.
        """
        cut = self._there.pop(uid)
        if not cut.ended.is_set():
            self._machines.run(cut.pod.node, _KILL, cut.container)
            if not cut.ended.wait(_REPORTED_S):
                raise SubstrateError(
                    f"container {cut.container[:12]} on node {cut.pod.node} did not end within "
                    f"{_REPORTED_S:.0f} s of its kill"
                )
        return cut

    def _follow(self, cut: CutOff, tell: Callable[[CutOff], None]) -> None:
        deadline = clock.Deadline(f"end of the container of {cut.pod.name}", _LIFE_S)
        node, pid = cut.pod.node, str(cut.pid)
        try:
            while not deadline.passed:
                if self._machines.look(node, _AWAIT, pid).strip() == "dead":
                    break
            clock.wait_until(lambda: self._has_ended(cut), deadline, _POLL_S)
        except SubstrateError:
            # The machine itself is gone: whoever ends the pod finds that out.
            return
        cut.ended.set()
        tell(cut)

    def _has_ended(self, cut: CutOff) -> bool:
        status = self._inspect(cut.pod.node, cut.container)["status"]
        if status["state"] == _EXITED:
            cut.end = Ended(int(status["exitCode"]), str(status["finishedAt"]))
        return cut.end is not None

    def _inspect(self, node: str, container: str) -> dict[str, Any]:
        said = json.loads(self._machines.look(node, _INSPECT, container))
        return dict(said)
