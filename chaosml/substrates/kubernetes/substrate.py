"""The Kubernetes substrate: a workflow in a namespace, watched, struck, and cleared away.

Threads watch the workflow, its pods and the nodes, and follow the logs; they only put
reports into a queue. Everything else happens in the thread that drives the substrate.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from typing import Any

from chaosml import clock
from chaosml.document import read
from chaosml.errors import HarnessError, SubstrateError
from chaosml.history import Entry
from chaosml.substrates.kubernetes import namespace as namespaces
from chaosml.substrates.kubernetes import nodes as nodelife
from chaosml.substrates.kubernetes import pods as podlife
from chaosml.substrates.kubernetes.api import Api, ApiError, path_of
from chaosml.substrates.kubernetes.cordons import Cordons
from chaosml.substrates.kubernetes.lease import Lease
from chaosml.substrates.kubernetes.logs import LogEnded, LogLines, LogTail
from chaosml.substrates.kubernetes.mailbox import Mailbox
from chaosml.substrates.kubernetes.nodes import NodeFollower
from chaosml.substrates.kubernetes.observer import Observer, Report, Tail
from chaosml.substrates.kubernetes.overlay import EXECUTION_LABEL, Overlay, label_value
from chaosml.substrates.kubernetes.pods import Pod
from chaosml.substrates.kubernetes.stamps import WallClock
from chaosml.substrates.kubernetes.watches import Change, Failed, Reflector
from chaosml.substrates.protocol import PodView, Submission

__all__ = ["HARNESS", "KubernetesSubstrate"]

HARNESS = "harness"
"""Who ends what is left at the end of an execution."""

_NOT_FOUND = 404
_CONFLICT = 409
_TOO_MANY = 429
_QUIET_S = 15.0
_WAKE_S = 0.2


class KubernetesSubstrate:
    """Runs workflows in one namespace of a cluster whose machines are not ours to kill."""

    name = "cluster"
    settling_s = 12.0
    """A pod that goes sooner after Argo has shown it Running may be made anew for the same attempt:
    Argo's RECENTLY_STARTED_POD_DURATION is 10 s.
    """

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        api: Api,
        namespace: str,
        run: str,
        own: bool = False,
    ) -> None:
        """Prepare; `prepare` calls the API for the first time.

        Args:
            inbox: Is told that there is something to handle.
            api: The cluster.
            namespace: Where everything happens.
            run: Name of the run; marks what is ours.
            own: Whether the cluster is ours, so that the namespace may be created.
        """
        self._inbox = inbox
        self._api = api
        self._namespace = namespace
        self._run = run
        self._own = own
        self._lease = Lease(api, namespace, run)
        self._wall = WallClock.now()
        self._nodes = NodeFollower()
        self._mailbox = Mailbox(lambda: inbox.put((self, None)))
        self._node_watches: list[Reflector] = []
        self._watches: list[Reflector] = []
        self._submission: Submission | None = None
        self._observer: Observer | None = None
        self._failure: SubstrateError | None = None
        self._cordons = Cordons(api, run)

    def prepare(self) -> None:
        """Check the cluster, take the namespace, clear away what earlier runs left.

        Raises:
            SubstrateError: the namespace must not or cannot be used.
        """
        namespaces.check(self._api, self._namespace, own=self._own)
        self._lease.acquire()
        namespaces.remove_leftovers(self._api, self._namespace)
        watch = Reflector(
            self._api,
            path_of("nodes"),
            self._mailbox.deliverer("nodes", always=True),
            trim=nodelife.trim,
        )
        self._node_watches.append(watch)
        watch.start()
        self._take_nodes()
        self._cordons.heal_leftovers()

    def submit(self, submission: Submission) -> Sequence[Entry]:
        """Start a workflow; only one at a time.

        Raises:
            ScenarioError: the document cannot be read.
            SubstrateError: the API refused it.
        """
        if self._observer is not None:
            raise SubstrateError("a workflow is still running here: `finish` it first")
        overlay = Overlay(
            name=submission.name,
            run=self._run,
            environment=submission.overlay,
            parameters=submission.parameters,
        )
        workflow = overlay.apply(read(submission.workflow_file).data)
        self._mailbox.begin()
        self._take_nodes()
        self._wall = WallClock.now()
        self._submission = submission
        self._observer = Observer(
            submission, nodes=self._nodes, wall=self._wall, follow_log=self._follow_log
        )
        self._watch("workflows", namespaces.WORKFLOWS)
        self._watch("pods", "v1")
        self._api.create(self._path("workflows"), workflow)
        return self._observer.sources.take()

    def handle(self, message: Any) -> Sequence[Entry]:
        """Take everything that the threads have reported.

        Raises:
            SubstrateError: the API server is gone; the entries that say so were returned before.
        """
        if self._failure is not None:
            raise self._failure
        self._drain()
        return () if self._observer is None else self._observer.sources.take()

    def tick(self, now_ns: int) -> Sequence[Entry]:
        """Renew the lease where that is due.

        Raises:
            SubstrateError: another run has taken the namespace.
        """
        self._lease.renew(now_ns)
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
        if self._call_deletion(pod, grace_s):
            grace_s = pod.grace_s if grace_s is None else grace_s
            how = "force" if force else "delete"
            observer.note_deletion(uid, how=how, grace_s=grace_s, by=by, at_ns=at_ns)
        return observer.sources.take()

    def evict_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Evict a pod; one that does not exist any more is left alone.

        Raises:
            SubstrateError: a disruption budget refused it.
        """
        observer, pod = self._find(uid)
        if observer is None or pod is None or pod.deleted_ns is not None:
            return ()
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": self._namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        at_ns = clock.monotonic_ns()
        try:
            self._api.create(self._path("pods/eviction", pod.name), body)
        except ApiError as error:
            if error.status == _TOO_MANY:
                raise SubstrateError(
                    f"the eviction of pod {pod.name} was refused by a PodDisruptionBudget "
                    f"({error}); raise its maxUnavailable, or delete the pod instead (pod.delete)"
                ) from error
            if error.status not in (_NOT_FOUND, _CONFLICT):
                raise
            return ()
        observer.note_deletion(uid, how="evict", grace_s=pod.grace_s, by=by, at_ns=at_ns)
        return observer.sources.take()

    def cordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let no new pod onto the node; one that is closed or gone is left alone."""
        if self._observer is None or not self._nodes.is_ready(node):
            return ()
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
        self._stop_watches(self._watches)
        observer.close(why_lost)
        self._observer = self._submission = None
        try:
            self._remove_workflow(submission.name, "Background")
            self._remove_pods(submission.name)
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
        self._stop_watches(self._watches)
        self._stop_watches(self._node_watches)
        if problems:
            raise HarnessError("the cluster could not be left in order: " + "; ".join(problems))

    @staticmethod
    def _stop_watches(watches: list[Reflector]) -> None:
        for watch in watches:
            watch.stop()
        watches.clear()

    def _abandon(self) -> None:
        if self._observer is not None:
            self.finish()

    def _reap(self, observer: Observer, workflow: str) -> None:
        """Kill every pod of a workflow that has not ended, and keep Argo from making new ones."""
        self._remove_workflow(workflow, "Orphan")
        for pod in observer.pods:
            at_ns = clock.monotonic_ns()
            if self._call_deletion(pod, 0.0):
                observer.note_deletion(pod.uid, how="force", grace_s=0.0, by=HARNESS, at_ns=at_ns)
        self._remove_pods(workflow)

    def _await_quiet(self, observer: Observer) -> None:
        """Wait until every pod has ended and every log was read."""
        deadline = clock.Deadline("end of every pod and log", _QUIET_S)
        while not observer.is_quiet and not deadline.passed and self._failure is None:
            self._drain(wait_s=min(_WAKE_S, deadline.left_s))
        self._drain()
        if self._failure is not None:
            raise self._failure

    def _remove_workflow(self, name: str, policy: str) -> None:
        try:
            self._api.delete(self._path("workflows", name), {"propagationPolicy": policy})
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    def _remove_pods(self, workflow: str) -> None:
        """Remove the pods of a workflow at once, also those that never ran."""
        selector = f"{EXECUTION_LABEL}={label_value(workflow)}"
        listed = self._api.get(self._path("pods"), labelSelector=selector)
        for item in listed.get("items") or ():
            self._delete_pod(item["metadata"]["name"], {"gracePeriodSeconds": 0})

    def _heal(self) -> None:
        """Open every node that we closed."""
        self._cordons.heal()

    # --- nodes ---

    def _take_nodes(self) -> None:
        """Take what was reported of nodes before an execution begins.

        Raises:
            SubstrateError: the watch of the nodes is over.
        """
        self._drain()
        if self._failure is not None:
            raise self._failure

    # --- pods ---

    def _find(self, uid: str) -> tuple[Observer | None, Pod | None]:
        observer = self._observer
        return observer, None if observer is None else observer.find(uid)

    def _call_deletion(self, pod: Pod, grace_s: float | None) -> bool:
        """Ask for a pod's deletion; return False where it is gone already."""
        body: dict[str, Any] = {"preconditions": {"uid": pod.uid}}
        if grace_s is not None:
            body["gracePeriodSeconds"] = int(grace_s)
        return self._delete_pod(pod.name, body)

    def _delete_pod(self, name: str, options: Mapping[str, Any]) -> bool:
        try:
            self._api.delete(self._path("pods", name), options)
        except ApiError as error:
            if error.status in (_NOT_FOUND, _CONFLICT):
                return False
            raise
        return True

    def _follow_log(self, pod: Pod, start_ns: int) -> Tail:
        assert self._submission is not None
        return LogTail(
            self._api,
            namespace=self._namespace,
            pod=pod.name,
            uid=pod.uid,
            file=self._submission.logs / f"{pod.uid}.log",
            boot=clock.boot_id(),
            start_ns=start_ns,
            deliver=self._mailbox.putter(),
        )

    # --- threads ---

    def _watch(self, resource: str, group: str) -> None:
        assert self._submission is not None
        watch = Reflector(
            self._api,
            path_of(resource, namespace=self._namespace, group=group),
            self._mailbox.deliverer(resource),
            selector=f"{EXECUTION_LABEL}={label_value(self._submission.name)}",
            trim=podlife.trim if resource == "pods" else dict,
        )
        self._watches.append(watch)
        watch.start()

    def _drain(self, wait_s: float = 0.0) -> None:
        """Hand on every report; wait for the first one where there is none."""
        report = self._mailbox.take(wait_s)
        while report is not None:
            self._take(report)
            report = self._mailbox.take()

    def _take(self, report: Report | LogLines | LogEnded) -> None:
        match report:
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

    def _path(self, resource: str, name: str | None = None) -> str:
        group = namespaces.WORKFLOWS if resource == "workflows" else "v1"
        return path_of(resource, namespace=self._namespace, name=name, group=group)
