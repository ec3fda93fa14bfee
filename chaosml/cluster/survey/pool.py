"""Many trials at a time in one cluster, each with a workflow of its own, struck pod by pod."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from chaosml import clock
from chaosml.cluster.api import Api
from chaosml.cluster.survey import strikes
from chaosml.cluster.survey.pipeline import LABEL, workflow
from chaosml.cluster.survey.sightings import PodSighting
from chaosml.cluster.survey.trial import Course, Stage
from chaosml.cluster.survey.watch import Change
from chaosml.errors import SubstrateError
from chaosml.workflow.survey import Cell, Trial

__all__ = ["Bench", "Pool"]

_TICK_S = 0.2
_APART_S = 1.0
"""Between two starts: a dozen pods that start at once would measure each other."""
_CLEAN_S = 60.0
_POLL_S = 0.5
_MERGE = "application/merge-patch+json"


@dataclass(slots=True)
class Bench:
    """Where trials are made: starts their workflows, hears of them, clears them away."""

    api: Api
    namespace: str
    inbox: queue.SimpleQueue[Change]
    stem: str
    """Begins the names of workflows: no two of a cluster's life are alike."""
    started: int = 0

    def start(self, cell: Cell) -> Course:
        """Submit the workflow of a trial.

        Raises:
            SubstrateError: the API refused it.
        """
        self.started += 1
        name = f"{self.stem}-{self.started}"
        self.api.create(self._workflows, workflow(name, cell))
        return Course(cell, name)

    def hear(self, courses: Sequence[Course], wait_s: float = _TICK_S) -> None:
        """Give what is seen to whom it concerns; waits a moment for the first of it."""
        by_name = {course.workflow: course for course in courses}
        with contextlib.suppress(queue.Empty):
            name, sightings = self.inbox.get(timeout=wait_s)
            while True:
                if name in by_name:
                    for sighting in sightings:
                        by_name[name].take(sighting)
                name, sightings = self.inbox.get_nowait()

    def remove(self, course: Course) -> None:
        """Remove a trial's workflow and its pods, finalizers or not.

        Raises:
            SubstrateError: the API does not answer.
        """
        self.api.ask("delete", f"{self._workflows}/{course.workflow}")
        for pod in {pod.name for pod in course.seen.pods}:
            self._remove_pod(pod)

    def clear(self) -> None:
        """Remove whatever any survey has left in the namespace.

        Raises:
            SubstrateError: it does not go.
        """
        labelled = [("labelSelector", LABEL)]
        for item in self.api.get(self._workflows, labelled)["items"]:
            self.api.ask("delete", f"{self._workflows}/{item['metadata']['name']}")

        def gone() -> bool:
            left = self.api.get(self._pods, labelled)["items"]
            for pod in left:
                self._remove_pod(pod["metadata"]["name"])
            return not left

        deadline = clock.Deadline(f"the end of earlier trials in {self.namespace}", _CLEAN_S)
        if not clock.wait_until(gone, deadline, _POLL_S):
            raise SubstrateError(f"{deadline.what} did not come within {_CLEAN_S:g} s")

    def _remove_pod(self, name: str) -> None:
        path = f"{self._pods}/{name}"
        without = {"metadata": {"finalizers": None}}
        if self.api.ask("patch", path, without, content_type=_MERGE).succeeded:
            self.api.ask("delete", path, {"gracePeriodSeconds": 0})

    @property
    def _workflows(self) -> str:
        return f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/workflows"

    @property
    def _pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"


class Pool:
    """Makes trials that strike single pods."""

    def __init__(self, bench: Bench, parallel: int, missed: Callable[[Cell, str], bool]) -> None:
        """Prepare.

        Args:
            bench: Where.
            parallel: How many trials at a time.
            missed: Told of a strike that did not happen, and why; says whether to try again.
        """
        self._bench, self._parallel, self._missed = bench, parallel, missed

    def run(self, cells: Sequence[Cell]) -> Generator[Trial, None, None]:
        """Make a trial of each cell, in this order; yield each as it ends.

        Raises:
            SubstrateError: the cluster does not answer.
        """
        waiting, going = list(cells), list[Course]()
        apart = clock.Deadline("the next start", 0.0)
        while waiting or going:
            if waiting and len(going) < self._parallel and apart.passed:
                going.append(self._bench.start(waiting.pop(0)))
                apart = clock.Deadline("the next start", _APART_S)
            self._bench.hear(going)
            for course in list(going):
                stage = course.stage(clock.monotonic_ns())
                why = None
                if stage is Stage.READY:
                    why = self._strike(course)
                elif stage is Stage.MISSED:
                    why = "its pod did not start in time, or ended by itself"
                if why is not None:
                    if self._missed(course.cell, why):
                        waiting.append(course.cell)
                elif stage is not Stage.OVER:
                    continue
                going.remove(course)
                self._bench.remove(course)
                if why is None:
                    yield course.row()

    def _strike(self, course: Course) -> str | None:
        pod = course.seen.first
        if pod is None:
            return "it has no pod"
        at_ns = clock.monotonic_ns()
        why = strikes.strike(self._bench.api, course.cell, self._target(course, pod))
        if why is None:
            course.strike(pod, at_ns)
        return why

    def _target(self, course: Course, pod: PodSighting) -> strikes.Target:
        namespace = self._bench.namespace
        return strikes.Target(namespace, course.workflow, pod.name, pod.uid, pod.node)
