"""The part of the kind substrate whose faults go through the kubelets of its workers.

shutdown, pressure    the kubelet ends pods by itself and says why (`terminations`)
cut off               the kubelet is stopped, the pod's object goes, its program lives (`cut_offs`)
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Any

from chaosml import clock
from chaosml.history import Entry
from chaosml.substrates.kubernetes import pods as podlife
from chaosml.substrates.kubernetes.api import Api
from chaosml.substrates.kubernetes.cut_offs import CutOff, CutOffs
from chaosml.substrates.kubernetes.kubelets import Kubelets
from chaosml.substrates.kubernetes.logs import LogEnded, LogLines, LogTail
from chaosml.substrates.kubernetes.machines import Machines
from chaosml.substrates.kubernetes.mailbox import Deed
from chaosml.substrates.kubernetes.observer import Observer, Report
from chaosml.substrates.kubernetes.pods import RESUME, Pod
from chaosml.substrates.kubernetes.substrate import HARNESS, KubernetesSubstrate
from chaosml.substrates.kubernetes.terminations import NODE_SHUTDOWN, Termination, Terminations
from chaosml.substrates.kubernetes.watches import Change
from chaosml.translation import Clocks

__all__ = ["KubeletFaults"]

_JOIN_S = 3.0
_SECOND_NS = 1_000_000_000


class KubeletFaults(KubernetesSubstrate):
    """A cluster that is ours, with machines whose kubelets can be told what to do."""

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        api: Api,
        machines: Machines,
        namespace: str,
        run: str,
        clocks: Clocks | None,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(
            inbox, api=api, namespace=namespace, run=run, own=True, clocks=clocks, tell=tell
        )
        self._machines = machines
        self._kubelets = Kubelets(api, machines, namespace)
        self._terminations = Terminations(self._kubelets, self._report_termination)
        self._cut_offs = CutOffs(machines)

    # --- what kubelets do by themselves ---

    def terminate_pod(
        self,
        uid: str,
        *,
        by: str,
        how: str,
        view: str,
        message: str,
        grace_s: float,
        resource: str = "",
    ) -> Sequence[Entry]:
        """Let the kubelet end a pod by itself; its words are its own, the view for Argo to choose.

        A node shuts down as a whole, and one that is short of a resource evicts others, too, until
        the target is gone.

        Raises:
            FaultRefused: the node has no means for it.
        """
        observer, pod = self._find(uid)
        if observer is None or pod is None:
            return ()
        if how == NODE_SHUTDOWN:
            self._terminations.shut_down(pod, grace_s=grace_s, by=by)
        else:
            self._terminations.press(pod, resource=resource, grace_s=grace_s, by=by)
        return observer.sources.take()

    def _report_termination(self, termination: Termination) -> None:
        self._mailbox.putter()(Deed(lambda: self._note_termination(termination)))

    def _note_termination(self, termination: Termination) -> None:
        """State that a kubelet ends pods."""
        if termination.problem is not None:
            raise termination.problem
        for pod in termination.pods:
            self._note_ended_by(termination, pod)

    def _note_ended_by(self, termination: Termination, pod: Pod) -> None:
        if self._observer is not None and pod.exists and pod.deleted_ns is None:
            self._observer.note_deletion(
                pod.uid,
                how=termination.how,
                grace_s=termination.grace_s,
                by=termination.by,
                at_ns=termination.at_ns,
            )

    def _take(self, report: Report | LogLines | LogEnded | Deed) -> None:
        """Take a report; the end of a pod under pressure may be known before its eviction."""
        match report:
            case Report("pods", Change() as change) if podlife.has_ended(change.object):
                pressure, (_, pod) = self._terminations.pressing(change.uid), self._find(change.uid)
                if pressure is not None and pod is not None:
                    self._note_ended_by(pressure, pod)
        super()._take(report)

    def uncordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let pods onto the node again, and its kubelet be as it was."""
        if not self._cut_offs.on(node):
            self._terminations.restore(node)
        return super().uncordon_node(node, by=by)

    def handle(self, message: Any) -> Sequence[Entry]:
        """Take everything that the threads have reported; end a pressure that has done its work."""
        entries = super().handle(message)
        self._terminations.relieve()
        return entries

    # --- pods whose object goes while they live ---

    def cut_off_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Take a pod's object away and let it live: its node is closed, its kubelet stopped.

        Raises:
            FaultRefused: its program has ended.
        """
        observer, pod = self._find(uid)
        if observer is None or pod is None or not pod.running:
            return ()
        container, pid = self._cut_offs.find_container(pod)
        if self._nodes.is_ready(pod.node):
            self._cordons.close(pod.node)
            observer.note_node(pod.node, "cordoned", by)
        # Before its kubelet is gone: to ask that for a log takes many seconds to fail.
        tail = self._leave_log(observer, pod)
        self._kubelets.silence(pod.node)
        observer.note_cut(uid, by=by, at_ns=clock.monotonic_ns())
        self._removals.delete(pod, 0.0)
        put = self._mailbox.putter()
        cut = CutOff(pod, container, pid, tail, by)
        self._cut_offs.add(cut, lambda cut: put(Deed(lambda: self._note_end(cut))))
        return observer.sources.take()

    def resume_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Let a pod's program go on, also one that was cut off."""
        observer = self._observer
        if observer is None or uid not in self._cut_offs:
            return super().resume_container(uid, by=by)
        at_ns = clock.monotonic_ns()
        if self._cut_offs.resume(uid):
            observer.note_signal(uid, signal=RESUME, by=by, at_ns=at_ns)
        return observer.sources.take()

    def end_cut_off_pod(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Kill a pod that was cut off, open its node, let its kubelet run again."""
        if self._observer is None or uid not in self._cut_offs:
            return ()
        self._end_cut_off(uid, by)
        return self._observer.sources.take()

    def finish(self) -> Sequence[Entry]:
        """End every pod, also those that the API does not know any more."""
        for uid in self._cut_offs if self._observer is not None else ():
            self._end_cut_off(uid, HARNESS)
        return super().finish()

    def _end_cut_off(self, uid: str, by: str) -> None:
        cut = self._cut_offs.end(uid)
        self._note_end(cut)
        if not self._cut_offs.on(cut.pod.node):
            self._kubelets.restore(cut.pod.node)
            if self._observer is not None and cut.pod.node in self._cordons:
                self._cordons.open(cut.pod.node)
                self._observer.note_node(cut.pod.node, "ready", by)

    def _note_end(self, cut: CutOff) -> None:
        """State how a cut off pod ended and what it had said since, once."""
        observer, end = self._observer, cut.end
        if observer is None or end is None or cut.pod.exited:
            return
        now_ns = clock.monotonic_ns()
        finished_ns = min(self._wall.monotonic_ns(end.finished), now_ns)
        earliest_ns = max(finished_ns - _SECOND_NS, (cut.pod.deleted_ns or 0) + 1)
        observer.note_end(
            cut.pod.uid, end.code, earliest_ns=min(earliest_ns, now_ns), latest_ns=now_ns
        )
        if cut.tail is not None:
            lines = self._machines.read_log(
                cut.pod.node, namespace=self._namespace, pod=cut.pod.name, uid=cut.pod.uid
            )
            said, ended = cut.tail.finish_from(lines, now_ns)
            observer.take(said)
            observer.take(ended)

    @staticmethod
    def _leave_log(observer: Observer, pod: Pod) -> LogTail | None:
        """End the following of a pod's log; return who has followed it, for the rest."""
        tail = observer.tails.get(pod.uid)
        if not isinstance(tail, LogTail):
            return None
        tail.leave()
        if tail.join(_JOIN_S):
            return tail
        observer.take(LogEnded(pod.uid, "its node was lost while the log was read"))
        return None

    def _heal(self) -> None:
        """Let every kubelet be as it was, open every node that we closed."""
        try:
            self._terminations.restore_all()
        finally:
            super()._heal()
