"""One workflow on the embedded substrate: from observations to pods and back.

    kubelet's reports ──► facts (source `kubelet`, `log/UID`)
                     └──► observations ──► controller ──► commands ──► orders to the kubelet
                                                     └──► changes ──► facts (source `argo`)

What the controller observes of a pod that was deleted is not what happened but the
*view* that the deletion names (see `workflow.views`). A pod that ends by itself is
always seen.
"""

from __future__ import annotations

import heapq
import pathlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from chaosml import clock
from chaosml.event import (
    PodDeletion,
    PodExited,
    PodGone,
    PodPaused,
    PodResumed,
    PodSignalled,
    PodStarted,
)
from chaosml.substrates.embedded.controller import Controller, Decision
from chaosml.substrates.embedded.interpreters import Interpreters, fingerprint, first_match
from chaosml.substrates.embedded.nodes import Nodes
from chaosml.substrates.embedded.objects import Deletion, Loss, PodObject, surface
from chaosml.substrates.embedded.pods import Site, compose, make_uid
from chaosml.substrates.embedded.telling import ARGO, KUBELET, Telling, log_of
from chaosml.substrates.embedded.wire import (
    Claimed,
    EndPod,
    Exited,
    Order,
    Paused,
    Ready,
    Report,
    Signalled,
    SignalPod,
    Started,
)
from chaosml.substrates.protocol import PodView, Submission
from chaosml.substrates.redaction import Redaction
from chaosml.substrates.sources import Sources
from chaosml.workflow.protocol import (
    FOUND_DEAD,
    CreatePod,
    Finished,
    Observation,
    PodPending,
    PodRunning,
    PodSpec,
    PodVanished,
    StopPod,
    Tick,
    WakeAt,
)
from chaosml.workflow.views import View

__all__ = ["HARNESS", "Driver"]

HARNESS = "harness"
"""Who ends what is left at the end of an execution."""
_RESUME = "SIGCONT"


