"""What kubelets of kind's workers do to pods by themselves, begun here and noted as it happens.

    ask ─► the kubelet is configured ─► (thread) it starts anew, it is told ─► noted: by now its
    pods are ending

A restart of a kubelet takes seconds in which everything else must go on; so it happens in a
thread for each node, and what came of it is noted by whoever drives the substrate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from chaosml import clock
from chaosml.errors import FaultRefused, SubstrateError
from chaosml.substrates.kubernetes.kubelets import Kubelets
from chaosml.substrates.kubernetes.pods import Pod

__all__ = ["NODE_PRESSURE", "NODE_SHUTDOWN", "Termination", "Terminations"]

NODE_SHUTDOWN = "node-shutdown"
NODE_PRESSURE = "node-pressure"
_JOIN_S = 120.0
_EVICTION_S = 60.0
"""A kubelet looks every 10 s, and twice where the threshold is a soft one."""
_POLL_S = 0.2


@dataclass(slots=True)
class Termination:
    """What one node's kubelet is made to do."""

    node: str
    how: str
    grace_s: float
    by: str
    pods: list[Pod] = field(default_factory=list)
    """Whom it concerns."""
    at_ns: int = 0
    """When it began."""
    problem: SubstrateError | None = None
    over: threading.Event = field(default_factory=threading.Event)
    """Set where nobody waits for it any more."""

    @property
    def uids(self) -> list[str]:
        """The uids of its pods."""
        return [pod.uid for pod in self.pods]


class Terminations:
    """What is under way, by node."""

    def __init__(self, kubelets: Kubelets, tell: Callable[[Termination], None]) -> None:
        """Begin with nothing.

        Args:
            kubelets: Of the workers.
            tell: Called in the thread of a node once its kubelet acts, or could not.
        """
        self._kubelets = kubelets
        self._tell = tell
        self._under_way: dict[str, Termination] = {}
        self._threads: dict[str, threading.Thread] = {}

    def shut_down(self, pod: Pod, *, grace_s: float, by: str) -> None:
        """Shut the node of a pod down; its other pods are added to what is under way.

        Raises:
            FaultRefused: the node has no means for it.
        """
        there = self._under_way.get(pod.node)
        if there is not None and there.by == by:
            there.pods.append(pod)
            return
        self._kubelets.prepare_shutdown(pod.node, grace_s)
        shutdown = Termination(pod.node, NODE_SHUTDOWN, grace_s, by, [pod])
        self._begin(shutdown, lambda: self._kubelets.shut_down(pod.node, shutdown.uids))

    def press(self, pod: Pod, *, resource: str, grace_s: float, by: str) -> None:
        """Let the node of a pod run short of a resource.

        Raises:
            FaultRefused: this resource cannot be made scarce, or its kubelet is busy.
        """
        if pod.node in self._under_way:
            raise FaultRefused("kubelet-busy", f"the kubelet of {pod.node} is made to do more")
        amount = self._kubelets.prepare_pressure(pod.node, resource, grace_s)
        pressure = Termination(pod.node, NODE_PRESSURE, grace_s, by, [pod])

        def act() -> int:
            node, uids = pod.node, pressure.uids
            pressure.at_ns = self._kubelets.press(node, resource, amount, uids)
            return self._await_eviction(pressure)

        self._begin(pressure, act)

    def _await_eviction(self, pressure: Termination) -> int:
        """Wait until the kubelet says that it evicts; return when it had not said so yet."""
        (pod,) = pressure.pods
        deadline = clock.Deadline(f"the eviction of {pod.name}", _EVICTION_S)
        while pod.exists and not deadline.passed and not pressure.over.is_set():
            before_ns = clock.monotonic_ns()
            if self._kubelets.evicts(pod.uid):
                return before_ns
            clock.pause(_POLL_S)
        return pressure.at_ns

    def pressing(self, uid: str) -> Termination | None:
        """Return the pressure that a pod is under."""
        for termination in self._under_way.values():
            if termination.how == NODE_PRESSURE and termination.at_ns and uid in termination.uids:
                return termination
        return None

    def relieve(self) -> None:
        """End the pressure on nodes where whom it concerned has ended."""
        for termination in list(self._under_way.values()):
            ended = all(not pod.exists for pod in termination.pods)
            if termination.how == NODE_PRESSURE and termination.at_ns and ended:
                del self._under_way[termination.node]
                self._kubelets.relieve(termination.node)

    def restore(self, node: str) -> None:
        """Let a kubelet be as it was."""
        self._join(node)
        self._under_way.pop(node, None)
        if node in self._kubelets:
            self._kubelets.restore(node)

    def restore_all(self) -> None:
        """Let every kubelet be as it was."""
        for node in self._kubelets.changed:
            self.restore(node)

    def forget(self, node: str) -> None:
        """Know that a machine died."""
        self._join(node)
        self._under_way.pop(node, None)
        self._kubelets.forget(node)

    def _begin(self, termination: Termination, act: Callable[[], int]) -> None:
        self._under_way[termination.node] = termination

        def run() -> None:
            try:
                termination.at_ns = act()
            except SubstrateError as error:
                termination.problem = error
            self._tell(termination)

        thread = threading.Thread(target=run, name=f"kubelet of {termination.node}", daemon=True)
        self._threads[termination.node] = thread
        thread.start()

    def _join(self, node: str) -> None:
        """Wait for the thread of a node: nobody else may change a kubelet beside it."""
        there = self._under_way.get(node)
        if there is not None:
            there.over.set()
        thread = self._threads.pop(node, None)
        if thread is not None:
            thread.join(_JOIN_S)
