"""The Kubernetes substrate on a kind cluster: its machines are containers that can be killed.

A node dies with `docker kill`: every process on it is dead when that returns, and no
signal came before that a process could handle. What its pods had printed is read from
the dead disk. The Node object is removed, as a cloud does it; where it is kept instead,
the pods stay `Running` for Argo until the node returns or the not-ready eviction comes,
minutes later.

A cloud's fresh node has another name; this one comes back under its own. So one whose object
was removed starts only once the cluster has forgotten the pods that died with it: else its
kubelet would find them again and report them as ended.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Any

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.history import Entry
from chaosml.substrates.kubernetes.api import Api, delete_if_there, path_of
from chaosml.substrates.kubernetes.kubelet_faults import KubeletFaults
from chaosml.substrates.kubernetes.lease import Holding
from chaosml.substrates.kubernetes.logs import PIPE_NS, LogEnded, LogTail
from chaosml.substrates.kubernetes.machines import Machines
from chaosml.substrates.kubernetes.observer import Observer
from chaosml.substrates.kubernetes.pods import Pod
from chaosml.substrates.kubernetes.revival import heal_kubelets, revive
from chaosml.substrates.kubernetes.substrate import tell_nobody
from chaosml.translation import Clocks

__all__ = ["KindSubstrate"]

_READY_S = 60.0
_POLL_S = 0.5


class KindSubstrate(KubeletFaults):
    """Runs workflows on a kind cluster that is ours."""

    name = "kind"

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        api: Api,
        machines: Machines,
        namespace: str,
        run: str,
        clocks: Clocks | None = None,
        tell: Callable[[str], None] = tell_nobody,
    ) -> None:
        """Prepare; `prepare` calls the API for the first time.

        Args:
            inbox: Is told that there is something to handle.
            api: The cluster.
            machines: Its workers.
            namespace: Where everything happens; created where it is not there.
            run: Name of the run; marks what is ours.
            clocks: How the clocks of its machines stand to ours.
            tell: Called with what was healed after a run that had died.
        """
        super().__init__(
            inbox,
            api=api,
            machines=machines,
            namespace=namespace,
            run=run,
            clocks=clocks,
            tell=tell,
        )
        self._killed: dict[str, str] = {}
        """Workers that we keep stopped, and by whom, in the order of their ends."""
        self._dead: dict[str, list[Pod]] = {}
        """The pods that died with each of them."""
        self._kept: set[str] = set()
        """Those whose Node object the cluster still has."""
        self._promised: set[str] = set()
        """Those that shall return at once when they have ended."""
        self._renewed: set[tuple[str, str]] = set()
        """Those that ended before their time, and by whom: their end must not come once more."""
        self._wanted: set[str] = set()
        """Those that shall start as soon as their pods are forgotten."""

    def prepare(self) -> None:
        """Check and take the namespace, start workers that a dead run left stopped.

        Raises:
            SubstrateError: the cluster cannot be used.
        """
        super().prepare()
        self._await_ready(self._machines.workers())

    def _inherit(self, before: Holding | None) -> None:
        super()._inherit(before)
        revive(self._api, self._machines, self._lease, self._tell)
        heal_kubelets(self._api, self._machines, self._namespace, self._tell)

    def stop_node(
        self, node: str, *, by: str, view: str, keep_object: bool = False
    ) -> Sequence[Entry]:
        """Kill the node with all its pods at once; one that is gone is left alone."""
        observer = self._observer
        # One that shuts down is not ready any more, and still there.
        there = node in self._nodes.names or node in self._kubelets
        if observer is None or not there or (node, by) in self._renewed:
            return ()
        pods = [pod for pod in observer.pods if pod.node == node]
        # Before the kill: to ask for a log of a dead kubelet takes many seconds to fail.
        tails = {pod.uid: self._leave_log(observer, pod) for pod in pods}
        asked_ns = clock.monotonic_ns()
        self._terminations.forget(node)
        self._killed[node], self._dead[node] = by, pods
        self._lease.note_stopped(node)
        self._machines.kill(node)
        dead_ns = clock.monotonic_ns()
        observer.note_node(node, "stopped", by)
        for pod in pods:
            if pod.deleted_ns is None:
                observer.note_deletion(pod.uid, how="node-lost", grace_s=0.0, by=by, at_ns=asked_ns)
            tail = tails[pod.uid]
            if tail is not None:
                self._salvage_log(observer, pod, tail, asked_ns)
            observer.note_death(pod.uid, earliest_ns=asked_ns + 1, latest_ns=dead_ns)
        if keep_object:
            self._kept.add(node)
        else:
            delete_if_there(self._api, path_of("nodes", name=node))
            self._cordons.forget(node)
        if node in self._promised:
            self._promised.discard(node)
            self._wanted.add(node)
        return observer.sources.take()

    def add_node(self, *, by: str, instead_of: str = "") -> Sequence[Entry]:
        """Let the worker that was killed first return.

        It starts once the API has forgotten the pods that died with it. Without one the capacity is
        there already, and `instead_of` returns as soon as it has ended; where no worker is left to
        take pods, it ends before its time.
        """
        node = next((node for node in self._killed if node not in self._wanted), None)
        if node is not None:
            return self.return_node(node, by=by)
        if not instead_of:
            return ()
        if any(self._nodes.is_ready(node) for node in self._nodes.names):
            self._promised.add(instead_of)
            return ()
        said = self.stop_node(instead_of, by=by, view="gone")
        self._renewed.add((instead_of, by))
        return (*said, *self.return_node(instead_of, by=by))

    def return_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let a worker that was killed return; another one is left alone.

        It starts once the API has forgotten the pods that died with it, if its object was removed.
        """
        if node in self._killed:
            self._wanted.add(node)
            self._start_wanted()
        return () if self._observer is None else self._observer.sources.take()

    @property
    def awaits_return(self) -> bool:
        """Whether a worker that shall return has not been started yet."""
        return bool(self._wanted)

    def tick(self, now_ns: int) -> Sequence[Entry]:
        """Start what shall return, renew the lease; each where that is due."""
        self._start_wanted()
        return super().tick(now_ns)

    def _await_quiet(self, observer: Observer) -> None:
        super()._await_quiet(observer)
        for node in self._nodes.names:
            self._note_statuses(observer, node)

    def _note_statuses(self, observer: Observer, node: str) -> None:
        """Ask a node's runtime when its containers ran; without an answer it stays at seconds."""
        try:
            ran = self._machines.main_containers(node, namespace=self._namespace)
        except SubstrateError:
            return
        for uid, (started, finished) in ran.items():
            if observer.has_seen(uid):
                observer.note_status(
                    uid,
                    started_ns=self._wall.monotonic_ns(started),
                    finished_ns=self._wall.monotonic_ns(finished),
                )

    def _start_wanted(self) -> None:
        for node in sorted(self._wanted):
            if node in self._kept or all(pod.gone for pod in self._dead[node]):
                self._return(node, self._killed[node])

    def _heal(self) -> None:
        """Start every worker that we killed, open every node that we closed."""
        killed = tuple(self._killed)
        for node in killed:
            self._return(node, self._killed[node])
        super()._heal()
        awaited = (*killed, *self._kubelets.take_restored())
        if awaited:
            self._await_ready(awaited)

    def finish(self) -> Sequence[Entry]:
        """End every pod, let every worker be there again."""
        self._renewed.clear()
        self._promised.clear()
        return super().finish()

    def _return(self, node: str, by: str) -> None:
        self._machines.start(node)
        self._lease.note_started(node)
        del self._killed[node], self._dead[node]
        self._wanted.discard(node)
        self._nodes.revive(node, by)
        if node in self._kept:
            self._kept.discard(node)
            self._cordons.open(node)

    def _await_ready(self, nodes: Sequence[str]) -> None:
        deadline = clock.Deadline(f"readiness of {', '.join(nodes)}", _READY_S)
        if not clock.wait_until(lambda: self._are_ready(nodes), deadline, _POLL_S):
            raise SubstrateError(
                f"the nodes {', '.join(nodes)} were not ready within {_READY_S:.0f} s; "
                "`chaosml cluster down` and `up` make a new cluster"
            )

    def _are_ready(self, nodes: Sequence[str]) -> bool:
        self._drain()
        there = set(self._nodes.names)
        return all(node in there for node in nodes)

    def _salvage_log(self, observer: Observer, pod: Pod, tail: LogTail, asked_ns: int) -> None:
        """Read what a pod had printed from the disk of its dead node."""
        self._drain()
        try:
            lines = self._machines.read_log(
                pod.node, namespace=self._namespace, pod=pod.name, uid=pod.uid
            )
        except SubstrateError as error:
            observer.take(LogEnded(pod.uid, f"its node was killed, and {error}"))
            return
        said, ended = tail.finish_from(lines, clock.monotonic_ns())
        observer.take(said)
        stamp = tail.last_stamp
        if not ended.why_lost and stamp and self._wall.monotonic_ns(stamp) > asked_ns - PIPE_NS:
            ended = LogEnded(pod.uid, "it was being written when its node was killed")
        observer.take(ended)