class Driver:
    """Runs one submitted workflow. Every method leaves what it has to say in `sources`."""

    def __init__(
        self,
        submission: Submission,
        *,
        controller: Controller,
        nodes: Nodes,
        folder: pathlib.Path,
        marks: Mapping[str, str],
        send: Callable[[Order], None],
    ) -> None:
        self.sources = Sources()
        self.finished: tuple[str, str] | None = None
        self._submission = submission
        self._controller = controller
        self._nodes = nodes
        self._folder = folder
        self._marks = marks
        self._send = send
        self._interpreters = Interpreters(submission.images)
        self._redaction = Redaction(submission.secrets)
        self._tell = Telling(self.sources, self._redaction, submission.name)
        self._state: Any = None
        self._observations: deque[Observation] = deque()
        self._wakes: list[int] = []
        self._pods: dict[str, PodObject] = {}
        """By uid, the oldest first."""
        self._incarnations: dict[str, int] = dict(submission.incarnations)
        self._pods_made = 0
        self._cordons: dict[str, str] = {}
        """Who cordoned a node whose pods are being evicted."""
        self._unheard: dict[str, list[tuple[PodObject, Exited]]] = {}
        """Deaths on stopped nodes that the controller believes in, by node, until it returns."""
        self._ending = False

    @property
    def due_ns(self) -> int | None:
        """When the controller wants to look again."""
        return self._wakes[0] if self._wakes and self.finished is None else None

    @property
    def pods(self) -> Sequence[PodView]:
        """The pods that exist, the oldest first."""
        return tuple(pod.view() for pod in self._pods.values())

    def start(self) -> None:
        """Open the sources and let the controller begin.

        Raises:
            ScenarioError: the workflow is wrong or uses what is not supported.
        """
        decision = self._controller.start(self._submission)
        for source in (ARGO, KUBELET):
            self.sources.begin(source)
        for node in self._nodes.names:
            self._tell.node(node, "ready", HARNESS)
        self._tell.workflow("Running", "")
        self._carry_out(decision)
        self._settle()

    def tick(self, now_ns: int) -> None:
        """Let the controller look again where it wanted to by now."""
        due = False
        while self._wakes and self._wakes[0] <= now_ns:
            heapq.heappop(self._wakes)
            due = True
        if due:
            self._observe(Tick(now_ns))
            self._settle()

    def take(self, report: Report) -> None:
        """Take what the kubelet reports."""
        if isinstance(report, Ready) or report.uid not in self._pods:
            return
        pod = self._pods[report.uid]
        match report:
            case Started():
                self._note_start(pod, report)
            case Claimed():
                self._tell.claims(report)
            case Signalled():
                self._note_signal(pod, report)
            case Paused():
                paused = PodPaused(uid=pod.uid, by=report.by, processes=report.processes)
                self._tell.pod(pod.uid, paused, (report.earliest_ns, report.latest_ns))
            case Exited():
                self._note_exit(pod, report)
        self._settle()

    def delete(
        self,
        uid: str,
        *,
        how: str,
        by: str,
        view: View,
        grace_s: float | None = None,
        message: str = "",
    ) -> None:
        """Delete a pod; a grace of 0 means at once. One that does not exist is left alone.

        With a message the kubelet ends it, and says so in the status that is left.
        """
        pod = self._pods.get(uid)
        if pod is None:
            return
        grace_s = pod.spec.grace_s if grace_s is None else grace_s
        # A kubelet never leaves a pod longer than it asked for.
        grace_s = min(grace_s, pod.spec.grace_s) if message else grace_s
        forced = grace_s <= 0
        if pod.deletion is not None and (pod.deletion.forced or not forced):
            return
        if not pod.node:
            self._create(pod)
        self._tell.pod(pod.uid, PodDeletion(uid=uid, how=how, grace_s=grace_s, by=by))
        at_ns = clock.monotonic_ns() if pod.deletion is None else pod.deletion.at_ns
        pod.deletion = Deletion(view, at_ns, forced, message)
        if pod.node:
            self._send(EndPod(uid=uid, by=by, grace_s=grace_s))
        else:
            self._lose_unplaced(pod)
        self._settle()

    def evict(self, uid: str, *, by: str, view: View) -> None:
        """Evict a pod, as a drain does."""
        pod = self._pods.get(uid)
        if pod is not None and self._nodes.is_cordoned(pod.node):
            self._cordons[pod.node] = by
        self.delete(uid, how="evict", by=by, view=view)

    def cordon(self, node: str, *, by: str) -> None:
        """Let no new pod onto a node; an unknown one is left alone."""
        if node in self._nodes and not self._nodes.is_cordoned(node):
            self._nodes.cordon(node)
            self._tell.node(node, "cordoned", by)

    def uncordon(self, node: str, *, by: str) -> None:
        """Let pods onto a node again; an unknown one is left alone."""
        if node in self._nodes and self._nodes.is_cordoned(node):
            self._nodes.uncordon(node)
            self._cordons.pop(node, None)
            self._tell.node(node, "ready", by)
            self._place_waiting()
            self._settle()

    def signal(self, uid: str, *, by: str, signal: str) -> None:
        """Send a signal to a pod's program; one that does not run is left alone."""
        pod = self._pods.get(uid)
        if pod is not None and pod.running:
            self._send(SignalPod(uid=uid, signal=signal, by=by))

    def lose_success(self, uid: str, *, by: str, view: View) -> None:
        """Let nobody see a pod's success; one that has ended is left alone."""
        pod = self._pods.get(uid)
        if pod is not None and pod.deletion is None:
            pod.loss = Loss(by, view)

    def cut_off(self, uid: str, *, by: str, view: View) -> None:
        """Take a pod's object away and let its processes live; one that has none is left alone."""
        pod = self._pods.get(uid)
        if pod is None or not pod.running or pod.cut_off:
            return
        pod.cut_off = True
        self._tell.pod(uid, PodDeletion(uid=uid, how="cut-off", grace_s=0.0, by=by))
        self._tell.pod(uid, PodGone(uid=uid, view=view.value))
        now_ns, graceless = clock.monotonic_ns(), view is View.RESTARTED
        self._observe(PodVanished(pod.spec.pod, now_ns, graceless=graceless))
        self._settle()

    def end_cut_off(self, uid: str, *, by: str) -> None:
        """Kill what was cut off."""
        pod = self._pods.get(uid)
        if pod is not None and pod.cut_off:
            self._send(EndPod(uid=uid, by=by, grace_s=0.0))

    def stop_node(self, node: str, *, by: str, view: View, keep_object: bool = False) -> None:
        """Kill a node with everything on it; an unknown one is left alone.

        With `keep_object` the controller hears nothing of the deaths before it returns.
        """
        if node not in self._nodes:
            return
        self._nodes.remove(node)
        if keep_object:
            self._unheard[node] = []
        self._cordons.pop(node, None)
        self._tell.node(node, "stopped", by)
        for pod in [pod for pod in self._pods.values() if pod.node == node]:
            if pod.deletion is None:
                lost = PodDeletion(uid=pod.uid, how="node-lost", grace_s=0.0, by=by)
                self._tell.pod(pod.uid, lost)
                pod.deletion = Deletion(view, clock.monotonic_ns(), forced=True)
            self._send(EndPod(uid=pod.uid, by=by, grace_s=0.0))
        self._settle()

    def return_node(self, node: str, *, by: str) -> None:
        """Start a stopped node again; one that is there or was never is left alone."""
        if not self._nodes.put_back(node):
            return
        self._tell.node(node, "ready", by)
        for pod, report in self._unheard.pop(node, ()):
            returned = msgspec.structs.replace(
                report, exit_code=FOUND_DEAD, outputs={}, result=None
            )
            self._surface(pod, View.SEEN, returned, unreported=True)
        self._place_waiting()
        self._settle()

    def add_node(self, *, by: str) -> None:
        """Let a fresh node join."""
        self._tell.node(self._nodes.add(), "ready", by)
        self._place_waiting()
        self._settle()

    def end(self) -> None:
        """Kill every pod; from now on the controller observes nothing."""
        self._ending = True
        for pod in list(self._pods.values()):
            if pod.node:
                self._send(EndPod(uid=pod.uid, by=HARNESS, grace_s=0.0))
            else:
                del self._pods[pod.uid]

    def close(self, why_lost: str = "") -> None:
        """Close every source; those of the kubelet and its pods are lost where `why_lost` says so.

        Logs whose pods have not ended are lost in any case.
        """
        for source in self.sources.open:
            if source == ARGO or (source == KUBELET and not why_lost):
                self.sources.end(source)
            else:
                self.sources.lose(source, why_lost or "its pod did not end in time")

    def _note_start(self, pod: PodObject, report: Started) -> None:
        pod.running = True
        between = (report.earliest_ns, report.latest_ns)
        self._tell.pod(pod.uid, PodStarted(uid=pod.uid, pid=report.pid), between)
        self._observe(PodRunning(pod.spec.pod, report.latest_ns, pod.node))

    def _note_signal(self, pod: PodObject, report: Signalled) -> None:
        fact: PodSignalled | PodResumed = PodSignalled(
            uid=pod.uid, signal=report.signal, by=report.by
        )
        if report.signal == _RESUME:
            fact = PodResumed(uid=pod.uid, by=report.by)
        self._tell.pod(pod.uid, fact, (report.at_ns, report.at_ns))

    def _note_exit(self, pod: PodObject, report: Exited) -> None:
        if report.drained:
            self.sources.end(log_of(pod.uid))
        else:
            self.sources.lose(log_of(pod.uid), "a process outside of the pod holds its output open")
        exited = PodExited(uid=pod.uid, exit_code=report.exit_code, stragglers=report.stragglers)
        self._tell.pod(pod.uid, exited, (report.earliest_ns, report.latest_ns))
        del self._pods[pod.uid]
        if (loss := pod.loses(report)) is not None:
            lost = PodDeletion(uid=pod.uid, how="forgotten", grace_s=0.0, by=loss.by)
            self._tell.pod(pod.uid, lost)
        if pod.cut_off:
            pass  # Its object went before.
        elif pod.node in self._unheard:
            self._unheard[pod.node].append((pod, report))
        elif not self._ending:
            self._surface(pod, *pod.death(report))
        self._note_drained(pod.node)

    def _surface(
        self, pod: PodObject, view: View, report: Exited, *, unreported: bool = False
    ) -> None:
        """Let the controller see a death."""
        self._tell.pod(pod.uid, PodGone(uid=pod.uid, view=view.value))
        self._observe(surface(pod.spec.pod, view, report, unreported=unreported))

    def _note_drained(self, node: str) -> None:
        if node in self._cordons and all(pod.node != node for pod in self._pods.values()):
            self._tell.node(node, "drained", self._cordons.pop(node))

    def _lose_unplaced(self, pod: PodObject) -> None:
        """Forget a pod that no kubelet knows."""
        del self._pods[pod.uid]
        self._tell.pod(pod.uid, PodGone(uid=pod.uid, view=View.GONE.value))
        self._observe(PodVanished(pod.spec.pod, clock.monotonic_ns()))

    def _place_waiting(self) -> None:
        for pod in [pod for pod in self._pods.values() if not pod.node]:
            self._place(pod)

    def _place(self, pod: PodObject) -> None:
        """Start a pod on a node, or tell the controller why there is none for it."""
        wanted = pod.spec.node_selector, pod.spec.avoid_nodes
        node = self._nodes.place(*wanted)
        if node is None:
            message = self._nodes.explain(*wanted)
            self._observe(PodPending(pod.spec.pod, message, clock.monotonic_ns()))
            return
        pod.node = node
        interpreter = self._interpreters.find(pod.spec.image)
        site = Site(
            uid=pod.uid,
            node=node,
            directory=self._folder / str(pod.number),
            interpreter=interpreter,
            marks=self._marks,
            folder=first_match(self._submission.folders, pod.spec.image),
        )
        order = compose(pod.spec, self._submission, site)
        self._submission.announce(pod.view())
        self.sources.begin(log_of(pod.uid))
        self._create(pod, order.environment)
        self._send(order)

    def _create(self, pod: PodObject, environment: Mapping[str, str] | None = None) -> None:
        """Say that a pod exists: when it is placed, since only then its node is known."""
        interpreter = self._interpreters.find(pod.spec.image)
        recorded = {
            name: self._redaction.hide(environment[name])
            for name in self._submission.lineage_variables
            if environment is not None and name in environment
        }
        image_id = fingerprint(interpreter)
        self._tell.pod(pod.uid, pod.created(image_id, recorded))

    def _observe(self, observation: Observation) -> None:
        self._observations.append(observation)

    def _settle(self) -> None:
        """Let the controller take every observation and carry out what it decides."""
        while self._observations:
            observation = self._observations.popleft()
            if not self._ending and self.finished is None:
                self._carry_out(self._controller.reduce(self._state, observation))

    def _carry_out(self, decision: Decision) -> None:
        self._state = decision.state
        for change in decision.changes:
            self._tell.task(change.vertex)
        for command in decision.commands:
            match command:
                case CreatePod(spec):
                    self._add(spec)
                case StopPod(pod=name):
                    self._stop(name)
                case WakeAt(at_ns):
                    heapq.heappush(self._wakes, at_ns)
                case Finished(phase, message):
                    self.finished = (phase, message)
                    self._tell.workflow(phase, message)

    def _add(self, spec: PodSpec) -> None:
        incarnation = self._incarnations.get(spec.pod, 0) + 1
        self._incarnations[spec.pod] = incarnation
        self._pods_made += 1
        pod = PodObject(spec, make_uid(spec.pod, incarnation), self._pods_made)
        self._pods[pod.uid] = pod
        self._place(pod)

    def _stop(self, name: str) -> None:
        """End a pod as Argo does; one that is not placed yet is deleted."""
        named = [pod for pod in self._pods.values() if pod.spec.pod == name and not pod.cut_off]
        for pod in named:
            if pod.node:
                grace_s = pod.spec.grace_s
                self._send(EndPod(uid=pod.uid, by=ARGO, grace_s=grace_s, by_kubelet=False))
            else:
                self._lose_unplaced(pod)
