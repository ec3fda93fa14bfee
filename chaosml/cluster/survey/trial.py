"""One trial from its workflow's start to its verdict: who is struck when, and what is waited for.

starting ─► container runs ─► (settling) ─► struck ─► view known ─► what came next runs
    └───────────────┴───────── a limit passes: missed           └─► a limit: as it is
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field

from chaosml import clock
from chaosml.cluster.survey.sightings import (
    Death,
    PodSighting,
    PodState,
    Sightings,
    VertexSighting,
    judge,
)
from chaosml.workflow.survey import Cell, Timing, Trial
from chaosml.workflow.views import View

__all__ = ["SETTLING_S", "Course", "Stage"]

SETTLING_S = 12.0
"""From the controller's showing the pod running to a settled strike: longer than the 10 s in
which it does not look at a pod that it has just seen start (Argo's
`RECENTLY_STARTED_POD_DURATION`), and than its requeue."""

_START_S = 180.0
_DECISION_S = 180.0
_NEXT_S = 90.0


class Stage(enum.Enum):
    """How far a trial is."""

    STARTING = enum.auto()
    READY = enum.auto()
    """It is to be struck now."""
    STRUCK = enum.auto()
    OVER = enum.auto()
    MISSED = enum.auto()


@dataclass(slots=True)
class Course:
    """The course of one trial."""

    cell: Cell
    workflow: str
    seen: Sightings = field(default_factory=Sightings)
    uid: str = ""
    struck_ns: int = 0
    decided_ns: int | None = None
    _began: clock.Deadline = field(
        default_factory=lambda: clock.Deadline("the start of a trial", _START_S)
    )

    def take(self, sighting: VertexSighting | PodSighting) -> None:
        """Take something that was seen of it."""
        if isinstance(sighting, VertexSighting):
            self.seen.add_vertex(sighting)
        else:
            self.seen.add_pod(sighting)

    def strike(self, pod: PodSighting, at_ns: int) -> None:
        """Note that its pod is struck."""
        self.uid, self.struck_ns = pod.uid, at_ns

    def stage(self, now_ns: int) -> Stage:
        """Return how far it is."""
        if not self.struck_ns:
            return self._before(now_ns)
        death = self.death()
        if death.over:
            return Stage.OVER
        if self.decided_ns is None and death.view is not None:
            self.decided_ns = now_ns
        since_ns, limit_s = (
            (self.struck_ns, _DECISION_S) if self.decided_ns is None else (self.decided_ns, _NEXT_S)
        )
        return Stage.OVER if (now_ns - since_ns) / 1e9 > limit_s else Stage.STRUCK

    def _before(self, now_ns: int) -> Stage:
        pod = self.seen.first
        if self._began.passed or (pod is not None and pod.state in _TOO_LATE):
            return Stage.MISSED
        if pod is None or pod.state is not PodState.RUNNING:
            return Stage.STARTING
        if self.cell.timing is Timing.EARLY:
            return Stage.READY
        vertex = self.seen.phase(0)
        if vertex is None or vertex.phase != "Running":
            return Stage.STARTING
        settled = (now_ns - vertex.at_ns) / 1e9 >= SETTLING_S
        return Stage.READY if settled else Stage.STARTING

    def death(self) -> Death:
        """Return what is known of its pod's death."""
        return judge(self.seen, self.uid, self.struck_ns)

    def row(self) -> Trial:
        """Return what came of it."""
        death = self.death()
        return Trial(
            cell=str(self.cell),
            view=death.view,
            exit_code=death.exit_code,
            decided_s=self._since_strike(death.decided_ns),
            running_s=self._since_strike(death.running_ns),
            load=round(os.getloadavg()[0], 1),
            seen=() if _is_plain(death) else self.seen.told(self.struck_ns),
        )

    def _since_strike(self, at_ns: int | None) -> float | None:
        return None if at_ns is None else round((at_ns - self.struck_ns) / 1e9, 1)


def _is_plain(death: Death) -> bool:
    """Whether the outcome says all: a view, its exit code, and what came next."""
    if death.view is View.SEEN and death.exit_code is None:
        return False
    return death.view is not None and death.over


_TOO_LATE = {PodState.ENDED, PodState.REMOVED}
