"""What was seen of a trial, and which view of the death it amounts to; pure.

Error "pod deleted", then a second pod for the same attempt   restarted
Error "pod deleted", then the next attempt, or the end        gone
Error "wait: …"                                               wait-failed
Failed, or Succeeded                                          seen, with the exit code
anything else                                                 no view; it is kept as seen
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaosml.workflow.survey import Seen
from chaosml.workflow.views import View

__all__ = ["Death", "PodSighting", "PodState", "Sightings", "VertexSighting", "judge"]

_POD_DELETED = "pod deleted"
_WAIT_FAILED = "wait: "
_EXIT_CODE = re.compile(r"exit code (\d+)")
_TERMINAL = {"Succeeded", "Failed", "Error"}


class PodState(enum.StrEnum):
    """How far a pod has come, as far as its main container shows."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class VertexSighting:
    """What the controller said of an attempt; the retried step itself is attempt None."""

    at_ns: int
    attempt: int | None
    phase: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class PodSighting:
    """What the API showed of a pod."""

    at_ns: int
    attempt: int
    uid: str
    state: PodState
    node: str = ""
    exit_code: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How the struck pod's death surfaced, as far as it is known."""

    view: View | None
    exit_code: int | None = None
    decided_ns: int | None = None
    running_ns: int | None = None
    """When the container of what came next ran."""
    final: bool = False
    """Whether the controller will do nothing more."""

    @property
    def over(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.final or self.running_ns is not None


@dataclass(slots=True)
class Sightings:
    """Everything that was seen of a trial, without repetitions, in the order of seeing."""

    vertices: list[VertexSighting] = field(default_factory=list)
    pods: list[PodSighting] = field(default_factory=list)

    def add_vertex(self, seen: VertexSighting) -> None:
        """Take a word of the controller, unless it said the same before."""
        last = next((one for one in reversed(self.vertices) if one.attempt == seen.attempt), None)
        if last is None or (last.phase, last.message) != (seen.phase, seen.message):
            self.vertices.append(seen)

    def add_pod(self, seen: PodSighting) -> None:
        """Take a state of a pod, unless it was in that before."""
        last = next((one for one in reversed(self.pods) if one.uid == seen.uid), None)
        if last is None or (last.state, last.node) != (seen.state, seen.node):
            self.pods.append(seen)

    @property
    def first(self) -> PodSighting | None:
        """The last that was seen of the newest pod of the first attempt."""
        return next((one for one in reversed(self.pods) if one.attempt == 0), None)

    def phase(self, attempt: int | None) -> VertexSighting | None:
        """Return the controller's last word on an attempt."""
        return next((one for one in reversed(self.vertices) if one.attempt == attempt), None)

    def told(self, struck_ns: int) -> tuple[Seen, ...]:
        """Return everything as rows, in seconds from the strike."""
        numbers: dict[str, int] = {}
        rows = [
            Seen(_since(one.at_ns, struck_ns), one.attempt, one.phase, one.message)
            for one in self.vertices
            if one.attempt is not None
        ]
        for pod in self.pods:
            number = numbers.setdefault(pod.uid, len(numbers) + 1)
            code = "" if pod.exit_code is None else f"exit code {pod.exit_code}"
            what = f"pod {number} {pod.state}"
            rows.append(Seen(_since(pod.at_ns, struck_ns), pod.attempt, what, code))
        return tuple(sorted(rows, key=lambda row: row.at_s))


def _since(at_ns: int, struck_ns: int) -> float:
    return round((at_ns - struck_ns) / 1e9, 1)


def judge(seen: Sightings, uid: str, struck_ns: int) -> Death:
    """Return what is known of the death of a pod that was struck.

    Args:
        seen: Everything so far.
        uid: The struck pod, of attempt 0.
        struck_ns: When it was.
    """
    after = [one for one in seen.vertices if one.at_ns >= struck_ns]
    decided = next((one for one in after if one.attempt == 0 and one.phase in _TERMINAL), None)
    second = next((one for one in seen.pods if one.attempt == 0 and one.uid != uid), None)
    if second is not None and second.at_ns >= struck_ns:
        return _restarted(seen, second, decided)
    if decided is None:
        return Death(view=None)
    view = _view(decided, seen)
    code = _exit_code(seen, decided, uid) if view is View.SEEN else None
    ran = _ran(seen.pods, lambda one: one.attempt > 0)
    return Death(
        view=view,
        exit_code=code,
        decided_ns=decided.at_ns,
        running_ns=ran,
        final=decided.phase == "Succeeded" or _ended(seen),
    )


def _restarted(seen: Sightings, second: PodSighting, decided: VertexSighting | None) -> Death:
    """The attempt has a new pod: the controller may have said `Error` before that, or nothing."""
    moments = [second.at_ns] + ([] if decided is None else [decided.at_ns])
    ran = _ran(seen.pods, lambda one: one.uid == second.uid)
    return Death(view=View.RESTARTED, decided_ns=min(moments), running_ns=ran)


def _view(decided: VertexSighting, seen: Sightings) -> View | None:
    if decided.phase != "Error":
        return View.SEEN
    if decided.message.startswith(_WAIT_FAILED):
        return View.WAIT_FAILED
    if decided.message == _POD_DELETED and _went_on(seen):
        return View.GONE
    return None


def _went_on(seen: Sightings) -> bool:
    """Whether the controller has left the first attempt behind."""
    return any(one.attempt for one in seen.vertices) or _ended(seen)


def _ended(seen: Sightings) -> bool:
    step = seen.phase(None)
    return step is not None and step.phase in _TERMINAL


def _exit_code(seen: Sightings, decided: VertexSighting, uid: str) -> int | None:
    if decided.phase == "Succeeded":
        return 0
    told = _EXIT_CODE.search(decided.message)
    if told is not None:
        return int(told[1])
    codes = [one.exit_code for one in seen.pods if one.uid == uid and one.exit_code is not None]
    return codes[-1] if codes else None


def _ran(pods: Sequence[PodSighting], is_next: Callable[[PodSighting], bool]) -> int | None:
    running = (one for one in pods if one.state is PodState.RUNNING)
    return next((one.at_ns for one in running if is_next(one)), None)
