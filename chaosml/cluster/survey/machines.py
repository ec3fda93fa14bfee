"""Trials that lose a machine: many pods on one worker, which is killed once for all of them.

close the others ─► start on the victim ─► settle ─► open the others ─► kill
     NODE_LOST: its Node object goes soon after, as a cloud removes it
     NODE_RETURNED: it starts again, with its pods' containers ended
─► views ─► the worker is brought back, whatever happened
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from chaosml import clock
from chaosml.cluster import docker
from chaosml.cluster.survey.pool import Bench
from chaosml.cluster.survey.trial import Course, Stage
from chaosml.errors import SubstrateError
from chaosml.workflow.survey import Cell, Trial
from chaosml.workflow.views import WayToDie

__all__ = ["NodeBatch"]

_REMOVED_AFTER_S = 5.0
_BACK_AFTER_S = 20.0
_READY_S = 240.0
_START_S = 240.0
_POLL_S = 0.5
_NODES = "/api/v1/nodes/"
_MERGE = "application/merge-patch+json"


class NodeBatch:
    """Makes the trials of one cell together."""

    def __init__(
        self,
        bench: Bench,
        *,
        cluster: str,
        workers: Sequence[str],
        missed: Callable[[Cell, str], bool],
    ) -> None:
        """Prepare.

        Args:
            bench: Where.
            cluster: The kind cluster.
            workers: Names of the workers, two or more; the last one dies.
            missed: Told of a pod that could not be struck, and why.
        """
        self._bench, self._cluster, self._missed = bench, cluster, missed
        *self._others, self._victim = workers

    def run(self, cell: Cell, count: int) -> Generator[Trial, None, None]:
        """Make some trials of a cell at once; yield each as it ends.

        Raises:
            SubstrateError: the cluster does not answer, or the worker does not come back.
        """
        going: list[Course] = []
        try:
            with self._closed(self._others):
                for _ in range(count):
                    going.append(self._bench.start(cell))
                    self._bench.hear(going)
                ready = self._await_ready(going)
            for course in [course for course in going if course not in ready]:
                self._missed(cell, f"it did not run on {self._victim} in time")
                self._bench.remove(course)
                going.remove(course)
            yield from self._lose(cell, going)
        finally:
            self._bring_back()
            for course in going:
                self._bench.remove(course)

    def _await_ready(self, going: list[Course]) -> list[Course]:
        """Wait until every pod runs on the victim and has settled, or the limit has passed."""
        deadline = clock.Deadline(f"pods that run on {self._victim}", _START_S)
        while True:
            self._bench.hear(going)
            now_ns = clock.monotonic_ns()
            ready = [course for course in going if course.stage(now_ns) is Stage.READY]
            if len(ready) == len(going) or deadline.passed:
                return ready

    def _lose(self, cell: Cell, going: list[Course]) -> Generator[Trial, None, None]:
        """Kill the worker and follow what becomes of its pods."""
        if not going:
            return
        at_ns = clock.monotonic_ns()
        docker.kill(self._victim).expect(f"killing {self._victim}")
        for course in going:
            pod = course.seen.first
            if pod is not None:
                course.strike(pod, at_ns)
        self._hear_for(going, _REMOVED_AFTER_S if self._is_final(cell) else _BACK_AFTER_S)
        if self._is_final(cell):
            self._bench.api.ask("delete", _NODES + self._victim)
        else:
            docker.restart(self._victim).expect(f"starting {self._victim}")
        for course in self._ended(going):
            yield course.row()

    @staticmethod
    def _is_final(cell: Cell) -> bool:
        return cell.way is WayToDie.NODE_LOST

    def _hear_for(self, going: list[Course], seconds: float) -> None:
        deadline = clock.Deadline("the next thing to happen to the node", seconds)
        while not deadline.passed:
            self._bench.hear(going)

    def _ended(self, going: list[Course]) -> Iterator[Course]:
        left = list(going)
        while left:
            self._bench.hear(going)
            now_ns = clock.monotonic_ns()
            for course in [one for one in left if one.stage(now_ns) is Stage.OVER]:
                left.remove(course)
                yield course

    @contextlib.contextmanager
    def _closed(self, nodes: Sequence[str]) -> Iterator[None]:
        """Let no new pod onto some nodes for a while."""
        try:
            for node in nodes:
                self._close(node, closed=True)
            yield
        finally:
            for node in nodes:
                self._close(node, closed=False)

    def _bring_back(self) -> None:
        """Have the worker run, registered and ready."""
        running = {one.name for one in docker.cluster_containers(self._cluster) if one.running}
        if self._victim not in running or self._node() is None:
            docker.restart(self._victim).expect(f"starting {self._victim}")
        deadline = clock.Deadline(f"node {self._victim} being ready again", _READY_S)
        if not clock.wait_until(self._is_ready, deadline, _POLL_S):
            raise SubstrateError(f"{deadline.what} took longer than {_READY_S:g} s")

    def _is_ready(self) -> bool:
        conditions = (self._node() or {}).get("status", {}).get("conditions", ())
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _node(self) -> dict[str, Any] | None:
        return self._bench.api.find(_NODES + self._victim)

    def _close(self, node: str, *, closed: bool) -> None:
        body = {"spec": {"unschedulable": closed or None}}
        answer = self._bench.api.ask("patch", _NODES + node, body, content_type=_MERGE)
        if not answer.succeeded:
            raise SubstrateError(f"node {node} cannot be changed: {answer.message}")
