"""The embedded substrate: Argo's behaviour and Kubernetes' manners with local processes.

Every execution has a kubelet process of its own, so that nothing of one, not even
the state of a preloaded interpreter, reaches the next. The next one starts while
the last execution is still being audited.
"""

from __future__ import annotations

import pathlib
import queue
import sys
from collections.abc import Sequence
from typing import Any

from chaosml import clock
from chaosml.errors import SubstrateError
from chaosml.history import Entry
from chaosml.substrates.embedded import leftovers
from chaosml.substrates.embedded.controller import ArgoController, Controller
from chaosml.substrates.embedded.driver import Driver
from chaosml.substrates.embedded.interpreters import fingerprint
from chaosml.substrates.embedded.link import KubeletLink, Lost
from chaosml.substrates.embedded.nodes import Nodes
from chaosml.substrates.embedded.pods import base_environment
from chaosml.substrates.embedded.wire import Order
from chaosml.substrates.protocol import PodView, Submission
from chaosml.workflow.views import View

__all__ = ["EmbeddedSubstrate"]

_READY_S = 60.0
_FINISH_S = 20.0


class EmbeddedSubstrate:
    """Runs workflows as local processes under one kubelet process an execution."""

    name = "embedded"

    def __init__(
        self,
        inbox: queue.SimpleQueue[tuple[object, Any]],
        *,
        workspace: pathlib.Path,
        run: str,
        nodes: int,
        controller: Controller | None = None,
        keep_kubelet: bool = False,
    ) -> None:
        """Make it; `prepare` starts it.

        Args:
            inbox: Gets what the kubelet reports.
            workspace: A folder of its own.
            run: Marks the processes.
            nodes: How many machines there are.
            controller: Instead of Argo's.
            keep_kubelet: Whether executions share a kubelet. What they have in common then, such
                as the seed of `hash()`, they must not be compared for.
        """
        self._keep_kubelet = keep_kubelet
        self._inbox = inbox
        self._workspace = workspace
        self._marks = leftovers.marks(run)
        self._node_count = nodes
        self._nodes = Nodes(nodes)
        self._controller = controller or ArgoController()
        self._link: KubeletLink | None = None
        self._ready = False
        self._links_made = 0
        self._driver: Driver | None = None
        self._failure: SubstrateError | None = None

    def prepare(self) -> None:
        """Start the first kubelet.

        Raises:
            SubstrateError: this is not Linux, or the kubelet does not get ready.
        """
        if self._link is None:
            self.begin()
        # Asked for while the kubelet loads its libraries; every pod's creation names it.
        fingerprint(pathlib.Path(sys.executable))
        self._await_link()

    def begin(self) -> None:
        """Start the first kubelet, without waiting for it: `prepare` does.

        Raises:
            SubstrateError: this is not Linux, or there is no process to be had.
        """
        if sys.platform != "linux":
            raise SubstrateError(
                f"the embedded substrate needs Linux, this is {sys.platform}; "
                "run it in a Linux container or virtual machine"
            )
        self._renew_link()

    def submit(self, submission: Submission) -> Sequence[Entry]:
        """Start a workflow on fresh nodes; only one at a time.

        Raises:
            ScenarioError: the workflow is wrong or uses what is not supported.
            SubstrateError: the kubelet or an image's interpreter is not there.
        """
        if self._driver is not None:
            raise SubstrateError("a workflow is still running here: `finish` it first")
        self._await_link()
        try:
            submission.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SubstrateError(f"cannot make {submission.logs}: {error.strerror}") from error
        self._nodes = Nodes(self._node_count)
        driver = Driver(
            submission,
            controller=self._controller,
            nodes=self._nodes,
            folder=self._folder,
            marks=self._marks,
            send=self._send,
        )
        driver.start()
        self._driver = driver
        return driver.sources.take()

    def handle(self, message: Any) -> Sequence[Entry]:
        """Take what the kubelet has reported.

        Raises:
            SubstrateError: the kubelet is gone; the entries that say so were returned before.
        """
        if self._failure is not None:
            raise self._failure
        if self._link is None or self._driver is None:
            return ()
        while (report := self._link.receive(0.0)) is not None:
            if isinstance(report, Lost):
                self._lose()
                break
            self._driver.take(report)
        return self._driver.sources.take()

    def tick(self, now_ns: int) -> Sequence[Entry]:
        """Do what has become due."""
        if self._driver is None or self._failure is not None:
            return ()
        self._driver.tick(now_ns)
        return self._driver.sources.take()

    @property
    def due_ns(self) -> int | None:
        """When `tick` is next needed; None if not before a message."""
        return None if self._driver is None else self._driver.due_ns

    @property
    def finished(self) -> tuple[str, str] | None:
        """Phase and message of the workflow once it has ended, None before."""
        return None if self._driver is None else self._driver.finished

    def pods(self) -> Sequence[PodView]:
        """Return the pods that exist."""
        return () if self._driver is None else self._driver.pods

    def nodes(self) -> Sequence[str]:
        """Return the names of the nodes that are there."""
        return self._nodes.names

    def delete_pod(
        self, uid: str, *, by: str, view: str, grace_s: float | None = None, force: bool = False
    ) -> Sequence[Entry]:
        """Delete a pod; one that does not exist any more is left alone."""
        if self._driver is None:
            return ()
        how = "force" if force else "delete"
        grace_s = 0.0 if force else grace_s
        self._driver.delete(uid, how=how, by=by, view=View(view), grace_s=grace_s)
        return self._driver.sources.take()

    def evict_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Evict a pod; one that does not exist any more is left alone."""
        if self._driver is None:
            return ()
        self._driver.evict(uid, by=by, view=View(view))
        return self._driver.sources.take()

    def cordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let no new pod onto the node; one that is gone is left alone."""
        if self._driver is None:
            return ()
        self._driver.cordon(node, by=by)
        return self._driver.sources.take()

    def uncordon_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Let pods onto the node again; one that is gone is left alone."""
        if self._driver is None:
            return ()
        self._driver.uncordon(node, by=by)
        return self._driver.sources.take()

    def signal_container(self, uid: str, *, by: str, signal: str) -> Sequence[Entry]:
        """Send a signal to a pod's program; one that does not run is left alone."""
        if self._driver is None:
            return ()
        self._driver.signal(uid, by=by, signal=signal)
        return self._driver.sources.take()

    def pause_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Stop a pod's program where it is; one that does not run is left alone."""
        return self.signal_container(uid, by=by, signal="SIGSTOP")

    def resume_container(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Let a pod's program go on; one that does not run is left alone."""
        return self.signal_container(uid, by=by, signal="SIGCONT")

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
        """Let the kubelet end a pod by itself; one that does not exist any more is left alone."""
        if self._driver is None:
            return ()
        chosen = View(view)
        self._driver.delete(uid, how=how, by=by, view=chosen, grace_s=grace_s, message=message)
        return self._driver.sources.take()

    def lose_success(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Let nobody see a pod's success; one that has ended is left alone."""
        if self._driver is None:
            return ()
        self._driver.lose_success(uid, by=by, view=View(view))
        return self._driver.sources.take()

    def cut_off_pod(self, uid: str, *, by: str, view: str) -> Sequence[Entry]:
        """Take a pod's object away and let its processes live."""
        if self._driver is None:
            return ()
        self._driver.cut_off(uid, by=by, view=View(view))
        return self._driver.sources.take()

    def end_cut_off_pod(self, uid: str, *, by: str) -> Sequence[Entry]:
        """Kill what was cut off; one that has ended is left alone."""
        if self._driver is None:
            return ()
        self._driver.end_cut_off(uid, by=by)
        return self._driver.sources.take()

    def stop_node(
        self, node: str, *, by: str, view: str, keep_object: bool = False
    ) -> Sequence[Entry]:
        """Kill the node with all its pods at once; one that is gone is left alone."""
        if self._driver is None:
            return ()
        self._driver.stop_node(node, by=by, view=View(view), keep_object=keep_object)
        return self._driver.sources.take()

    def return_node(self, node: str, *, by: str) -> Sequence[Entry]:
        """Start a stopped node again; one that was not stopped is left alone."""
        if self._driver is None:
            return ()
        self._driver.return_node(node, by=by)
        return self._driver.sources.take()

    def add_node(self, *, by: str, instead_of: str = "") -> Sequence[Entry]:
        """Let a node with a fresh name join."""
        if self._driver is None:
            return ()
        self._driver.add_node(by=by)
        return self._driver.sources.take()

    def finish(self) -> Sequence[Entry]:
        """Kill every pod of the workflow, wait for their ends and close the sources."""
        driver, link = self._driver, self._link
        if driver is None:
            return ()
        self._driver = None
        if self._failure is None:
            driver.end()
            deadline = clock.Deadline("end of every pod", _FINISH_S)
            while driver.pods and link is not None and not deadline.passed:
                report = link.receive(deadline.left_s)
                if isinstance(report, Lost):
                    driver.close(why_lost=f"the kubelet is gone: {link.explain()}")
                    break
                if report is not None:
                    driver.take(report)
            driver.close("the pods did not end in time" if driver.pods else "")
            if driver.pods or not self._keep_kubelet:
                self._renew_link()
        return driver.sources.take()

    def close(self) -> None:
        """End the kubelet with everything below it; safe to call twice."""
        link, self._link = self._link, None
        self._driver = None
        if link is not None:
            link.close()

    def _send(self, order: Order) -> None:
        if self._link is not None:
            self._link.send(order)

    def _renew_link(self) -> None:
        """End the kubelet that is there and start the next, without waiting for it."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._links_made += 1
        environment = {
            **base_environment(pathlib.Path(sys.executable)),
            "HOME": str(self._workspace / "home"),
            **self._marks,
        }
        self._ready = False
        self._link = KubeletLink(self._folder, environment, lambda: self._inbox.put((self, None)))

    @property
    def _folder(self) -> pathlib.Path:
        """The folder of the kubelet and its pods."""
        return self._workspace / f"k{self._links_made}"

    def _await_link(self) -> None:
        if self._link is None:
            raise SubstrateError("the embedded substrate is not prepared")
        if not self._ready:
            self._link.wait_ready(clock.Deadline("start of the kubelet", _READY_S))
            self._ready = True

    def _lose(self) -> None:
        """State what is not known any more; the next message raises."""
        if self._link is None or self._driver is None:
            return
        why = self._link.explain()
        self._driver.close(why_lost=f"the kubelet is gone: {why}")
        self._failure = SubstrateError(
            f"the kubelet process {self._link.pid} is gone ({why}); was it killed, or did the "
            "machine run out of memory? Run again; `chaosml recover` removes what it left"
        )
        self._inbox.put((self, None))
