"""The Kubernetes substrate: a workflow in a namespace, watched, struck, and cleared away.

Threads watch the workflow, its pods and the nodes, and follow the logs; they only put
reports into a queue. Everything else happens in the thread that drives the substrate.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chaosml import clock
from chaosml.errors import HarnessError, SubstrateError
from chaosml.history import Entry
from chaosml.store.owner import Process
from chaosml.substrates.kubernetes import leftovers
from chaosml.substrates.kubernetes import namespace as namespaces
from chaosml.substrates.kubernetes import nodes as nodelife
from chaosml.substrates.kubernetes import pods as podlife
from chaosml.substrates.kubernetes.api import Api, path_of
from chaosml.substrates.kubernetes.cordons import Cordons
from chaosml.substrates.kubernetes.forgetting import Forgetting
from chaosml.substrates.kubernetes.guard import Guard
from chaosml.substrates.kubernetes.lease import Holding, Lease
from chaosml.substrates.kubernetes.logs import LogEnded, LogLines, Tails
from chaosml.substrates.kubernetes.mailbox import Deed, Mailbox
from chaosml.substrates.kubernetes.nodes import NodeFollower
from chaosml.substrates.kubernetes.observer import Observer, Report
from chaosml.substrates.kubernetes.obstacles import create_workflow
from chaosml.substrates.kubernetes.overlay import EXECUTION_LABEL, compose, label_value
from chaosml.substrates.kubernetes.pods import RESUME, Pod
from chaosml.substrates.kubernetes.programs import Programs
from chaosml.substrates.kubernetes.removals import Removals
from chaosml.substrates.kubernetes.stamps import SKEW_NS, WallClock
from chaosml.substrates.kubernetes.watches import Change, Failed, Reflector, stop_all
from chaosml.substrates.protocol import PodView, Submission
from chaosml.translation import Clocks

__all__ = ["HARNESS", "KubernetesSubstrate", "tell_nobody"]

HARNESS = "harness"
"""Who ends what is left at the end of an execution."""

_QUIET_S = 15.0
_WAKE_S = 0.2


def tell_nobody(message: str) -> None:
    """Report to nobody."""


class KubernetesSubstrate:
    """Runs workflows in one namespace of a cluster whose machines are not ours to kill."""

    name = "cluster"
    settling_s = 12.0
    """A pod that goes sooner after Argo has shown it Running may be made anew for the same
    attempt: Argo's RECENTLY_STARTED_POD_DURATION is 10 s."""

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        api: Api,
        namespace: str,
        run: str,
        own: bool = False,
        clocks: Clocks | None = None,
        tell: Callable[[str], None] = tell_nobody,
    ) -> None:
        """Prepare; `prepare` calls the API for the first time.

        Args:
            inbox: Is told that there is something to handle.
            api: The cluster.
            namespace: Where everything happens.
            run: Name of the run; marks what is ours.
            own: Whether the cluster is ours, so that the namespace may be created.
            clocks: How the clocks of its machines stand to ours.
            tell: Called with what was healed after a run that had died.
        """
        self._inbox = inbox
        self._api = api
        self._namespace = namespace
        self._run = run
        self._own = own
        self._tell = tell
        self._lease = Lease(api, namespace, run, owner=Process.current())
        self._wall = WallClock.now()
        self._clocks = Clocks(clock.boot_id()) if clocks is None else clocks
        self._nodes = NodeFollower()
        self._mailbox = Mailbox(lambda: inbox.put((self, None)))
        self._node_watches: list[Reflector] = []
        self._watches: list[Reflector] = []
        self._submission: Submission | None = None
        self._observer: Observer | None = None
        self._failure: SubstrateError | None = None
        self._cordons = Cordons(api, run, namespace)
        self._guard = Guard(api, run, own=own)
        self._programs = Programs(api, namespace)
        self._removals = Removals(api, namespace)
        self._forgetting = Forgetting(self._removals)

    def prepare(self) -> None:
        """Check the cluster, take the namespace, clear away what earlier runs left.

        Raises:
            SubstrateError: the namespace must not or cannot be used.
        """
        namespaces.check(self._api, self._namespace, own=self._own)
        self._inherit(self._lease.acquire())
        watch = Reflector(
            self._api,
            path_of("nodes"),
            self._mailbox.deliverer("nodes", always=True),
            trim=nodelife.trim,
        )
        self._node_watches.append(watch)
        watch.start()
        self._take_rest()

    def _inherit(self, before: Holding | None) -> None:
        """Heal what a run before left; the lease is held."""
        if before is not None and before.healed is not None:
            for what in before.healed.what:
                self._tell(f"the janitor, after {before.healed.run} had died: {what}")
        leftovers.heal(self._api, self._namespace, done=self._tell)

    def submit(self, submission: Submission) -> Sequence[Entry]:
        """Start a workflow; only one at a time.

        Raises:
            ScenarioError: the document cannot be read.
            SubstrateError: the API refused it.
        """
        if self._observer is not None:
            raise SubstrateError("a workflow is still running here: `finish` it first")
        workflow = compose(submission, self._run)
        self._mailbox.begin()
        self._take_rest()
        self._wall = WallClock.now(0 if self._own and not self._clocks.others else SKEW_NS)
        self._submission = submission
        tails = Tails(
            api=self._api,
            namespace=self._namespace,
            folder=submission.logs,
            deliver=self._mailbox.putter(),
            clocks=self._clocks,
            wall=self._wall,
            step_pattern_of=submission.step_pattern_of,
        )
        self._observer = Observer(
            submission, own=self._own, nodes=self._nodes, wall=self._wall, follow_log=tails.follow
        )
        self._watch("workflows", namespaces.WORKFLOWS)
        self._watch("pods", "v1")
        path = path_of("workflows", namespace=self._namespace, group=namespaces.WORKFLOWS)
        create_workflow(self._api, path, workflow, submission.workflow_file)
        return self._observer.sources.take()

    def handle(self, message: Any) -> Sequence[Entry]:
        """Take everything that the threads have reported.

        Raises:
            SubstrateError: the API server is gone; the entries that say so were returned before.
        """
        if self._failure is not None:
            raise self._failure
        self._drain()
        if self._observer is None:
            return ()
        self._forgetting.act(self._observer)
        return self._observer.sources.take()

    def tick(self, now_ns: int) -> Sequence[Entry]:
        """Renew the lease where that is due.

        Raises:
            UsageError: Argo refuses the workflow.
            SubstrateError: another run has taken the namespace; what is needed does not come.
        """
        self._lease.renew(now_ns)
        if self._observer is not None:
            self._observer.check(now_ns)
        return ()

    @property
    def due_ns(self) -> int | None:
        """When `tick` is next needed."""
        return self._lease.due_ns

    @property
    def finished(self) -> tuple[str, str] | None:
        """Phase and message of the workflow once it has ended, None before."""
        return None if self._observer is None else self._observer.finished

    def pods(self) -> Sequence[PodView]:
        """Return the pods that exist."""
        return () if self._observer is None else self._observer.views

    def nodes(self) -> Sequence[str]:
        """Return the names of the workers that are there."""
        return self._nodes.names

    # --- faults ---

    def delete_pod(
        self, uid: str, *, by: str, view: str, grace_s: float | None = None, force: bool = False
    ) -> Sequence[Entry]:
        """Delete a pod; one that does not exist any more is left alone.

        The view is for Argo to choose here.
        """
        observer, pod = self._find(uid)
        if observer is None or pod is None or (pod.deleted_ns is not None and not force):
            return ()
        grace_s = 0.0 if force else grace_s
        at_ns = clock.monotonic_ns()
        if self._removals.delete(pod, grace_s):
            grace_s = pod.grace_s if grace_s is None else grace_s
            how = "force" if force else "delete"
            observer.note_deletion(uid, how=how, grace_s=grace_s, by=by, at_ns=at_ns)
        return observer.sources.take()

    def evict_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Evict a pod; one that does not exist any more is left alone.

        Raises:
            FaultRefused: a disruption budget refused it.
        """
        observer, pod = self._find(uid)
        if observer is None or pod is None or pod.deleted_ns is not None:
            return ()
        at_ns = clock.monotonic_ns()
        if self._removals.evict(pod):
            observer.note_deletion(uid, how="evict", grace_s=pod.grace_s, by=by, at_ns=at_ns)
        return observer.sources.take()

    def signal_container(self, uid: str, *, by: str, signal: str) -> Sequence[Entry]:
        """Send a signal to a pod's program; one that does not run is left alone.

        Raises:
            FaultRefused: the container has no means to send it.
        """
        observer, pod = self._find(uid)
        at_ns = clock.monotonic_ns()
        if observer is None or pod is None or not self._programs.send(pod, signal):
            return ()
        observer.note_signal(uid, signal=signal, by=by, at_ns=at_ns)
        return observer.sources.take()

    def pause_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Stop a pod's program where it is; one that does not run is left alone.

        Raises:
            FaultRefused: the container has no means for it.
        """
        observer, pod = self._find(uid)
        at_ns = clock.monotonic_ns()
        if observer is None or pod is None or not (processes := self._programs.stop(pod)):
            return ()
        observer.note_pause(uid, processes=processes, by=by, at_ns=at_ns)
        return observer.sources.take()

    def resume_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Let a pod's program go on; one that does not run is left alone."""
        return self.signal_container(uid, by=by, signal=RESUME)

    def lose_success(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Delete a pod as soon as it has succeeded; the view is for Argo to choose."""
        if self._find(uid)[1] is not None:
            self._forgetting.add(uid, by)
        return ()

    def cordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let no new pod onto the node; one that is closed or gone is left alone.

        Raises:
            FaultRefused: it is not ours to close.
        """
        if self._observer is None or not self._nodes.is_ready(node):
            return ()
        self._guard.check(node)
        self._cordons.close(node)
        self._observer.note_node(node, "cordoned", by)
        return self._observer.sources.take()

    def uncordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let pods onto the node again; one that we did not close is left alone."""
        if self._observer is None or node not in self._cordons:
            return ()
        self._cordons.open(node)
        self._observer.note_node(node, "ready", by)
        return self._observer.sources.take()

    def check_nodes(self) -> None:
        """Refuse a run with node faults where no node may be struck.

        Raises:
            UsageError: no node is labelled.
        """
        self._guard.check_any()

    def expect_drain(self, node: str, *, by: str) -> Sequence[Entry]:
        """From now on, whoever ends a pod of this node does it because of the injection.

        Raises:
            FaultRefused: the node is not one that faults may strike.
        """
        if self._observer is None:
            return ()
        self._guard.check(node)
        self._cordons.claim(node)
        self._observer.expect_drain(node, by)
        return self._observer.sources.take()

    def end_drain(self, node: str, *, by: str) -> Sequence[Entry]:
        """Open the node again where somebody has closed it, and expect nothing more."""
        if self._observer is None:
            return ()
        self._observer.expect_drain(node, None)
        return self.uncordon_node(node, by=by)

    # --- the end ---

    def finish(self) -> Sequence[Entry]:
        """End every pod of the workflow, wait for them, close the sources, remove the workflow.

        Raises:
            SubstrateError: something could not be healed or removed.
        """
        observer, submission = self._observer, self._submission
        if observer is None or submission is None:
            return ()
        why_lost = "" if self._failure is None else str(self._failure)
        try:
            if not why_lost and observer.finished is None:
                self._reap(observer, submission.name)
            if not why_lost:
                self._await_quiet(observer)
        except SubstrateError as error:
            why_lost = str(error)
        for tail in list(observer.tails.values()):
            tail.stop("the execution ended before the log")
        stop_all(self._watches)
        observer.close(why_lost)
        self._observer = self._submission = None
        self._forgetting.clear()
        try:
            self._removals.remove_workflow(submission.name, "Background")
            self._removals.remove_pods_of(submission.name)
        finally:
            self._heal()
        return observer.sources.take()

    def close(self) -> None:
        """Leave nothing behind; safe to call twice and after a failure.

        Raises:
            HarnessError: something could not be healed or removed; the rest was.
        """
        problems = []
        for part in (self._abandon, self._heal, self._lease.release):
            try:
                part()
            except SubstrateError as error:
                problems.append(str(error))
        stop_all(self._watches)
        stop_all(self._node_watches)
        if problems:
            raise HarnessError("the cluster could not be left in order: " + "; ".join(problems))

    def _abandon(self) -> None:
        if self._observer is not None:
            self.finish()

    def _reap(self, observer: Observer, workflow: str) -> None:
        """Kill every pod of a workflow that has not ended, and keep Argo from making new ones."""
        for uid, at_ns in self._removals.reap(workflow, observer.pods):
            observer.note_deletion(uid, how="force", grace_s=0.0, by=HARNESS, at_ns=at_ns)

    def _await_quiet(self, observer: Observer) -> None:
        """Wait until every pod has ended and every log was read."""
        deadline = clock.Deadline("end of every pod and log", _QUIET_S)
        while not observer.is_quiet and not deadline.passed and self._failure is None:
            self._drain(wait_s=min(_WAKE_S, deadline.left_s))
        self._take_rest()

    def _heal(self) -> None:
        """Open every node that we closed."""
        self._cordons.heal()

    # --- nodes ---

    def _take_rest(self) -> None:
        """Take what was reported before an execution begins, or ends.

        Raises:
            SubstrateError: a watch is over.
        """
        self._drain()
        if self._failure is not None:
            raise self._failure

    def _find(self, uid: str) -> tuple[Observer | None, Pod | None]:
        observer = self._observer
        return observer, None if observer is None else observer.find(uid)

    # --- threads ---

    def _watch(self, resource: str, group: str) -> None:
        assert self._submission is not None
        of_pods = partial(podlife.trim, variables=self._submission.lineage_variables)
        watch = Reflector(
            self._api,
            path_of(resource, namespace=self._namespace, group=group),
            self._mailbox.deliverer(resource),
            selector=f"{EXECUTION_LABEL}={label_value(self._submission.name)}",
            trim=of_pods if resource == "pods" else dict,
        )
        self._watches.append(watch)
        watch.start()

    def _drain(self, wait_s: float = 0.0) -> None:
        """Hand on every report; wait for the first one where there is none."""
        report = self._mailbox.take(wait_s)
        while report is not None:
            self._take(report)
            report = self._mailbox.take()

    def _take(self, report: Report | LogLines | LogEnded | Deed) -> None:
        match report:
            case Deed(note):
                note()
            case Report(_, Failed(error)):
                self._lose(error)
            case _ if self._observer is not None:
                self._observer.take(report)
            case Report("nodes", Change() as change):
                for _ in self._nodes.take(change):
                    continue

    def _lose(self, error: SubstrateError) -> None:
        """State what is not known any more; the next message raises."""
        self._failure = error
        if self._observer is not None:
            self._observer.close(str(error))
        self._inbox.put((self, None))
